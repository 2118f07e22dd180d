// A loaded model on one device: the engine itself, without worker or page.

import { untilAborted, TernionError, throwIfAborted } from '../errors';
import type { ModelFiles } from '../files/model-files';
import type { SourceOptions } from '../storage/sources/model-source';
import type { GpuContext } from '../gpu/context';
import { ReadbackRing } from '../gpu/readback';
import { loadWeights } from '../model/load';
import { ChatFormat } from '../tokenizer';
import { KvCache } from '../inference/kv-cache';
import { profileStep, type StepProfile } from '../inference/step-profile';
import { embedSequence } from '../inference/embedding';
import { encodeTexts, requireEmbedding, requireGenerating } from './embedding';
import { describeModel } from './model-info';
import type { LocalLoadOptions } from '../plan/load-options';
import { contextToLoad, fitMemory } from '../plan/memory-fit';
import { choosePrecisions, readModel } from '../plan/read-model';
import { RequestQueue } from './request-queue';
import { LocalSession, type SessionHost } from './session';
import { Transformer } from '../inference/transformer';
import type {
  DetokenizeOptions,
  EmbedOptions,
  Engine,
  ModelInfo,
  ProfileOptions,
  SourceInfo,
  TokenizeOptions,
} from './types';

/** How to load a model whose files and device are at hand. */
export type EngineOptions = Omit<LocalLoadOptions, 'device' | keyof SourceOptions>;

/** A loaded model in the thread that it is used from. */
export class LocalEngine implements Omit<Engine, 'load'> {
  readonly #sessions = new Set<LocalSession>();
  readonly #queue = new RequestQueue();
  readonly #readbacks: ReadbackRing;
  /** Where the bytes came from; whoever opened them knows. */
  source: SourceInfo = { cached: false };
  #disposed: Promise<void> | undefined;

  private constructor(
    private readonly gpu: GpuContext,
    private readonly transformer: Transformer,
    private readonly chat: ChatFormat,
    private readonly staticInfo: Omit<ModelInfo, 'gpuBytes' | 'source'>,
    private readonly onDispose: () => void,
  ) {
    this.#readbacks = new ReadbackRing(gpu);
  }

  /** Loads the model that `files` are onto `gpu`, which the engine then owns: `dispose` destroys it, and so does failure. */
  static async load(
    gpu: GpuContext,
    files: ModelFiles,
    options: EngineOptions = {},
    onDispose: () => void = () => {},
  ): Promise<LocalEngine> {
    try {
      return await LocalEngine.#load(gpu, files, options, onDispose);
    } catch (error) {
      gpu.destroy();
      throw error;
    }
  }

