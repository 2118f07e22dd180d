// An engine whose model can be exchanged: it keeps the device, and has one loaded model after the other on it.

import { TernionError, throwIfAborted } from '../errors';
import { DeviceSupply } from '../gpu/device-supply';
import type { DeviceOption, WebGpu } from '../gpu/given-device';
import type { GrammarService } from '../grammar/service';
import type { StartGrammarThread } from '../grammar/thread-link';
import type { LocalLoadOptions } from '../plan/load-options';
import type { ModelSource } from '../storage/sources/model-source';
import type { LocalEngine } from './engine';
import { loadLocal } from './load-local';
import type { LocalSession } from './session';
import type {
  ChatMessage,
  DetokenizeOptions,
  EmbedOptions,
  CoreEngine,
  ModelInfo,
  TokenizeOptions,
  ProfileOptions,
  StepProfile,
} from './types';

/**
 * Loads the model at `source` into this thread. Rejects with a `TernionError`; nothing is left on the GPU then. `startThread` is
 * where threads for grammars come from.
 */
export async function loadHosted(
  source: ModelSource,
  options: LocalLoadOptions = {},
  startThread?: StartGrammarThread,
): Promise<EngineHost> {
  const host = new EngineHost(options.device, options.gpu);
  if (startThread) host.useGrammarThreads(startThread);
  try {
    await host.load(source, options);
    return host;
  } catch (error) {
    await host.dispose();
    throw error;
  }
}

/** An engine in the thread that it is used from. It has no model until the first `load`. */
export class EngineHost implements CoreEngine {
  #model: LocalEngine | undefined;
  /** What the last model said of itself. */
  #info: ModelInfo | undefined;
  /** Where devices come from, unless a load says otherwise. */
  readonly #devices: DeviceSupply;
  /** The end of all loads so far: they take turns, so that there is never more than one model. */
  #loads: Promise<void> = Promise.resolve();
  /** Where threads for grammars come from. */
  #startThread: StartGrammarThread | undefined;
  /** There once an answer has asked for it: of one model after the other. */
  #grammars: GrammarService | undefined;
  readonly #disposal = new AbortController();
  #disposed: Promise<void> | undefined;

  constructor(
    private readonly device?: DeviceOption,
    gpu?: WebGpu,
  ) {
    this.#devices = new DeviceSupply(device, gpu);
  }

  /** From now on threads for grammars come from `start`. Without any, no answer can be held to a grammar. */
  useGrammarThreads(start: StartGrammarThread): void {
    this.#startThread = start;
  }

  async load(source: ModelSource, options: LocalLoadOptions = {}): Promise<void> {
    throwIfAborted(options.signal);
    const load = this.#loads.then(() => this.#load(source, options));
    this.#loads = load.catch(() => {});
    return load;
  }

  get info(): ModelInfo {
    this.#info = this.#model?.info ?? (this.#info && { ...this.#info, gpuBytes: 0 });
    if (this.#info) return this.#info;
    throw noModel();
  }

  /** A checksum of what was read of the model; it is the same wherever that came from. */
  get fingerprint(): string {
    return this.#loaded().fingerprint;
  }

  async tokenize(input: string | readonly ChatMessage[], options?: TokenizeOptions): Promise<number[]> {
    return this.#loaded().tokenize(input, options);
  }

  async detokenize(tokenIds: ArrayLike<number>, options?: DetokenizeOptions): Promise<string> {
    return this.#loaded().detokenize(tokenIds, options);
  }

  async embed(texts: string | readonly string[], options?: EmbedOptions): Promise<Float32Array[]> {
    return this.#loaded().embed(texts, options);
  }

  async nextLogits(tokenIds: ArrayLike<number>): Promise<Float32Array> {
    return this.#loaded().nextLogits(tokenIds);
  }

  async profile(options?: ProfileOptions): Promise<StepProfile | undefined> {
    return this.#loaded().profile(options);
  }

  createSession(messages?: readonly ChatMessage[]): LocalSession {
    return this.#loaded().createSession(messages);
  }

  async restoreSession(blob: Blob): Promise<LocalSession> {
    return this.#loaded().restoreSession(blob);
  }

  async suspend(): Promise<void> {
    return this.#loaded().suspend();
  }

  async resume(): Promise<void> {
    return this.#loaded().resume();
  }

  dispose(): Promise<void> {
    this.#disposed ??= this.#dispose();
    return this.#disposed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  async #load(source: ModelSource, options: LocalLoadOptions): Promise<void> {
    this.#assertUsable();
    await this.#free();
    throwIfAborted(options.signal);
    const { device = this.device } = options;
    // The host's own has what was compiled for the last model, too.
    const devices = device === this.device ? this.#devices : new DeviceSupply(device);
    const signals = [this.#disposal.signal, options.signal].filter((each) => each !== undefined);
    try {
      const signal = AbortSignal.any(signals);
      const grammars = async (): Promise<GrammarService> => this.#grammarService();
      this.#model = await loadLocal(source, devices, { ...options, signal, grammars });
    } catch (error) {
      this.#assertUsable();
      throw error;
    }
    this.#info = this.#model.info;
  }

  /** Ends the model's sessions and frees all that it has on the GPU. */
  async #free(): Promise<void> {
    const model = this.#model;
    if (!model) return;
    this.#info = this.info;
    this.#model = undefined;
    await model.dispose();
  }

  async #dispose(): Promise<void> {
    this.#disposal.abort(disposed());
    await this.#loads;
    await this.#free();
    this.#grammars?.dispose();
    this.#devices.release();
  }

  #loaded(): LocalEngine {
    this.#assertUsable();
    if (this.#model) return this.#model;
    throw noModel();
  }

  async #grammarService(): Promise<GrammarService> {
    this.#assertUsable();
    const start = this.#startThread;
    if (!start) throw noThreads();
    const { ThreadedGrammars } = await import('./guides');
    this.#assertUsable();
    this.#grammars ??= new ThreadedGrammars(start);
    return this.#grammars;
  }

  #assertUsable(): void {
    if (this.#disposed) throw disposed();
  }
}

function disposed(): TernionError {
  return new TernionError('disposed', 'The engine was disposed.');
}

function noThreads(): TernionError {
  return new TernionError('unsupported-feature', 'There are no threads for grammars here.');
}

function noModel(): TernionError {
  return new TernionError(
    'disposed',
    'No model is loaded: its place was given to one that is not there yet.',
  );
}
