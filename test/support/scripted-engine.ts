// An engine without a model, for tests of what stands above it: answers come from a script, all else is as the contract says.
import { runTools } from '../../src/boundary/run-tools';
import { answerStream, notHeldHere } from '../../src/boundary/asked';
import { chunkStream, type Outlet } from '../../src/engine/chunk-stream';
import { RequestQueue } from '../../src/engine/request-queue';
import { wholeAnswer, wholeCalls } from '../../src/engine/whole-answer';
import type {
  Answer,
  AnswerStream,
  ChatMessage,
  CompleteToolCall,
  Engine,
  FinishReason,
  GenerateChunk,
  GenerateOptions,
  ModelInfo,
  Prompt,
  RunOptions,
  RunResult,
  Session,
  TokenizeOptions,
  ToolCall,
  ToolCallPiece,
  Usage,
} from '../../src/engine/types';
import { TernionError } from '../../src/errors';
import { StopMatcher } from '../../src/tokenizer';
import { toTemplateMessages } from '../../src/tokenizer/messages';

/** What an answer is to be, in order. An error is thrown where it stands; a function is awaited there. */
export type ScriptedPiece =
  | { text: string }
  | { reasoning: string }
  /** A piece of a call, which is one token. */
  | { call: ToolCallPiece }
  | { error: Error }
  | { wait: () => Promise<void> };
export type ScriptedAnswer = string | readonly ScriptedPiece[];

/** What an answer is asked for with. */
export interface ScriptedCall {
  prompt: Prompt;
  promptIds: readonly number[];
  options: GenerateOptions;
}

/** Ids are code points; these few are control tokens: the beginning of a turn by its role, and the end of a turn. */
export const CONTROL = { system: 1, user: 2, assistant: 3, tool: 4, end: 5 } as const;

/** The id of every token that is a piece of a call. */
export const CALL_ID = 6;

/** The ids of a text: one for each code point. */
export const idsOf = (text: string): number[] => [...text].map((character) => character.codePointAt(0)!);

export class ScriptedEngine implements Engine {
  /** What generations were asked for with, in order. */
  readonly calls: ScriptedCall[] = [];
  readonly sessions = new Set<ScriptedSession>();
  readonly info: ModelInfo;
  disposed = false;
  /** What calls of `fork` meet, for tests of failures. */
  forkFailure: Error | undefined;

  constructor(
    readonly script: (call: ScriptedCall) => ScriptedAnswer,
    { contextLength = 4096, toolCalls }: Partial<Pick<ModelInfo, 'contextLength' | 'toolCalls'>> = {},
  ) {
    // Nothing else of it is looked at above an engine.
    this.info = { name: 'Scripted', contextLength, toolCalls, vocabularySize: 0x110000 } as ModelInfo;
  }

  async tokenize(input: string | readonly ChatMessage[], options: TokenizeOptions = {}): Promise<number[]> {
    this.assertUsable();
    return typeof input === 'string' ? idsOf(input) : render(input, options);
  }

  async detokenize(tokenIds: ArrayLike<number>): Promise<string> {
    return String.fromCodePoint(...Array.from(tokenIds).filter((id) => id > CALL_ID));
  }

  createSession(): ScriptedSession {
    this.assertUsable();
    const session = new ScriptedSession(this);
    this.sessions.add(session);
    return session;
  }

  async dispose(): Promise<void> {
    this.disposed = true;
    await Promise.all([...this.sessions].map((session) => session.dispose()));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  assertUsable(): void {
    if (this.disposed) throw new TernionError('disposed', 'The engine was disposed.');
  }

  readonly load = unscripted;
  readonly embed = unscripted;
  readonly nextLogits = unscripted;
  readonly profile = unscripted;
  readonly restoreSession = unscripted;
  readonly suspend = unscripted;
  readonly resume = unscripted;
}

const unscripted = (): Promise<never> =>
  Promise.reject(new TernionError('unsupported-feature', 'A scripted engine has no model.'));

/** A session that keeps its tokens as one with a KV cache would. */
export class ScriptedSession implements Session {
  tokenIds: number[] = [];
  messages: ChatMessage[] = [];
  readonly #turns = new RequestQueue();
  readonly #disposal = new AbortController();

