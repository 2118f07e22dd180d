// An engine without a model that goes step by step: a token for each step of a script, so that tests can count them and stop
// between two. `scripted-engine.ts` has a template with roles and stop strings instead.
import { answerStream, notHeldHere } from '../../src/boundary/asked';
import { chunkStream, type Outlet } from '../../src/engine/chunk-stream';
import { RequestQueue } from '../../src/engine/request-queue';
import { wholeAnswer } from '../../src/engine/whole-answer';
import type {
  Answer,
  AnswerStream,
  ChatMessage,
  Engine,
  FinishReason,
  GenerateChunk,
  GenerateOptions,
  ModelInfo,
  Prompt,
  SampledLogprob,
  Session,
  ToolCallFormat,
  ToolCallPiece,
  Usage,
} from '../../src/engine/types';
import { TernionError } from '../../src/errors';

/** A token of an answer: its text, or what else happens in its place. */
export type Step =
  string | { reasoning: string } | { call: ToolCallPiece } | { fail: Error } | { wait: Promise<void> };

/** The steps of a whole call: its name, and its arguments in two. */
export function callSteps(index: number, name: string, given: object): Step[] {
  const text = JSON.stringify(given);
  return [
    { call: { index, id: `call_${index}`, name, argumentsText: '' } },
    { call: { index, argumentsText: text.slice(0, 4) } },
    { call: { index, argumentsText: text.slice(4) } },
  ];
}

/** What the model says to a request: its steps, after which it stops by itself. */
export type Script = (request: SteppedRequest) => Step[];

/** A request as it came to a session. */
export interface SteppedRequest {
  prompt: Prompt;
  options: GenerateOptions;
  /** The ids of the prompt. */
  promptIds: number[];
  session: SteppedSession;
}

/** The id that ends an answer. */
export const END_ID = 3;

/** The id of every token that is a piece of a call. */
export const CALL_ID = 4;

/** Ids are UTF-16 units, one a token, so that tests can write ids down; an answer's tokens have those of their first unit. */
export function idsOf(text: string): number[] {
  return Array.from({ length: text.length }, (_, i) => text.charCodeAt(i));
}

/** How the template writes a conversation. */
export function rendered(messages: readonly ChatMessage[]): string {
  const lines = messages.map(
    ({ role, content }) => `${role}: ${typeof content === 'string' ? content : ''}\n`,
  );
  return `${lines.join('')}assistant: `;
}

/** An engine whose answers are `script`'s. Requests take turns on it, as they do on a GPU. */
export class SteppedEngine implements Engine {
  readonly requests: SteppedRequest[] = [];
  readonly sessions: SteppedSession[] = [];
  readonly queue = new RequestQueue();
  /** Tokens that were sampled. */
  steps = 0;
  readonly info: ModelInfo;

  constructor(
    readonly script: Script,
    { name = 'scripted', toolCalls }: { name?: string; toolCalls?: ToolCallFormat } = {},
  ) {
    const known = { name, toolCalls, vocabularySize: 65536, contextLength: 512 };
    this.info = known as ModelInfo;
  }

  async tokenize(text: string): Promise<number[]> {
    return idsOf(text);
  }

  async detokenize(ids: ArrayLike<number>): Promise<string> {
    return String.fromCharCode(...Array.from(ids));
  }

  createSession(): SteppedSession {
    const session = new SteppedSession(this);
    this.sessions.push(session);
    return session;
  }

  /** Ends all sessions, as the load of another model does. */
  async load(): Promise<void> {
    await Promise.all(this.sessions.map((session) => session.dispose()));
  }

  embed = unscripted;
  nextLogits = unscripted;
  profile = unscripted;
  restoreSession = unscripted;
  suspend = nothing;
  resume = nothing;
  dispose = (): Promise<void> => this.load();
  [Symbol.asyncDispose] = (): Promise<void> => this.load();
}

export class SteppedSession implements Session {
  tokenIds: number[] = [];
  messages: ChatMessage[] = [];
  readonly #disposal = new AbortController();

  constructor(private readonly engine: SteppedEngine) {}

