// A conversation with a server: what was said is kept here, and told to the server with each turn.

import { chunkStream, type Outlet } from '../../engine/chunk-stream';
import { RequestQueue } from '../../engine/request-queue';
import type { ChatMessage, CompleteToolCall, Prompt, ToolCall } from '../../engine/types';
import { TernionError } from '../../errors';
import { argumentsOf, CallCollector, type CollectedCall } from '../collect-calls';
import { AnswerClock } from './answer-clock';
import type { Dialect, End, Piece } from './dialect';
import type { Ids, RemoteAnswer, PlainRemoteOptions, RemoteChunk, RemoteLogprob } from './types';

/** Makes the prompt of a turn when its time has come: it depends on what was said before. */
type Prompting = () => Prompt;

/** What a reader was given of an answer; the content is null as long as there is no text. */
interface Given {
  message: ChatMessage & { content: string | null };
  calls: CallCollector;
}

/** A session whose arguments were read: a {@link RemoteSession} but for schemas of libraries. */
export class DialectSession<I extends Ids> {
  readonly #turns = new RequestQueue();
  readonly #disposal = new AbortController();

  constructor(
    private readonly dialect: Dialect<I>,
    public messages: readonly ChatMessage[],
    private readonly onDispose: () => void,
  ) {}

  generate(prompt: Prompt, options: PlainRemoteOptions = {}): ReadableStream<RemoteChunk<I>> {
    return this.#stream(() => prompt, options, true);
  }

  send(text: string, options: PlainRemoteOptions = {}): ReadableStream<RemoteChunk<I>> {
    return this.#stream(() => [...this.messages, { role: 'user', content: text }], options, true);
  }

  complete(prompt: Prompt, options: PlainRemoteOptions = {}): Promise<RemoteAnswer<I>> {
    return this.whole(this.#stream(() => prompt, options, false));
  }

  /** The chunks of an answer, put together. Rejects with a `TypeError` if they have or had another reader. */
  async whole(chunks: ReadableStream<RemoteChunk<I>>): Promise<RemoteAnswer<I>> {
    const whole = new WholeAnswer<I>();
    const reader = chunks.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return whole.answer(this.dialect);
      whole.push(value);
    }
  }

  async dispose(): Promise<void> {
    this.#disposal.abort(new TernionError('disposed', 'The session was disposed.'));
    // What is under way comes to its end first.
    await this.#turns.enter();
    this.#turns.leave();
    this.onDispose();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  #stream(
    prompting: Prompting,
    options: PlainRemoteOptions,
    streamed: boolean,
  ): ReadableStream<RemoteChunk<I>> {
    const ends = [this.#disposal.signal, options.signal].filter((signal) => !!signal);
    return chunkStream<RemoteChunk<I>>(
      (outlet, signal) => this.#run(prompting, options, streamed, outlet, signal),
      ends,
    );
  }

  async #run(
    prompting: Prompting,
    options: PlainRemoteOptions,
    streamed: boolean,
    outlet: Outlet<RemoteChunk<I>>,
    signal: AbortSignal,
  ): Promise<void> {
    if (this.#disposal.signal.aborted) throw this.#disposal.signal.reason;
    const clock = new AnswerClock();
    try {
      await this.#turns.enter(signal);
    } catch {
      this.#putLast(outlet, clock, { finishReason: 'abort', stopReason: undefined });
      return;
    }
    try {
      const prompt = prompting();
      await this.#turn(
        prompt,
        this.dialect.ask({ prompt, options, streamed }, signal),
        outlet,
        signal,
        clock,
      );
    } finally {
      this.#turns.leave();
    }
  }

