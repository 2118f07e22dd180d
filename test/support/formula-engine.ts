// An engine whose model is a formula: the next token depends on the seed and on all tokens before it, as that of a model does.
import { chunkStream } from '../../src/engine/chunk-stream';
import { Clock, type UsageCounts } from '../../src/engine/clock';
import { Conversation, type ConversationData } from '../../src/engine/conversation';
import type { BegunAnswer, FittedPrompt } from '../../src/engine/fit-prompt';
import { RequestQueue } from '../../src/engine/request-queue';
import { readSession, writeSession, type ModelIdentity } from '../../src/engine/saved-session';
import type { HostedSession } from '../../src/engine/session';
import type {
  Answer,
  ChatMessage,
  GenerateChunk,
  GenerateOptions,
  ModelInfo,
  Prompt,
} from '../../src/engine/types';
import { wholeAnswer } from '../../src/engine/whole-answer';
import { TernionError, throwIfAborted } from '../../src/errors';
import type { LocalLoadOptions } from '../../src/plan/load-options';
import type { ModelSource } from '../../src/storage/sources/model-source';
import type { HostedEngine } from '../../src/worker/tenancy';

const GPU_BYTES = 1000;

const IDENTITY: ModelIdentity = {
  architecture: 'formula',
  name: 'Formula',
  layers: 1,
  width: 1,
  heads: 1,
  kvHeads: 1,
  headDim: 1,
  vocabularySize: 1009,
  fingerprint: 'same',
};

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
  /** Tokens at the beginning of each answer that are its reasoning. */
  reasoned = 0;
  /** Awaited by each fork, rewind, save and restore, before it is done. */
  beforeCall: () => Promise<void> = async () => {};
  /** Tokens that each answer began with, of its own, in the order in which they began. */
  begun: number[] = [];
  /** Their seeds. */
  seeds: (number | undefined)[] = [];
}

/** The token that comes after these. */
function next(tokens: readonly number[], seed: number): number {
  return tokens.reduce((sum, token) => (Math.imul(sum ^ token, 16777619) >>> 0) % 1009, 7 + seed);
}

const idsOf = (text: string): number[] => [...text].map((character) => character.charCodeAt(0));

/** How far its loads are while they are held up. */
const HALF = { phase: 'upload', loaded: 1, total: 2 } as const;

/** Text of a token. */
const textOf = (token: number): string => `${token} `;

/** An engine of that machine. `ended` frees its memory, as the end of its tab does. */
export class FormulaEngine implements HostedEngine {
  readonly queue = new RequestQueue();

  /** It holds no answer to a grammar. */
  useGrammarThreads(): void {}

  readonly sessions = new Set<FormulaSession>();
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
    const progress = setInterval(() => options.onProgress?.({ ...HALF, fraction: 0.5, text: 'Loading' }), 5);
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

