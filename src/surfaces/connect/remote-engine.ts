// An engine over a server, as callers hold it: what they give is read here, as it is for a local one.

import type { ProcessorReader, ReadOptions } from '../../boundary/answer-shapes';
import { answerWith, askedStream, type HowToRead } from '../../boundary/asked';
import { generateOptions, type TemplateReader } from '../../boundary/options';
import { prompt, sentText, sessionStart } from '../../boundary/prompts';
import { argument, options, refusal, type Read } from '../../boundary/read';
import type { ChatMessage, Prompt, SessionOptions } from '../../engine/types';
import { TernionError } from '../../errors';
import type { Dialect } from './dialect';
import { DialectSession } from './remote-session';
import type {
  Ids,
  RemoteAnswer,
  RemoteAnswerStream,
  PlainRemoteOptions,
  RemoteChunk,
  RemoteEngine,
  RemoteGenerateOptions,
  RemoteSession,
  ServerInfo,
} from './types';

/** Ids are judged by the server: it knows how many there are, and what fits. */
const LIMITS = { vocabularySize: 2 ** 32, contextLength: 2 ** 24 };

/** The server renders messages with a template of its own. */
const noTemplate: TemplateReader = (value, at) => {
  if (value === undefined) return undefined;
  throw refusal(at, 'cannot be given: the server has its own');
};

const noProcessor: ProcessorReader = (value, at) => {
  if (value === undefined) return undefined;
  throw refusal(at, 'cannot be given: the server has the logits');
};

const readPrompt: Read<Prompt> = prompt(LIMITS);
const readOptions: Read<ReadOptions> = generateOptions(LIMITS, noTemplate, noProcessor);

/** What an engine has of its own. */
interface DialectState<I extends Ids> {
  readonly dialect: Dialect<I>;
  readonly sessions: Set<DialectSession<I>>;
  disposed: boolean;
}

/** An engine that speaks a server's dialect. */
export class DialectEngine<I extends Ids> implements RemoteEngine<I> {
  /** A function, and no private fields: whoever wraps the engine in a Proxy, as stores of frameworks do, calls with that. */
  private readonly inner: () => DialectState<I>;

  constructor(
    readonly info: ServerInfo,
    dialect: Dialect<I>,
  ) {
    const state = { dialect, sessions: new Set<DialectSession<I>>(), disposed: false };
    this.inner = () => state;
  }

  get hasTokenIds(): I['hasTokenIds'] {
    return this.inner().dialect.ids.hasTokenIds;
  }

  createSession(how?: SessionOptions): RemoteSession<I> {
    const messages = options(sessionStart, how);
    const { dialect, sessions, disposed } = this.inner();
    if (disposed) throw new TernionError('disposed', 'The engine was disposed.');
    const session = new DialectSession(dialect, messages, () => sessions.delete(session));
    sessions.add(session);
    return new CheckedRemoteSession(session);
  }

  async dispose(): Promise<void> {
    const state = this.inner();
    state.disposed = true;
    await Promise.all(Array.from(state.sessions, (session) => session.dispose()));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  /** For logs and stores that write what they hold: it cannot be made again from that. */
  toJSON(): object {
    return { engine: 'Ternion', server: this.info.kind, model: this.info.model };
  }
}

/** A session of which every argument is read when a method is called. Its streams fail with `invalid-argument`. */
class CheckedRemoteSession<I extends Ids> implements RemoteSession<I> {
  /** See {@link DialectEngine}. */
  private readonly inner: () => DialectSession<I>;
  private readonly howToRead: HowToRead<RemoteChunk<I>, RemoteAnswer<I>>;

  constructor(inner: DialectSession<I>) {
    this.inner = () => inner;
    this.howToRead = { join: (chunks) => inner.whole(chunks), notHeld };
  }

  get messages(): readonly ChatMessage[] {
    return this.inner().messages;
  }

  // What the types promise of values follows from the schema that was given.

  generate(given: Prompt, how?: RemoteGenerateOptions): RemoteAnswerStream<I, never> {
    return askedStream(
      () => [argument(readPrompt, given, 'prompt'), remoteOptions(how)],
      (prompt, plain) => this.inner().generate(prompt, plain),
      this.howToRead,
    );
  }

  send(given: string, how?: RemoteGenerateOptions): RemoteAnswerStream<I, never> {
    return askedStream(
      () => [argument(sentText, given, 'text'), remoteOptions(how)],
      (text, plain) => this.inner().send(text, plain),
      this.howToRead,
    );
  }

  async complete(given: Prompt, how?: RemoteGenerateOptions): Promise<RemoteAnswer<I, never>> {
    const read = argument(readPrompt, given, 'prompt');
    const ask = (plain: PlainRemoteOptions): Promise<RemoteAnswer<I>> => this.inner().complete(read, plain);
    return (await answerWith(remoteOptions(how), ask, notHeld)) as RemoteAnswer<I, never>;
  }

  dispose(): Promise<void> {
    return this.inner().dispose();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  /** For logs and stores that write what they hold: it cannot be made again from that. */
  toJSON(): object {
    return { session: 'Ternion', messages: this.messages.length };
  }
}

/** A local engine can only be wrong about that; a server may just have ignored what it was asked for. */
function notHeld(cause: unknown): TernionError {
  const message = 'The server did not hold the answer to its shape: it is no JSON.';
  return new TernionError('server-failed', message, { cause });
}

function remoteOptions(how: RemoteGenerateOptions | undefined): ReadOptions {
  const { contextOverflow = 'error', beginsWith, ...read } = options(readOptions, how);
  if (beginsWith) throw refusal('options.beginsWith', 'cannot be there: no server goes on from tokens');
  if (contextOverflow === 'error') return read;
  throw refusal(
    'options.contextOverflow',
    "can be 'error' alone: the server decides what becomes of a prompt that is too long",
  );
}
