// Whether a model can be loaded here, asked before loading it: its headers, this device's limits, this origin's storage.

import { TernionError, type TernionErrorCode } from '../errors';
import type { BufferLimits, GpuBytes } from '../gpu/buffers';
import { probeCapabilities } from '../gpu/capabilities';
import { DeviceSupply } from '../gpu/device-supply';
import type { ModelFormat } from '../model/model-file';
import { estimateStorage } from '../storage/cache/usage';
import type { ModelSource, OpenedSource } from '../storage/sources/model-source';
import { openSource } from '../storage/sources/open-source';
import type { LocalLoadOptions } from './load-options';
import { defaultMemoryBudget } from './memory-budget';
import { fitMemory, type MemoryFit, type TargetDevice } from './memory-fit';
import { readModel } from './read-model';

/** Whether a model fits this device, and what it takes. Plain data. */
export interface ModelPlan {
  /**
   * - `fits`: with the context that was asked for, or with the default one; with an int8 KV cache if f16 is too large;
   * - `fits-with-less-context`: with `contextLength`, which is shorter;
   * - `does-not-fit`: this device has no room for it, with any context of use;
   * - `not-supported`: this version of Ternion does not run it, on any device.
   */
  verdict: MemoryFit['verdict'] | 'not-supported';
  /** What speaks against it, with numbers or names; undefined if it fits. */
  reason: string | undefined;
  /** `out-of-memory`, or what is not supported: with this code `loadModel` would reject. Undefined if it would load. */
  code: TernionErrorCode | undefined;
  /** The model's files. */
  download: {
    /** Bytes of all files, as far as their headers say which there are. */
    total: number;
    /** Bytes that are to be downloaded yet; the others are in the cache, or at hand. */
    missing: number;
    /** Whether a load leaves the files in the cache, or finds them there. If not, `uncachedReason` says why. */
    cached: boolean;
    uncachedReason: string | undefined;
  };
  /** Bytes that this origin's storage takes, and may take; undefined where the browser does not say. */
  storage: { used: number; quota: number } | undefined;
  /** What it was checked against, in bytes; `memoryBudget` is undefined where nothing is known of the memory there is. */
  limits: { maxBufferSize: number; maxStorageBufferBindingSize: number; memoryBudget: number | undefined };
  /** Undefined if the model is not supported. */
  model: PlannedModel | undefined;
}

/** What a plan says of a model that is supported. */
export interface PlannedModel {
  format: ModelFormat;
  architecture: string;
  name: string;
  /** The context that the model was made for. */
  trainedContextLength: number;
  /** The context that was asked for, or is the default. */
  wantedContextLength: number;
  /** The context that fits. If none does, the shortest that was considered. */
  contextLength: number;
  /**
   * How keys and values are kept on this device: `int8` where that was asked for, or where by default a longer context fits
   * with it than with f16; `f32` are the values of f16 in 32 bits.
   */
  kvCacheFormat: 'f16' | 'f32' | 'int8';
  /** What it takes on the GPU with one session of `contextLength`; every further session takes `kvCache` again. */
  gpuBytes: GpuBytes;
}

/** How to plan in this thread: the options of a load that decide its answer, and the device to plan for. */
export type LocalPlanOptions = Omit<LocalLoadOptions, 'onProgress' | 'onStatus' | 'tuning' | 'tuningStore'>;

/** What to plan for, once source and device are there. */
export type PlanOptions = Omit<LocalPlanOptions, 'device' | 'gpu'>;

/**
 * Reads the headers of the model at `source`, which is not used up by that, and says whether it can be loaded here. Rejects as `loadModel` does if they
 * cannot be read or are damaged, and without WebGPU.
 */
export async function planLocal(source: ModelSource, options: LocalPlanOptions = {}): Promise<ModelPlan> {
  const { signal } = options;
  const devices = new DeviceSupply(options.device, options.gpu);
  try {
    const device = await devices.get();
    const { limits } = device;
    const capabilities = await probeCapabilities(device);
    const opened = await openSource(source, { ...options, signal, waits: false });
    return await planOpened(opened, { limits, capabilities }, options);
  } finally {
    devices.release();
  }
}

/** The plan for a source that was opened, which this closes. */
export async function planOpened(
  source: OpenedSource,
  device: TargetDevice,
  options: PlanOptions = {},
): Promise<ModelPlan> {
  let failure: unknown;
  try {
    const memoryBudget = options.memoryBudget ?? defaultMemoryBudget();
    const judgement = await judge(source, device, { ...options, memoryBudget }).catch((error: unknown) => {
      failure = error;
      return unsupported(error);
    });
    const { cached, reason: uncachedReason } = source.info;
    return {
      ...judgement,
      download: { total: source.size, missing: source.missingBytes, cached, uncachedReason },
      storage: await estimateStorage(),
      limits: { ...limitsOf(device.limits), memoryBudget },
    };
  } finally {
    // Told what was wrong with it, the cache does not keep what is no model.
    await source.close(failure);
  }
}

type Judgement = Pick<ModelPlan, 'verdict' | 'reason' | 'code' | 'model'>;

async function judge(source: OpenedSource, device: TargetDevice, options: PlanOptions): Promise<Judgement> {
  const { model } = await readModel(source.files, options.signal);
  const { verdict, reason, ...memory } = fitMemory(model, device, options);
  const { architecture, name, contextLength: trainedContextLength } = model.config;
  const refused = verdict === 'does-not-fit' || (verdict !== 'fits' && options.contextLength !== undefined);
  return {
    verdict,
    reason,
    code: refused ? 'out-of-memory' : undefined,
    model: { format: model.format, architecture, name, trainedContextLength, ...memory },
  };
}

/** What is not supported is a verdict; any other error is thrown on. */
function unsupported(error: unknown): Judgement {
  if (!(error instanceof TernionError) || !error.code.startsWith('unsupported-')) throw error;
  return { verdict: 'not-supported', reason: error.message, code: error.code, model: undefined };
}

/** A copy: the limits of a device are getters, which neither spread nor structured clone sees. */
function limitsOf({ maxBufferSize, maxStorageBufferBindingSize }: BufferLimits): BufferLimits {
  return { maxBufferSize, maxStorageBufferBindingSize };
}
