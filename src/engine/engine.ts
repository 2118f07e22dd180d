// A loaded model on one device: the engine itself, without worker or page.

import { TernionError } from '../errors';
import type { ModelFiles } from '../files/model-files';
import type { SourceOptions } from '../storage/sources/model-source';
import type { GpuContext } from '../gpu/context';
import type { ModelConfig } from '../model/config';
import { ChatFormat, encodeSegments } from '../tokenizer';
import { KvCache } from '../inference/kv-cache';
import { profileStep, type StepProfile } from '../inference/step-profile';
import { embedSequence } from '../inference/embedding';
import { encodeTexts, requireEmbedding, requireGenerating } from './embedding';
import { GpuTurn } from './gpu-turn';
import { describeModel, describeResident, type StaticInfo } from './model-info';
import { LoadClock } from '../plan/load-clock';
import type { LocalLoadOptions, PhaseProgress } from '../plan/load-options';
import { contextToLoad, fitMemory } from '../plan/memory-fit';
import { choosePrecisions, readModel } from '../plan/read-model';
import { RequestQueue } from './request-queue';
import { Residence, WORK_DONE, type Reloader } from './residence';
import { Resident } from './resident';
import { Conversation } from './conversation';
import { readSession, type ModelIdentity } from './saved-session';
import type { GrammarSource } from '../grammar/grammar';
import type { GrammarService, GrammarState } from '../grammar/service';
import { LocalSession, type SessionHost } from './session';
import { SessionCache } from './session-cache';
import type {
  ChatMessage,
  DetokenizeOptions,
  EmbedOptions,
  CoreEngine,
  ModelInfo,
  ProfileOptions,
  SourceInfo,
  TokenizeOptions,
} from './types';

/** How to load a model whose files and device are at hand. */
export interface EngineOptions extends Omit<LocalLoadOptions, 'device' | 'onProgress' | keyof SourceOptions> {
  /** Hears of each phase by itself. */
  onProgress?: ((progress: PhaseProgress) => void) | undefined;
  /** Where grammars are compiled, asked for by the first answer of a given shape. Default: nowhere, such answers are refused. */
  grammars?: (() => Promise<GrammarService>) | undefined;
  /** Leave for later what the first answer does without. Default false. */
  behind?: boolean | undefined;
  /** Tells the load's times. Default: one that begins with the files at hand. */
  clock?: LoadClock | undefined;
}

/** What stays of a model wherever it is. */
interface LoadedModel {
  config: ModelConfig;
  chat: ChatFormat;
  info: StaticInfo;
}

/** A loaded model in the thread that it is used from. */
export class LocalEngine implements Omit<CoreEngine, 'load'> {
  readonly #sessions = new Set<LocalSession>();
  /** Where the bytes came from; whoever opened them knows. */
  source: SourceInfo = { cached: false };
  /** Of what was read of the files, see `Fingerprint`; '' where nobody watched. */
  fingerprint = '';
  #disposed: Promise<void> | undefined;

  /** The vocabulary as grammars see it, once one was asked for. */
  #grammarTokens: readonly Uint8Array[] | undefined;

  private constructor(
    private readonly model: LoadedModel,
    private readonly queue: RequestQueue,
    private readonly residence: Residence,
    private readonly grammars: EngineOptions['grammars'],
    private readonly onDispose: () => void,
  ) {}

  /**
   * Loads the model that `files` are onto `gpu`, which the engine then owns: `dispose` destroys it, and so does failure.
   * Without a `reloader` it stays there: the loss of the device is the end.
   */
  static async load(
    gpu: GpuContext,
    files: ModelFiles,
    options: EngineOptions = {},
    onDispose: () => void = () => {},
    reloader?: Reloader,
  ): Promise<LocalEngine> {
    try {
      const { resident, ...model } = await LocalEngine.#load(gpu, files, options);
      const queue = new RequestQueue();
      const residence = new Residence(resident, queue, reloader, options.onStatus);
      return new LocalEngine(model, queue, residence, options.grammars, onDispose);
    } catch (error) {
      gpu.destroy();
      throw error;
    }
  }

