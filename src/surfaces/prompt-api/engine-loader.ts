// The engine that all sessions of a class share. It is loaded for the first one.

import type { LoadOptions } from '../../api/load-model';
import type { Engine } from '../../engine/types';
import { abortedBy, untilFired } from '../../errors';
import type { ModelPlan } from '../../plan/plan-model';
import type { ModelSource } from '../../storage/sources/model-source';

/** What sessions need of an engine. */
export type LanguageModelEngine = Pick<Engine, 'info' | 'createSession' | 'tokenize'>;

/** Where a model is, or an engine that has it. A stream is no such place: it could be looked at only once. */
export type LanguageModelSource =
  Exclude<ModelSource, Response | ReadableStream<Uint8Array>> | LanguageModelEngine;

/** A load that goes on, and those who wait for it. */
interface Loading {
  engine: Promise<LanguageModelEngine>;
  abort: AbortController;
  listeners: Set<(loaded: number) => void>;
}

/** Loads once, however many wait; ends the load if nobody does any more. */
export class EngineLoader {
  #ready: LanguageModelEngine | undefined;
  #loading: Loading | undefined;

  constructor(
    private readonly source: LanguageModelSource,
    private readonly options: LoadOptions,
  ) {
    if (isEngine(source)) this.#ready = source;
  }

  /** The engine, if it is there. */
  get ready(): LanguageModelEngine | undefined {
    return this.#ready;
  }

  get loading(): boolean {
    return this.#loading !== undefined;
  }

  /**
   * The engine. `onDownload` hears how much of the model is here, from 0 to 1. Rejects with a `TernionError`; with `aborted`
   * as soon as `signal` fires.
   */
  async get(
    signal: AbortSignal | undefined,
    onDownload: (loaded: number) => void,
  ): Promise<LanguageModelEngine> {
    if (this.#ready) return this.#ready;
    const loading = (this.#loading ??= this.#load());
    loading.listeners.add(onDownload);
    try {
      return await (signal ? untilFired(loading.engine, signal, () => abortedBy(signal)) : loading.engine);
    } finally {
      loading.listeners.delete(onDownload);
      if (loading.listeners.size === 0 && this.#loading === loading) {
        this.#loading = undefined;
        loading.abort.abort();
      }
    }
  }

  /** Whether the model can be loaded here, and what it takes. Undefined for an engine that is there. */
  async plan(): Promise<ModelPlan | undefined> {
    const { source } = this;
    if (isEngine(source) || this.#ready) return undefined;
    const { planModel } = await import('../../boundary/page');
    return planModel(source, this.options);
  }

  #load(): Loading {
    const abort = new AbortController();
    const listeners = new Set<(loaded: number) => void>();
    const engine = this.#loadWith(abort.signal, (loaded) =>
      listeners.forEach((listener) => listener(loaded)),
    );
    // Those who wait hear of it. If nobody does any more, nobody needs to.
    engine.catch(() => {});
    return { engine, abort, listeners };
  }

  async #loadWith(signal: AbortSignal, onDownload: (loaded: number) => void): Promise<LanguageModelEngine> {
    const { source, options } = this;
    if (isEngine(source)) return source;
    const { loadModel } = await import('../../boundary/page');
    const engine = await loadModel(source, {
      ...options,
      signal,
      onProgress: (progress) => {
        const { phase, loaded, total } = progress;
        if (phase === 'download' && total > 0) onDownload(loaded / total);
        options.onProgress?.(progress);
      },
    });
    this.#ready = engine;
    return engine;
  }
}

function isEngine(source: LanguageModelSource): source is LanguageModelEngine {
  return typeof source === 'object' && 'createSession' in source;
}