  async #turn(
    prompt: Prompt,
    pieces: AsyncGenerator<Piece<I>, End>,
    outlet: Outlet<RemoteChunk<I>>,
    signal: AbortSignal,
    clock: AnswerClock,
  ): Promise<void> {
    /** What the reader was given. */
    const given: Given = { message: { role: 'assistant', content: null }, calls: new CallCollector() };
    try {
      for (;;) {
        const { done, value } = await nextOf(pieces, signal);
        if (done) return this.#putLast(outlet, clock, value);
        const chunk = this.#chunkOf(value);
        clock.piece(value, this.dialect.ids.count(value.tokenIds), !chunk);
        if (!chunk) continue;
        if (outlet.put(chunk)) append(given, chunk);
        await outlet.wanted();
      }
    } finally {
      // Closes the connection, if it is still there.
      await pieces.return({ finishReason: 'abort', stopReason: undefined });
      const message = messageOf(given);
      if (message && Array.isArray(prompt)) this.messages = [...prompt, message];
    }
  }

  /** The chunk that a piece becomes; undefined if it brings nothing for a reader. */
  #chunkOf({ text, reasoning, toolCalls, tokenIds, logprobs }: Piece<I>): RemoteChunk<I> | undefined {
    const called = toolCalls.length > 0;
    // A token may have no text, such as the mark before the reasoning.
    const sampled = this.dialect.ids.count(tokenIds) || logprobs.length > 0;
    if (text === '' && reasoning === '' && !called && !sampled) return undefined;
    return {
      text,
      ...(reasoning !== '' && { reasoning }),
      ...(called && { toolCalls }),
      tokenIds,
      ...(logprobs.length > 0 && { logprobs }),
    };
  }

  #putLast(outlet: Outlet<RemoteChunk<I>>, clock: AnswerClock, { finishReason, stopReason }: End): void {
    const tokenIds = this.dialect.ids.join([]);
    outlet.put({ text: '', tokenIds, finishReason, usage: clock.usage(stopReason) });
  }
}

/** Adds what a reader was given to the message that it becomes. */
function append({ message, calls }: Given, { text, reasoning, toolCalls }: RemoteChunk): void {
  if (!toolCalls || text !== '') message.content = `${message.content ?? ''}${text}`;
  if (reasoning !== undefined) message.reasoning_content = (message.reasoning_content ?? '') + reasoning;
  calls.add(toolCalls);
}

/** The message, with the calls that are whole; undefined if a reader was given nothing. */
function messageOf({ message, calls: { calls } }: Given): ChatMessage | undefined {
  const called = wholeCalls(calls).map(({ id, name, arguments: given }): ToolCall => {
    return { id, type: 'function', function: { name, arguments: given } };
  });
  if (called.length > 0) return { ...message, tool_calls: called };
  return message.content === null ? undefined : message;
}

function wholeCalls(calls: readonly CollectedCall[]): CompleteToolCall[] {
  return calls.flatMap((call) => {
    const given = argumentsOf(call);
    return given ? [{ id: call.id, name: call.name, arguments: given }] : [];
  });
}

/** The next piece. An answer that the signal ended is over, and has not failed. */
async function nextOf<I extends Ids>(
  pieces: AsyncGenerator<Piece<I>, End>,
  signal: AbortSignal,
): Promise<IteratorResult<Piece<I>, End>> {
  const aborted = { done: true, value: { finishReason: 'abort', stopReason: undefined } } as const;
  if (signal.aborted) return aborted;
  try {
    return await pieces.next();
  } catch (error) {
    if (signal.aborted) return aborted;
    if (error instanceof TernionError) throw error;
    throw new TernionError('server-failed', 'The server did not answer as it should.', { cause: error });
  }
}

/** The chunks of an answer, put together. */
class WholeAnswer<I extends Ids> {
  #text = '';
  #reasoning: string | undefined;
  #logprobs: RemoteLogprob<I>[] | undefined;
  readonly #tokenIds: I['tokenIds'][] = [];
  readonly #calls = new CallCollector();
  #last: RemoteChunk<I> | undefined;

  push(chunk: RemoteChunk<I>): void {
    this.#text += chunk.text;
    if (chunk.reasoning !== undefined) this.#reasoning = (this.#reasoning ?? '') + chunk.reasoning;
    if (chunk.logprobs) (this.#logprobs ??= []).push(...chunk.logprobs);
    this.#tokenIds.push(chunk.tokenIds);
    this.#calls.add(chunk.toolCalls);
    this.#last = chunk;
  }

  answer({ ids }: Dialect<I>): RemoteAnswer<I> {
    if (!this.#last) throw new TypeError('The answer was read, or cancelled, before.');
    const { finishReason, usage } = this.#last;
    if (!finishReason || !usage)
      throw new TernionError('internal', 'An answer has ended without its last chunk.');
    const toolCalls = wholeCalls(this.#calls.calls);
    return {
      text: this.#text,
      ...(toolCalls.length > 0 && { toolCalls }),
      ...(this.#reasoning !== undefined && { reasoning: this.#reasoning }),
      tokenIds: ids.join(this.#tokenIds),
      ...(this.#logprobs && { logprobs: this.#logprobs }),
      finishReason,
      usage,
    };
  }
}