  static async #load(
    gpu: GpuContext,
    files: ModelFiles,
    options: EngineOptions,
    onDispose: () => void,
  ): Promise<LocalEngine> {
    const { signal, onProgress, variants, tuning = true, tuningStore } = options;
    const { model, tokenizer, template } = await readModel(files, signal, options.chatTemplate !== undefined);
    const chat = new ChatFormat(tokenizer, template).with(options);
    const { activations, headPrecision } = choosePrecisions(model, options);
    const fit = fitMemory(model, gpu, options);
    const contextLength = contextToLoad(fit, options);
    const weights = await loadWeights(gpu, model, {
      vocabulary: headPrecision,
      signal,
      onProgress: (loaded, total) => onProgress?.({ phase: 'upload', loaded, total }),
    });
    throwIfAborted(signal);
    onProgress?.({ phase: 'compile', loaded: 0, total: 0 });
    const transformer = await Transformer.create(gpu, model.config, weights, {
      contextLength,
      exactHead: headPrecision === 'f16',
      activations,
      variants: { ...variants, cacheFormat: fit.kvCacheFormat },
      tuner: { budgetMs: tuning ? undefined : 0, store: tuningStore, signal },
    });
    await untilAborted(transformer.compile(), signal);
    onProgress?.({ phase: 'compile', loaded: gpu.pipelineCount, total: gpu.pipelineCount });
    throwIfAborted(signal);
    const info = describeModel({ gpu, model, weights, transformer, chat });
    return new LocalEngine(gpu, transformer, chat, info, onDispose);
  }

  get info(): ModelInfo {
    return { ...this.staticInfo, source: this.source, gpuBytes: this.gpu.bytes };
  }

  async tokenize(text: string, options?: TokenizeOptions): Promise<number[]> {
    this.#assertUsable();
    return this.chat.tokenizer.encode(text, options);
  }

  async detokenize(tokenIds: ArrayLike<number>, options?: DetokenizeOptions): Promise<string> {
    this.#assertUsable();
    return this.chat.tokenizer.decode(tokenIds, options);
  }

  async embed(texts: string | readonly string[], options: EmbedOptions = {}): Promise<Float32Array[]> {
    this.#assertUsable();
    const { prefix = '', signal } = options;
    const { transformer, chat } = this;
    requireEmbedding(transformer.config);
    const sequences = encodeTexts(chat.tokenizer, texts, prefix, transformer.contextLength);
    const longest = sequences.reduce((most, { length }) => Math.max(most, length), 0);
    if (longest === 0) return [];
    return this.#withCache(
      longest,
      async (cache) => {
        const vectors: Float32Array[] = [];
        for (const ids of sequences) vectors.push(await embedSequence(transformer, cache, ids, signal));
        return vectors;
      },
      signal,
    );
  }

  /** The logits after `tokenIds`, of which there is at least one, and no more than the context holds. */
  async nextLogits(tokenIds: ArrayLike<number>): Promise<Float32Array> {
    this.#assertUsable();
    const { transformer, gpu } = this;
    requireGenerating(transformer.config);
    const ids = Array.from(tokenIds);
    return this.#withCache(ids.length, async (cache) => {
      await transformer.prefill(cache, await transformer.forwardPass(cache), ids, 0);
      const encoder = gpu.device.createCommandEncoder();
      transformer.encodeLogits(encoder);
      gpu.device.queue.submit([encoder.finish()]);
      const { logits } = transformer.work;
      return new Float32Array(await gpu.read(logits, 0, this.staticInfo.vocabularySize * 4));
    });
  }

  async profile({ tokens = 1, context = 0, repeats = 8 }: ProfileOptions = {}): Promise<
    StepProfile | undefined
  > {
    this.#assertUsable();
    const { transformer } = this;
    const { contextLength, variants } = transformer;
    if (tokens > variants.prefillTokens || context + tokens > contextLength) {
      const message =
        `No step has ${tokens} tokens behind ${context}: a step has at most ${variants.prefillTokens}, and the context ` +
        `${contextLength}.`;
      throw new TernionError('invalid-argument', message);
    }
    return this.#withCache(context + tokens, (cache) =>
      profileStep(transformer, cache, { tokens, context, repeats }),
    );
  }

  /** Has the GPU to itself, and a KV cache of `positions` positions, for as long as `use` takes. `signal` ends the wait. */
  async #withCache<T>(
    positions: number,
    use: (cache: KvCache) => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T> {
    const { config, variants } = this.transformer;
    await this.#queue.enter(signal);
    let cache: KvCache | undefined;
    try {
      cache = await KvCache.create(this.gpu, config, positions, variants.cacheFormat);
      return await use(cache);
    } finally {
      cache?.destroy();
      this.#queue.leave();
    }
  }

  createSession(): LocalSession {
    this.#assertUsable();
    const host: SessionHost = {
      transformer: this.transformer,
      chat: this.chat,
      readbacks: this.#readbacks,
      queue: this.#queue,
      onDispose: (session) => this.#sessions.delete(session),
    };
    const session = new LocalSession(host);
    this.#sessions.add(session);
    return session;
  }

  dispose(): Promise<void> {
    this.#disposed ??= this.#dispose();
    return this.#disposed;
  }

  async #dispose(): Promise<void> {
    await Promise.all([...this.#sessions].map((session) => session.dispose()));
    await this.#queue.enter();
    this.gpu.destroy();
    this.#queue.leave();
    this.onDispose();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  #assertUsable(): void {
    if (this.#disposed) throw new TernionError('disposed', 'The engine was disposed.');
    this.gpu.assertAlive();
  }
}