  constructor(private readonly engine: ScriptedEngine) {}

  generate(prompt: Prompt, options: GenerateOptions = {}): AnswerStream<never> {
    const ends = [this.#disposal.signal, ...(options.signal ? [options.signal] : [])];
    const stream = chunkStream((outlet, signal) => this.#run(prompt, options, outlet, signal), ends);
    return answerStream(stream, { join: wholeAnswer, notHeld: notHeldHere });
  }

  send(text: string, options?: GenerateOptions): AnswerStream<never> {
    return this.generate([...this.messages, { role: 'user', content: text }], options);
  }

  complete(prompt: Prompt, options?: GenerateOptions): Promise<Answer<never>> {
    return wholeAnswer(this.generate(prompt, options)) as Promise<Answer<never>>;
  }

  run(text: string, options: RunOptions): Promise<RunResult> {
    return runTools(this, text, options);
  }

  async fork(): Promise<ScriptedSession> {
    await this.#turns.enter();
    this.#turns.leave();
    if (this.engine.forkFailure) throw this.engine.forkFailure;
    const copy = this.engine.createSession();
    copy.tokenIds = [...this.tokenIds];
    copy.messages = [...this.messages];
    return copy;
  }

  readonly rewind = unscripted;
  readonly save = unscripted;

  async dispose(): Promise<void> {
    this.#disposal.abort();
    this.engine.sessions.delete(this);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  async #run(prompt: Prompt, options: GenerateOptions, outlet: Outlet, signal: AbortSignal): Promise<void> {
    if (this.#disposal.signal.aborted) throw new TernionError('disposed', 'The session was disposed.');
    this.engine.assertUsable();
    try {
      await this.#turns.enter(signal);
    } catch {
      outlet.put(last('abort', usage(0, 0, 0)));
      return;
    }
    try {
      await this.#turn(prompt, options, outlet, signal);
    } finally {
      this.#turns.leave();
    }
  }

  async #turn(prompt: Prompt, options: GenerateOptions, outlet: Outlet, signal: AbortSignal): Promise<void> {
    const { contextLength } = this.engine.info;
    const promptIds = promptIdsOf(prompt, options);
    if (promptIds.length >= contextLength) {
      throw new TernionError('context-overflow', `${promptIds.length} tokens do not fit ${contextLength}.`);
    }
    this.engine.calls.push({ prompt, promptIds, options });
    const cached = commonPrefix(promptIds, this.tokenIds);
    const limit = Math.min(options.maxTokens ?? Infinity, contextLength - promptIds.length);
    const sampled: number[] = [];
    const stops = new StopMatcher(typeof options.stop === 'string' ? [options.stop] : (options.stop ?? []));
    let text = '';
    const calls: ToolCallPiece[] = [];
    let stopReason: string | number | undefined;
    const finish = (reason: FinishReason, chunk: Pick<GenerateChunk, 'text' | 'tokenIds'>): void => {
      const rest = stopReason === undefined || stopReason === CONTROL.end ? stops.flush() : '';
      text += rest;
      this.tokenIds = [...promptIds, ...sampled];
      if (sampled.length > 0) this.#keep(prompt, text, wholeCalls(calls));
      const counted = usage(promptIds.length, cached, sampled.length, stopReason);
      outlet.put({ ...chunk, text: chunk.text + rest, finishReason: reason, usage: counted });
    };
    const script = limit === 0 ? [] : tokensOf(this.engine.script({ prompt, promptIds, options }));
    for await (const { id, piece } of script) {
      // A macrotask between two tokens, as a GPU would take.
      await new Promise((resolve) => setTimeout(resolve));
      if (signal.aborted) return finish('abort', { text: '', tokenIds: [] });
      sampled.push(id);
      if ('call' in piece) calls.push(piece.call);
      const { text: final, stop } = stops.push('text' in piece ? piece.text : '');
      text += final;
      stopReason = id === CONTROL.end ? id : stop;
      const chunk = {
        ...('reasoning' in piece && piece),
        ...('call' in piece && { toolCalls: [piece.call] }),
        text: final,
        tokenIds: [id],
      };
      if (stopReason !== undefined) return finish(calls.length > 0 ? 'tool-calls' : 'stop', chunk);
      if (sampled.length >= limit) return finish('length', chunk);
      outlet.put(chunk);
      await outlet.wanted();
    }
    finish(signal.aborted ? 'abort' : 'length', { text: '', tokenIds: [] });
  }

  #keep(prompt: Prompt, content: string, calls: readonly CompleteToolCall[]): void {
    if (!Array.isArray(prompt)) return;
    const called = calls.map(({ id, name, arguments: args }): ToolCall => {
      return { id, type: 'function', function: { name, arguments: args } };
    });
    const tools = called.length > 0 ? { tool_calls: called } : {};
    this.messages = [...prompt, { role: 'assistant', content, ...tools }];
  }
}

interface ScriptedToken {
  id: number;
  piece: { text: string } | { reasoning: string } | { call: ToolCallPiece };
}

/** The pieces of a whole call: its name, and its arguments in two. */
export function callPieces(
  index: number,
  name: string,
  given: object,
  id = `call_${index}`,
): ScriptedPiece[] {
  const text = JSON.stringify(given);
  return [
    { call: { index, id, name, argumentsText: '' } },
    { call: { index, argumentsText: text.slice(0, 4) } },
    { call: { index, argumentsText: text.slice(4) } },
  ];
}

/** A token for each code point, and the end of the turn. */
async function* tokensOf(answer: ScriptedAnswer): AsyncGenerator<ScriptedToken> {
  for (const piece of typeof answer === 'string' ? [{ text: answer }] : answer) {
    if ('error' in piece) throw piece.error;
    if ('wait' in piece) await piece.wait();
    else if ('call' in piece) yield { id: CALL_ID, piece };
    else if ('text' in piece)
      for (const text of piece.text) yield { id: text.codePointAt(0)!, piece: { text } };
    else
      for (const reasoning of piece.reasoning) yield { id: reasoning.codePointAt(0)!, piece: { reasoning } };
  }
  yield { id: CONTROL.end, piece: { text: '' } };
}

function promptIdsOf(prompt: Prompt, options: GenerateOptions): number[] {
  if (typeof prompt === 'string') return idsOf(prompt);
  return Array.isArray(prompt) ? render(prompt, options) : Array.from(prompt.tokenIds);
}

/** Tools as JSON, then a turn for each message: its role, its text and calls, the end; then the role of the answer. */
function render(
  messages: readonly ChatMessage[],
  { templateOptions = {}, tools: given }: TokenizeOptions & Pick<GenerateOptions, 'tools'>,
): number[] {
  const tools = given ? toldTools(given) : templateOptions['tools'];
  const turns = toTemplateMessages(messages).flatMap(({ role, content, tool_calls: calls }) => {
    if (!(role in CONTROL)) throw new TernionError('template-failed', `There is no role ${role}.`);
    const begin = CONTROL[role as keyof typeof CONTROL];
    return [begin, ...idsOf(content + (calls ? JSON.stringify(calls) : '')), CONTROL.end];
  });
  return [...(tools ? idsOf(JSON.stringify(tools)) : []), ...turns, CONTROL.assistant];
}

/** As an engine tells its template of tools. */
function toldTools(tools: NonNullable<GenerateOptions['tools']>): object[] {
  return Object.entries(tools).map(([name, { description, schema: parameters }]) => {
    return { type: 'function', function: { name, description, parameters } };
  });
}

function commonPrefix(a: readonly number[], b: readonly number[]): number {
  const differs = a.findIndex((id, i) => b[i] !== id);
  return differs < 0 ? Math.max(a.length - 1, 0) : differs;
}

function last(finishReason: FinishReason, counted: Usage): GenerateChunk {
  return { text: '', tokenIds: [], finishReason, usage: counted };
}

function usage(
  promptTokens: number,
  cachedTokens: number,
  completionTokens: number,
  stopReason?: string | number,
): Usage {
  const none = { queueMs: 0, prefillMs: 0, decodeMs: 0, tokensPerSecond: 0, timeToFirstTokenMs: 0 };
  const counts = {
    promptTokens,
    cachedTokens,
    completionTokens,
    forcedTokens: 0,
    omittedTokens: 0,
    omittedTurns: 0,
  };
  return { ...none, ...counts, ...(stopReason !== undefined && { stopReason }) };
}
