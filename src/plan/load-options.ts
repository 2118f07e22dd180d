// All that can be said about a load, in one place. Whoever takes a part of it picks that part from here.

import type { DeviceOption, WebGpu } from '../gpu/given-device';
import type { TuningStore } from '../gpu/tuning-memory';
import type { FixedChoices, Variants } from '../inference/variants';
import type { Precision } from '../model/activations';
import type { SourceOptions } from '../storage/sources/model-source';
import type { ChatOptions } from '../tokenizer';

/**
 * How far a phase of a load is. `loaded` and `total` are bytes for `download` and `upload`, which may go on at the same time, and
 * pipelines for `compile`.
 */
export interface PhaseProgress {
  phase: 'download' | 'upload' | 'compile';
  loaded: number;
  /** 0 while unknown; of `compile` until the end. */
  total: number;
  /** Of a `download`: its rate over the last seconds. */
  bytesPerSecond?: number;
  /** Of a `download`: seconds left at this rate; absent while it cannot be told. */
  secondsLeft?: number;
}

/** How far a load is: as a whole, and in the phase that has just gone on. */
export interface LoadProgress extends PhaseProgress {
  /**
   * How much of the whole load is over, from 0 to 1: it never goes back, and is 1 once, at the end. It follows the time that phases are
   * expected to take, and so is an estimate.
   */
  fraction: number;
  /** What goes on, in English and for people: `Downloading 12.5 MB of 1.2 GB, 40 s left`. */
  text: string;
}

/**
 * Where a loaded model is: `ready` on a device; `recovering`, on its way onto one, as the last one was lost or given back;
 * `suspended`, on none, until something needs it; `lost`, on none, as it could not be brought onto another one: the next
 * request tries again.
 */
export type EngineStatus = 'ready' | 'recovering' | 'suspended' | 'lost';

/** How to load a model. */
export interface ModelOptions extends SourceOptions, ChatOptions {
  /** Called as the load goes on, the last time when it is over; see `LoadProgress` for the units. */
  onProgress?: ((progress: LoadProgress) => void) | undefined;
  /** Called whenever the model leaves its device or comes onto one after that; not for the load itself. */
  onStatus?: ((status: EngineStatus) => void) | undefined;
  /** Ends the load; it then rejects with `aborted` and leaves nothing behind. */
  signal?: AbortSignal | undefined;
  /**
   * Most tokens that prompt and answer can have together; a session's KV cache has this length. At most what the model
   * was made for. Default: at most 4096, and what fits this device (`engine.info.contextLength`). A length that was asked
   * for and does not fit is refused with `out-of-memory`.
   */
  contextLength?: number | undefined;
  /**
   * Most bytes that model, work buffers and the KV cache of one session may take on the GPU together; what takes more is
   * refused with `out-of-memory` before any tensor is read. WebGPU does not say how much memory there is. Default: 1.1 GB
   * on phones and tablets, except Android ones that say they have 8 GiB; else unknown, and only single buffers are
   * checked against the device's limits. `Infinity` switches the default off.
   */
  memoryBudget?: number | undefined;
  /**
   * How models of which only the weights are ternary round activations: `fast` (default) to int8 in groups of 64, `exact`
   * not at all. Models that were trained with int8 activations (BitNet) get these either way.
   */
  precision?: Precision | undefined;
  /**
   * How embedding and LM head are kept, which are one matrix in most models: in `int8` (default, unless `precision` is
   * `exact`) with a scale for every 32 columns, or in `f16`, which takes twice the memory. `planes` are the same numbers as
   * `int8`, arranged so that a greedy token reads about half of the head; docs/performance.md says what that saves and costs.
   * Ternary ones are kept as the file has them either way, and so are those in Q4_0, Q4_K and Q6_K unless `f16` is asked for:
   * they take less. With `int8` and `planes` generations round the activations before the head to int8 too; `nextLogits` never
   * does.
   */
  headPrecision?: 'int8' | 'planes' | 'f16' | undefined;
  /**
   * How keys and values are kept: in `f16`; in `int8`, which takes about half of that memory and rounds more; or `auto`
   * (default, unless `precision` is `exact`): in f16 where the context fits this device with it, else in int8 if a longer
   * context fits with that. `engine.info.codePaths.kvCache` says which.
   */
  kvCache?: 'auto' | 'f16' | 'int8' | undefined;
  /**
   * What to write to the console, for those who look for a fault: `ternion:wgsl` is the WGSL of every kernel, as it is
   * compiled. Under Node the environment variable DEBUG says the same.
   */
  debug?: string | undefined;
}

/** How to load a model into this thread. */
export interface LocalLoadOptions extends ModelOptions {
  /**
   * The device to use, for example one of the `webgpu` package under Node, or a function that gives one: it is called again
   * when that device was lost, and only then is a loss healed. Devices stay the caller's: `dispose` frees what the engine
   * made on them. Default: a device of the browser's own, which goes with the engine.
   */
  device?: DeviceOption | undefined;
  /**
   * Where to ask for devices if `device` gives none, for example `create([])` of the `webgpu` package under Node. They are the
   * engine's own. Default: `navigator.gpu`.
   */
  gpu?: WebGpu | undefined;
  /**
   * Kernel variants to run whatever the tuner would choose: for those who look into kernels.
   * @internal
   */
  variants?: Partial<Variants & FixedChoices> | undefined;
  /** False: run the variants that the device suggests, without trying others. They are checked all the same. */
  tuning?: boolean | undefined;
  /**
   * Where it is kept from one load to the next which variants are right on this adapter, and how fast they are. Default: the
   * origin's private file system, where there is one. Under Node nothing tells the version of what implements WebGPU: keep one
   * store for each.
   */
  tuningStore?: TuningStore | undefined;
  /**
   * Makes the worker that compiles grammars, for answers of a given shape; it is started by the first of them. Default: one whose
   * code is part of this module, started from a blob URL; under Node, a thread that runs `ternion/grammar`.
   */
  createGrammarWorker?: (() => Worker) | undefined;
}

/** What decides how a model is computed. */
export type PrecisionOptions = Pick<ModelOptions, 'precision' | 'headPrecision' | 'kvCache'>;

/** What decides how much memory a model takes, and whether that fits. */
export type MemoryOptions = PrecisionOptions &
  Pick<LocalLoadOptions, 'contextLength' | 'memoryBudget' | 'variants'>;

/** What can be sent to a worker as it is: not the callbacks, and not the signal. */
export type CloneableOptions = Omit<ModelOptions, 'onProgress' | 'onStatus' | 'signal'>;
