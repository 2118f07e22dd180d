// An engine whose model is a formula: the next token depends on the seed and on all tokens before it, as that of a model does.
import type { BegunAnswer, EncodedPrompt } from '../../src/engine/encode-prompt';
import { chunkStream } from '../../src/engine/chunk-stream';
import { Clock } from '../../src/engine/clock';
import { RequestQueue } from '../../src/engine/request-queue';
import type { HostedSession, SessionMemory } from '../../src/engine/session';
import type { ChatMessage, GenerateChunk, GenerateOptions, ModelInfo, Prompt } from '../../src/engine/types';
import { TernionError, throwIfAborted } from '../../src/errors';
import type { LocalLoadOptions } from '../../src/plan/load-options';
import type { ModelSource } from '../../src/storage/sources/model-source';
import type { HostedEngine } from '../../src/worker/tenancy';

const GPU_BYTES = 1000;

/** What all engines of a test have in common. */
export class Machine {
  /** Copies of a model on the GPU, now and at most. */
  copies = 0;
  mostCopies = 0;
  loads: { source: ModelSource; options: LocalLoadOptions }[] = [];
  /** What every load reads of the model. */
  fingerprint = 'same';
  /** What the next load fails with. */
  failure: TernionError | undefined;
  /** Awaited by each load before it ends. */
  loading: Promise<void> = Promise.resolve();
  /** Awaited by each token, of which this is the number in the whole machine. */
  beforeToken: (token: number) => Promise<void> = async () => {};
  tokens = 0;
  /** Tokens that each answer began with, of its own, in the order in which they began. */
  begun: number[] = [];
  /** Their seeds. */
  seeds: (number | undefined)[] = [];
}

/** The token that comes after these. */
function next(tokens: readonly number[], seed: number): number {
  return tokens.reduce((sum, token) => (Math.imul(sum ^ token, 16777619) >>> 0) % 1009, 7 + seed);
}

/** Text of a token. */
const textOf = (token: number): string => `${token} `;

/** An engine of that machine. `ended` frees its memory, as the end of its tab does. */
export class ScriptedEngine implements HostedEngine {
  readonly queue = new RequestQueue();
  readonly sessions = new Set<ScriptedSession>();
  #loaded = false;
  suspended = false;