  static async #load(
    gpu: GpuContext,
    files: ModelFiles,
    options: EngineOptions,
  ): Promise<LoadedModel & { resident: Resident }> {
    const {
      signal,
      onProgress,
      variants,
      tuning = true,
      tuningStore,
      clock = new LoadClock(),
      behind,
    } = options;
    const { model, tokenizer, template } = await readModel(files, signal, options.chatTemplate !== undefined);
    const chat = await new ChatFormat(tokenizer, template).with(options);
    const fit = fitMemory(model, gpu, options);
    const placement = {
      ...choosePrecisions(model, options),
      contextLength: contextToLoad(fit, options),
      variants: { ...variants, cacheFormat: fit.kvCacheFormat },
    };
    const tuner = { budgetMs: tuning ? undefined : 0, store: tuningStore };
    clock.lap('open');
    const resident = await Resident.load(gpu, model, placement, { signal, onProgress, tuner, clock, behind });
    return {
      resident,
      config: model.config,
      chat,
      info: describeModel(model, chat, resident, options.contextLength),
    };
  }

  get info(): ModelInfo {
    const { latest, gpuBytes } = this.residence;
    return {
      ...this.model.info,
      ...describeResident(latest),
      source: this.source,
      sharing: { shared: false },
      gpuBytes,
    };
  }

  async tokenize(input: string | readonly ChatMessage[], options: TokenizeOptions = {}): Promise<number[]> {
    this.#assertUsable();
    const chat = await this.model.chat.with(options);
    if (typeof input === 'string') return chat.tokenizer.encode(input, options);
    return encodeSegments(chat.tokenizer, chat.render(input));
  }

  async detokenize(tokenIds: ArrayLike<number>, options?: DetokenizeOptions): Promise<string> {
    this.#assertUsable();
    return this.model.chat.tokenizer.decode(tokenIds, options);
  }

  async embed(texts: string | readonly string[], options: EmbedOptions = {}): Promise<Float32Array[]> {
    this.#assertUsable();
    const { prefix = '', signal } = options;
    const { config, chat } = this.model;
    requireEmbedding(config);
    const sequences = encodeTexts(chat.tokenizer, texts, prefix, this.#contextLength);
    const longest = sequences.reduce((most, { length }) => Math.max(most, length), 0);
    if (longest === 0) return [];
    return this.#withCache(
      longest,
      async ({ transformer }, cache, ending) => {
        const vectors: Float32Array[] = [];
        for (const ids of sequences) vectors.push(await embedSequence(transformer, cache, ids, ending));
        return vectors;
      },
      signal,
    );
  }

  /** The logits after `tokenIds`, of which there is at least one, and no more than the context holds. */
  async nextLogits(tokenIds: ArrayLike<number>): Promise<Float32Array> {
    this.#assertUsable();
    const { config } = this.model;
    requireGenerating(config);
    const ids = Array.from(tokenIds);
    return this.#withCache(ids.length, async ({ gpu, transformer }, cache, ending) => {
      await transformer.prefill(cache, await transformer.forwardPass(cache, ids.length), ids, 0, ending);
      const encoder = gpu.device.createCommandEncoder();
      await transformer.encodeLogits(encoder);
      gpu.device.queue.submit([encoder.finish()]);
      return new Float32Array(await gpu.read(transformer.work.logits, 0, config.vocabularySize * 4));
    });
  }

  async profile({ tokens = 1, context = 0, repeats = 8 }: ProfileOptions = {}): Promise<
    StepProfile | undefined
  > {
    this.#assertUsable();
    const contextLength = this.#contextLength;
    const { prefillTokens } = this.residence.latest.transformer.variants;
    if (tokens > prefillTokens || context + tokens > contextLength) {
      const message =
        `No step has ${tokens} tokens behind ${context}: a step has at most ${prefillTokens}, and the context ` +
        `${contextLength}.`;
      throw new TernionError('invalid-argument', message);
    }
    return this.#withCache(context + tokens, ({ transformer }, cache) =>
      profileStep(transformer, cache, { tokens, context, repeats }),
    );
  }

  /**
   * Has the GPU to itself, and a KV cache of `positions` positions, for as long as `use` takes; from the start again where
   * the device is lost meanwhile. `signal` ends the wait; `ending` also fires where somebody presses for the GPU.
   */
  async #withCache<T>(
    positions: number,
    use: (resident: Resident, cache: KvCache, ending: AbortSignal) => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T> {
    const turn = new GpuTurn(this.queue);
    const useOn = async (resident: Resident): Promise<T> => {
      const { config, variants } = resident.transformer;
      const ending = AbortSignal.any([this.queue.pressure, ...(signal ? [signal] : [])]);
      const cache = await KvCache.create(resident.gpu, config, positions, variants.cacheFormat);
      try {
        return await use(resident, cache, ending);
      } finally {
        cache.destroy();
      }
    };
    this.residence.wake();
    try {
      const result = await this.residence.use(turn, useOn, signal);
      this.residence.worked(WORK_DONE);
      return result;
    } finally {
      await turn.end();
    }
  }

  createSession(messages: readonly ChatMessage[] = []): LocalSession {
    return this.#open(new Conversation({ messages, sequence: [], marks: [] }));
  }

  async restoreSession(blob: Blob): Promise<LocalSession> {
    this.#assertUsable();
    const { conversation, keys } = await readSession(blob, this.#identity);
    const cache = new SessionCache({ queue: this.queue, residence: this.residence });
    const session = this.#open(new Conversation(conversation), cache);
    try {
      if (keys) await cache.fill(conversation.sequence, keys);
      return session;
    } catch (error) {
      await session.dispose();
      throw error;
    }
  }

  #open(conversation?: Conversation, cache?: SessionCache): LocalSession {
    this.#assertUsable();
    const host: SessionHost = {
      config: this.model.config,
      contextLength: this.#contextLength,
      chat: this.model.chat,
      identity: this.#identity,
      queue: this.queue,
      residence: this.residence,
      follow: (source, chat, signal) => this.#follow(source, chat, signal),
      open: (...copied) => this.#open(...copied),
      onDispose: (session) => this.#sessions.delete(session),
    };
    const session = new LocalSession(host, conversation, cache);
    this.#sessions.add(session);
    return session;
  }

  async #follow(source: GrammarSource, chat: ChatFormat, signal: AbortSignal): Promise<GrammarState> {
    if (!this.grammars) {
      throw new TernionError('unsupported-feature', 'There are no threads for grammars here.');
    }
    const [service, { grammarTokens, grammarVocabulary }] = await Promise.all([
      this.grammars(),
      import('./guides'),
    ]);
    this.#grammarTokens ??= grammarTokens(chat.tokenizer);
    return service.follow(grammarVocabulary(this.#grammarTokens, chat), source, signal);
  }

  get #identity(): ModelIdentity {
    const { architecture, name, layers, width, heads, kvHeads, headDim, vocabularySize } = this.model.config;
    const { fingerprint } = this;
    return { architecture, name, layers, width, heads, kvHeads, headDim, vocabularySize, fingerprint };
  }

  async suspend(): Promise<void> {
    this.#assertUsable();
    await this.residence.suspend();
  }

  async resume(): Promise<void> {
    this.#assertUsable();
    this.residence.wake();
    const turn = new GpuTurn(this.queue);
    try {
      await this.residence.use(turn, async () => {});
    } finally {
      await turn.end();
    }
  }

  dispose(): Promise<void> {
    this.#disposed ??= this.#dispose();
    return this.#disposed;
  }

  async #dispose(): Promise<void> {
    const sessions = Promise.all([...this.#sessions].map((session) => session.dispose()));
    this.residence.close();
    await sessions;
    await this.queue.enter();
    await this.residence.destroy();
    this.queue.leave();
    this.onDispose();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  #assertUsable(): void {
    if (this.#disposed) throw new TernionError('disposed', 'The engine was disposed.');
  }

  get #contextLength(): number {
    return this.model.info.contextLength;
  }
}