  generate(prompt: Prompt, options: GenerateOptions = {}): AnswerStream<never> {
    const ends = [this.#disposal.signal, options.signal].filter((signal) => signal !== undefined);
    const stream = chunkStream((outlet, signal) => this.#run(prompt, options, outlet, signal), ends);
    return answerStream(stream, { join: wholeAnswer, notHeld: notHeldHere });
  }

  send(text: string, options?: GenerateOptions): AnswerStream<never> {
    return this.generate([...this.messages, { role: 'user', content: text }], options);
  }

  complete = unscripted as () => Promise<Answer<never>>;
  run = unscripted as Session['run'];
  fork = unscripted as () => Promise<Session>;
  rewind = unscripted as () => Promise<void>;
  save = unscripted as () => Promise<Blob>;

  get disposed(): boolean {
    return this.#disposal.signal.aborted;
  }

  async dispose(): Promise<void> {
    this.#disposal.abort();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  async #run(prompt: Prompt, options: GenerateOptions, outlet: Outlet, signal: AbortSignal): Promise<void> {
    if (this.disposed) throw new TernionError('disposed', 'The session was disposed.');
    const turn = new Turn(this.engine, this, prompt, options, outlet);
    try {
      await this.engine.queue.enter(signal);
    } catch {
      return turn.end('abort');
    }
    try {
      await turn.run(signal);
    } finally {
      this.engine.queue.leave();
    }
  }
}

class Turn {
  readonly #promptIds: number[];
  readonly #cached: number;
  readonly #sampled: number[] = [];
  #text = '';
  #called = false;

  constructor(
    private readonly engine: SteppedEngine,
    private readonly session: SteppedSession,
    private readonly prompt: Prompt,
    private readonly options: GenerateOptions,
    private readonly outlet: Outlet,
  ) {
    this.#promptIds =
      typeof prompt === 'string'
        ? idsOf(prompt)
        : Array.isArray(prompt)
          ? idsOf(rendered(prompt))
          : Array.from(prompt.tokenIds);
    const held = session.tokenIds;
    const differs = this.#promptIds.findIndex((id, i) => id !== held[i]);
    const common = differs < 0 ? this.#promptIds.length : differs;
    this.#cached = Math.min(common, this.#promptIds.length - 1);
  }

  async run(signal: AbortSignal): Promise<void> {
    const { engine, session, prompt, options, outlet } = this;
    const { contextLength } = engine.info;
    if (this.#promptIds.length >= contextLength)
      throw new TernionError('context-overflow', `${this.#promptIds.length} tokens do not fit.`);
    const request = { prompt, options, promptIds: this.#promptIds, session };
    engine.requests.push(request);
    const { maxTokens = Infinity } = options;
    if (maxTokens === 0) return this.end('length');
    for (const step of engine.script(request)) {
      if (signal.aborted) return this.end('abort');
      if (typeof step === 'object' && 'fail' in step) throw step.fail;
      if (typeof step === 'object' && 'wait' in step) {
        await Promise.race([step.wait, new Promise((done) => signal.addEventListener('abort', done))]);
        continue;
      }
      engine.steps++;
      const chunk = this.#chunk(step);
      if (this.#sampled.length >= maxTokens) return this.end('length', chunk);
      outlet.put(chunk);
      await outlet.wanted();
    }
    if (signal.aborted) return this.end('abort');
    engine.steps++;
    this.#sampled.push(END_ID);
    this.end(this.#called ? 'tool-calls' : 'stop', {
      text: '',
      tokenIds: [END_ID],
      ...this.#logprobs(END_ID, ''),
    });
  }

  end(finishReason: FinishReason, chunk: GenerateChunk = { text: '', tokenIds: [] }): void {
    const { session, prompt } = this;
    if (finishReason !== 'abort' || this.#sampled.length > 0) {
      session.tokenIds = [...this.#promptIds, ...this.#sampled];
      if (Array.isArray(prompt) && this.#sampled.length > 0)
        session.messages = [...prompt, { role: 'assistant', content: this.#text }];
    }
    this.outlet.put({ ...chunk, finishReason, usage: this.#usage() });
  }

  #chunk(step: string | { reasoning: string } | { call: ToolCallPiece }): GenerateChunk {
    if (typeof step === 'object' && 'call' in step) return this.#callChunk(step.call);
    const text = typeof step === 'string' ? step : step.reasoning;
    const id = text.charCodeAt(0);
    this.#sampled.push(id);
    const common = { tokenIds: [id], ...this.#logprobs(id, text) };
    if (typeof step !== 'string') return { text: '', reasoning: step.reasoning, ...common };
    this.#text += text;
    return { text, ...common };
  }

  #callChunk(call: ToolCallPiece): GenerateChunk {
    this.#called = true;
    this.#sampled.push(CALL_ID);
    return { text: '', toolCalls: [call], tokenIds: [CALL_ID], ...this.#logprobs(CALL_ID, '') };
  }

  #logprobs(tokenId: number, text: string): { logprobs?: SampledLogprob[] } {
    const { logprobs: count } = this.options;
    if (count === undefined) return {};
    const alternatives = Array.from({ length: count }, (_, i) => {
      return { tokenId: tokenId + i, text: i === 0 ? text : '\ufffd', logprob: -0.5 - i };
    });
    return { logprobs: [{ tokenId, text, logprob: -0.5, alternatives }] };
  }

  #usage(): Usage {
    return {
      promptTokens: this.#promptIds.length,
      cachedTokens: this.#cached,
      forcedTokens: 0,
      completionTokens: this.#sampled.length,
      queueMs: 0,
      prefillMs: 1,
      decodeMs: 1,
      tokensPerSecond: 1,
      timeToFirstTokenMs: 1,
      omittedTokens: 0,
      omittedTurns: 0,
    };
  }
}

function unscripted(): Promise<never> {
  return Promise.reject(new Error('The scripted engine has no answer to this'));
}

async function nothing(): Promise<void> {}