  constructor(
    readonly machine: Machine,
    readonly ended: AbortSignal,
  ) {
    ended.addEventListener('abort', () => this.#free());
  }

  get info(): ModelInfo {
    const gpuBytes = this.#loaded && !this.suspended ? GPU_BYTES : 0;
    const codePaths = { kvCache: 'f16' };
    return { vocabularySize: 1009, contextLength: 64, gpuBytes, codePaths } as ModelInfo;
  }

  get fingerprint(): string {
    return this.machine.fingerprint;
  }

  async load(source: ModelSource, options: LocalLoadOptions = {}): Promise<void> {
    const { machine } = this;
    machine.loads.push({ source, options });
    const progress = setInterval(() => options.onProgress?.({ phase: 'upload', loaded: 1, total: 2 }), 5);
    await machine.loading;
    clearInterval(progress);
    throwIfAborted(options.signal);
    const { failure } = machine;
    machine.failure = undefined;
    if (failure) throw failure;
    this.#loaded = true;
    machine.copies++;
    machine.mostCopies = Math.max(machine.mostCopies, machine.copies);
  }

  async tokenize(text: string): Promise<number[]> {
    return [...text].map((character) => character.charCodeAt(0));
  }

  async detokenize(tokenIds: ArrayLike<number>): Promise<string> {
    return Array.from(tokenIds, textOf).join('');
  }

  async embed(): Promise<Float32Array[]> {
    return [];
  }

  async nextLogits(): Promise<Float32Array> {
    return new Float32Array();
  }

  async profile(): Promise<undefined> {}

  createSession(): ScriptedSession {
    const session = new ScriptedSession(this);
    this.sessions.add(session);
    return session;
  }

  async suspend(): Promise<void> {
    this.suspended = true;
  }

  async resume(): Promise<void> {
    this.suspended = false;
  }

  async dispose(): Promise<void> {
    for (const session of this.sessions) await session.dispose();
    this.#free();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  #free(): void {
    if (this.#loaded) this.machine.copies--;
    this.#loaded = false;
  }
}

/** A session of such an engine. Its answers take turns with those of all others, token by token. */
export class ScriptedSession implements HostedSession {
  messages: ChatMessage[] = [];
  #sequence: readonly number[] = [];
  readonly #turns = new RequestQueue();
  readonly #disposal = new AbortController();

  constructor(private readonly engine: ScriptedEngine) {}

  get tokenIds(): readonly number[] {
    return this.#sequence;
  }

  get memory(): SessionMemory {
    return { sequence: this.#sequence, messages: this.messages };
  }

  remember({ sequence, messages }: SessionMemory): void {
    this.#sequence = sequence;
    this.messages = [...messages];
  }

  generate(
    prompt: Prompt,
    options: GenerateOptions = {},
    onPrompt?: (prompt: EncodedPrompt) => void,
  ): ReadableStream<GenerateChunk> {
    const ids = typeof prompt === 'object' && 'tokenIds' in prompt ? Array.from(prompt.tokenIds) : [];
    return this.#stream(() => ({ prompt: { ids, messages: undefined }, sampled: [] }), options, onPrompt);
  }

  send(
    text: string,
    options: GenerateOptions = {},
    onPrompt?: (prompt: EncodedPrompt) => void,
  ): ReadableStream<GenerateChunk> {
    const begin = (): BegunAnswer => {
      const ids = [...this.#sequence, ...[...text].map((character) => character.charCodeAt(0))];
      return { prompt: { ids, messages: [...this.messages, { role: 'user', content: text }] }, sampled: [] };
    };
    return this.#stream(begin, options, onPrompt);
  }

  goOn(begun: BegunAnswer, options: GenerateOptions = {}): ReadableStream<GenerateChunk> {
    return this.#stream(() => begun, options);
  }

  async dispose(): Promise<void> {
    this.#disposal.abort();
    await this.#turns.enter();
    this.#turns.leave();
    this.engine.sessions.delete(this);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  #stream(
    begin: () => BegunAnswer,
    { signal, seed, temperature = 0, maxTokens = 5 }: GenerateOptions,
    onPrompt: (prompt: EncodedPrompt) => void = () => {},
  ): ReadableStream<GenerateChunk> {
    const { machine, queue, ended } = this.engine;
    const ends = [this.#disposal.signal, ...(signal ? [signal] : [])];
    return chunkStream(async (outlet, ending) => {
      await this.#turns.enter();
      const { prompt, sampled } = begin();
      onPrompt(prompt);
      machine.begun.push(sampled.length);
      machine.seeds.push(seed);
      const ids = [...sampled];
      const clock = new Clock();
      try {
        while (!ending.aborted) {
          await queue.enter();
          await machine.beforeToken(++machine.tokens);
          queue.leave();
          // A worker that has ended does nothing any more.
          if (ended.aborted) await new Promise(() => {});
          if (ending.aborted) break;
          const token = next([...prompt.ids, ...ids], temperature > 0 ? (seed ?? 0) : 0);
          ids.push(token);
          const last = ids.length >= maxTokens;
          if (last) this.#keep(prompt, ids);
          const usage = clock.usage(prompt.ids.length, 0, ids.length);
          const end = last ? ({ finishReason: 'length', usage } as const) : {};
          outlet.put({ text: textOf(token), tokenIds: [token], ...end });
          if (last) return;
          await outlet.wanted();
        }
        this.#keep(prompt, ids);
        const usage = clock.usage(prompt.ids.length, 0, ids.length);
        outlet.put({ text: '', tokenIds: [], finishReason: 'abort', usage });
      } finally {
        this.#turns.leave();
      }
    }, ends);
  }

  #keep({ ids, messages }: EncodedPrompt, answer: readonly number[]): void {
    this.#sequence = [...ids, ...answer];
    if (messages) this.messages = [...messages, { role: 'assistant', content: answer.map(textOf).join('') }];
  }
}
