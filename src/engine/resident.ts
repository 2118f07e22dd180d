// A model on a device: all that is gone when the device is. What lives on (the conversation, what was sampled) is elsewhere.

import { TernionError, throwIfAborted, untilAborted } from '../errors';
import type { GpuContext } from '../gpu/context';
import { ReadbackRing } from '../gpu/readback';
import type { TunerOptions } from '../gpu/tuner';
import { forgetEverything } from '../gpu/tuning-memory';
import { Transformer } from '../inference/transformer';
import type { FixedChoices, Variants } from '../inference/variants';
import type { VocabularyMatrix } from '../kernels/matrices';
import type { Activations } from '../model/activations';
import { loadWeights } from '../model/load';
import type { ModelWeights } from '../model/weights';
import type { ModelFile } from '../model/model-file';
import { roundsActivations, type VocabularyPrecision } from '../model/vocabulary';
import { LoadClock, type LoadTimes } from '../plan/load-clock';
import type { PhaseProgress } from '../plan/load-options';

/** How a model is computed, and how much of it. It is the same on every device that the model comes to. */
export interface Placement {
  contextLength: number;
  headPrecision: VocabularyPrecision;
  activations: Activations;
  /** Variants to run whatever the tuner would choose. */
  variants?: Partial<Variants & FixedChoices> | undefined;
}

/** What does not depend on the model. */
export interface ResidentOptions {
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: PhaseProgress) => void) | undefined;
  tuner?: Omit<TunerOptions, 'signal'> | undefined;
  /** Tells the load's times. Default: one that begins here. */
  clock?: LoadClock | undefined;
  /**
   * Leave for later what the first answer does without: see `WorkBehind`, which whoever has the resident brings about. Default false:
   * all is compiled, and timed, before the resident is there.
   */
  behind?: boolean | undefined;
}

/** Weights, work buffers and kernels of a model on one device. Owns the context, and so all that sessions make on it. */
export class Resident {
  readonly readbacks: ReadbackRing;
  readonly #ending = new AbortController();
  #destroyed: Promise<void> | undefined;

  private constructor(
    readonly gpu: GpuContext,
    readonly transformer: Transformer,
    readonly parameterCount: number,
    /** How embedding and LM head are kept. */
    readonly formats: Record<'embedding' | 'head', VocabularyMatrix['format']>,
    readonly placement: Placement,
    readonly loadTimes: LoadTimes,
    private readonly tunerBehind: Omit<TunerOptions, 'signal'> | undefined,
  ) {
    this.readbacks = new ReadbackRing(gpu);
  }

  /** Brings `model` onto `gpu`, which it then owns: `destroy` frees it, and so does failure. */
  static async load(
    gpu: GpuContext,
    model: ModelFile,
    placement: Placement,
    options: ResidentOptions = {},
  ): Promise<Resident> {
    let creating: Promise<unknown> | undefined;
    try {
      return await Resident.#load(gpu, model, placement, options, (begun) => {
        creating = begun;
      });
    } catch (error) {
      // Kernels may still be made, for a model that does not come.
      gpu.end();
      await creating?.catch(() => {});
      gpu.destroy();
      throw error;
    }
  }

  static async #load(
    gpu: GpuContext,
    model: ModelFile,
    placement: Placement,
    { signal, onProgress, tuner, clock = new LoadClock(), behind = false }: ResidentOptions,
    onCreating: (creating: Promise<Transformer>) => void,
  ): Promise<Resident> {
    const { headPrecision, ...rest } = placement;
    const create = (of: ModelWeights): Promise<Transformer> => {
      const creating = Transformer.create(gpu, model.config, of, {
        ...rest,
        exactHead: !roundsActivations(headPrecision),
        tuner: { ...tuner, ...(behind && { budgetMs: 0 }), signal },
        prefillLater: behind,
        compile: true,
      });
      onCreating(creating);
      return creating;
    };
    let creating: Promise<Transformer> | undefined;
    const weights = await loadWeights(gpu, model, {
      vocabulary: headPrecision,
      signal,
      // Kernels are compiled while bytes come, unless variants are to be timed on those.
      onAllocated: (early) => {
        if (!behind) return;
        creating = create(early);
        // Where it fails, that is heard when all bytes are there.
        creating.catch(() => {});
      },
      onProgress: (loaded, total) => onProgress?.({ phase: 'upload', loaded, total }),
    });
    throwIfAborted(signal);
    clock.lap('upload');
    onProgress?.({ phase: 'compile', loaded: 0, total: 0 });
    gpu.onCompiled = (loaded) => onProgress?.({ phase: 'compile', loaded, total: 0 });
    let transformer: Transformer;
    try {
      transformer = await untilAborted(creating ?? create(weights), signal);
    } catch (error) {
      // A kernel that was right does not even compile: what is remembered is of another driver.
      if (error instanceof TernionError && error.code === 'internal') await forgetEverything(tuner?.store);
      throw error;
    } finally {
      gpu.onCompiled = undefined;
    }
    onProgress?.({ phase: 'compile', loaded: gpu.pipelineCount, total: gpu.pipelineCount });
    throwIfAborted(signal);
    gpu.assertAlive();
    const { checkMs: check, tuneMs: tune } = transformer.tunerTimes;
    clock.lap('compile', { check, tune });
    const { embedding, head, parameterCount } = weights;
    const formats = { embedding: embedding.format, head: head.format };
    return new Resident(
      gpu,
      transformer,
      parameterCount,
      formats,
      placement,
      clock.times(gpu.pipelineCount),
      behind ? tuner : undefined,
    );
  }

  /** Whether nothing of it is there any more: its device was lost, or it was freed. */
  get gone(): boolean {
    return this.gpu.over;
  }

  /** Whether its device was lost. */
  get lost(): boolean {
    return this.gpu.lost;
  }

  /** How to place the model on `gpu` as it is here: with the same variants of kernels, if that is such a device as this. */
  placementOn(gpu: GpuContext): Placement {
    const same = adapterKey(gpu) === adapterKey(this.gpu);
    return same ? { ...this.placement, variants: this.transformer.variants } : this.placement;
  }

  /** Fires when nothing of it is to be used any more. */
  get ending(): AbortSignal {
    return this.#ending.signal;
  }

  /** Whether its variants are to be timed behind the load. */
  get tunesBehind(): boolean {
    return this.tunerBehind !== undefined && this.tunerBehind.budgetMs !== 0;
  }

  /** Whether the load has left anything for later. */
  get hasWorkBehind(): boolean {
    return this.tunesBehind || !this.transformer.isComplete;
  }

  /** Times variants. Whoever calls has the GPU to itself. */
  tune(signal: AbortSignal): Promise<void> {
    return this.transformer.tuneForLater(this.tunerBehind?.budgetMs, signal);
  }

  /**
   * Ends what is done behind the load, and frees all that is on the GPU once that uses none of it any more. It does not wait for
   * kernels that are being compiled.
   */
  destroy(): Promise<void> {
    this.#destroyed ??= this.#destroy();
    return this.#destroyed;
  }

  async #destroy(): Promise<void> {
    this.#ending.abort();
    this.gpu.end();
    // A device that is gone has nothing to use.
    if (!this.gpu.lost) await this.transformer.settled();
    this.gpu.destroy();
  }
}

/** The same for devices on which the same variants are right. */
function adapterKey({ device, capabilities }: GpuContext): string {
  const { vendor, architecture, device: name, description } = device.adapterInfo;
  return JSON.stringify([vendor, architecture, name, description, capabilities]);
}