  async tokenize(input: string | readonly ChatMessage[]): Promise<number[]> {
    if (typeof input === 'string') return idsOf(input);
    return input.flatMap(({ content }) => (typeof content === 'string' ? idsOf(content) : []));
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

  createSession(messages: readonly ChatMessage[] = []): FormulaSession {
    return this.open(new Conversation({ messages, sequence: [], marks: [] }));
  }

  async restoreSession(blob: Blob): Promise<FormulaSession> {
    const { conversation } = await readSession(blob, IDENTITY);
    await this.machine.beforeCall();
    await this.living();
    return this.open(new Conversation(conversation));
  }

  /** A worker that has ended does nothing any more. */
  async living(): Promise<void> {
    if (this.ended.aborted) await new Promise(() => {});
  }

  open(conversation: Conversation): FormulaSession {
    const session = new FormulaSession(this, conversation);
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
export class FormulaSession implements HostedSession {
  readonly #turns = new RequestQueue();
  readonly #disposal = new AbortController();

  constructor(
    private readonly engine: FormulaEngine,
    private conversation: Conversation,
  ) {}

  get tokenIds(): readonly number[] {
    return this.conversation.sequence;
  }

  get messages(): readonly ChatMessage[] {
    return this.conversation.messages;
  }

  get memory(): ConversationData {
    const { messages, sequence, marks } = this.conversation;
    return { messages, sequence, marks };
  }

  remember(memory: ConversationData): void {
    this.conversation = new Conversation(memory);
  }

  generate(
    prompt: Prompt,
    options: GenerateOptions = {},
    onPrompt?: (prompt: FittedPrompt) => void,
  ): ReadableStream<GenerateChunk> {
    const ids = typeof prompt === 'object' && 'tokenIds' in prompt ? Array.from(prompt.tokenIds) : [];
    return this.#stream(() => begin(ids, undefined), options, onPrompt);
  }

  send(
    text: string,
    options: GenerateOptions = {},
    onPrompt?: (prompt: FittedPrompt) => void,
  ): ReadableStream<GenerateChunk> {
    const beginTurn = (): BegunAnswer =>
      begin([...this.tokenIds, ...idsOf(text)], [...this.messages, { role: 'user', content: text }]);
    return this.#stream(beginTurn, options, onPrompt);
  }

  goOn(begun: BegunAnswer, options: GenerateOptions = {}): ReadableStream<GenerateChunk> {
    return this.#stream(() => begun, options);
  }

  complete(prompt: Prompt, options?: GenerateOptions): Promise<Answer> {
    return wholeAnswer(this.generate(prompt, options));
  }

  fork(): Promise<FormulaSession> {
    return this.#inTurn(() => this.engine.open(new Conversation(this.conversation)));
  }

  rewind(to: number | { turns: number }): Promise<void> {
    return this.#inTurn(() => this.conversation.rewind(to));
  }

  save(): Promise<Blob> {
    return this.#inTurn(() => writeSession(IDENTITY, this.conversation, undefined));
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

  async #inTurn<T>(work: () => T): Promise<T> {
    await this.#turns.enter();
    try {
      await this.engine.machine.beforeCall();
      await this.engine.living();
      if (this.#disposal.signal.aborted) throw new TernionError('disposed', 'The session was disposed.');
      return work();
    } finally {
      this.#turns.leave();
    }
  }

  #stream(
    beginTurn: () => BegunAnswer,
    { signal, seed, temperature = 0, maxTokens = 5 }: GenerateOptions,
    onPrompt: (prompt: FittedPrompt) => void = () => {},
  ): ReadableStream<GenerateChunk> {
    const { machine, queue } = this.engine;
    const ends = [this.#disposal.signal, ...(signal ? [signal] : [])];
    return chunkStream(async (outlet, ending) => {
      await this.#turns.enter();
      const { prompt, sampled } = beginTurn();
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
          await this.engine.living();
          if (ending.aborted) break;
          const token = next([...prompt.ids, ...ids], temperature > 0 ? (seed ?? 0) : 0);
          ids.push(token);
          const last = ids.length >= maxTokens;
          if (last) this.#keep(prompt, ids);
          const usage = clock.usage(counts(prompt, ids.length));
          const end = last ? ({ finishReason: 'length', usage } as const) : {};
          const isReasoning = ids.length <= machine.reasoned;
          const said = isReasoning ? { text: '', reasoning: textOf(token) } : { text: textOf(token) };
          outlet.put({ ...said, tokenIds: [token], ...end });
          if (last) return;
          await outlet.wanted();
        }
        this.#keep(prompt, ids);
        const usage = clock.usage(counts(prompt, ids.length));
        outlet.put({ text: '', tokenIds: [], finishReason: 'abort', usage });
      } finally {
        this.#turns.leave();
      }
    }, ends);
  }

  #keep(prompt: FittedPrompt, answer: readonly number[]): void {
    const texts = answer.map(textOf);
    const { reasoned } = this.engine.machine;
    const reasoning = texts.slice(0, reasoned).join('');
    this.conversation.keep(prompt, {
      text: texts.slice(reasoned).join(''),
      tokenIds: [...answer],
      ...(reasoning && { reasoning }),
    });
  }
}

function begin(ids: number[], messages: ChatMessage[] | undefined): BegunAnswer {
  return { prompt: { ids, messages, omittedTokens: 0, omittedTurns: 0 }, sampled: [] };
}

function counts({ ids, omittedTokens, omittedTurns }: FittedPrompt, completionTokens: number): UsageCounts {
  return {
    promptTokens: ids.length,
    cachedTokens: 0,
    completionTokens,
    forcedTokens: 0,
    omittedTokens,
    omittedTurns,
  };
}
