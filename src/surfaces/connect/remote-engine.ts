// An engine over a server, as callers hold it: what they give is read here, as it is for a local one.

import type { ReadOptions } from '../../boundary/answer-shapes';
import { generateOptions, type TemplateReader } from '../../boundary/options';
import { prompt, sentText } from '../../boundary/prompts';
import { argument, options, refusal, type Read } from '../../boundary/read';
import type { ChatMessage, Prompt } from '../../engine/types';
import { TernionError } from '../../errors';
import type { Dialect } from './dialect';
import { DialectSession } from './remote-session';
import type {
  Ids,
  RemoteAnswer,
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

const readPrompt: Read<Prompt> = prompt(LIMITS);
const readOptions: Read<ReadOptions> = generateOptions(LIMITS, noTemplate);

/** An engine that speaks a server's dialect. */
export class DialectEngine<I extends Ids> implements RemoteEngine<I> {
  readonly #sessions = new Set<RemoteSession<I>>();
  #disposed = false;

  constructor(
    readonly info: ServerInfo,
    private readonly dialect: Dialect<I>,
  ) {}

  get hasTokenIds(): I['hasTokenIds'] {
    return this.dialect.ids.hasTokenIds;
  }

  createSession(): RemoteSession<I> {
    if (this.#disposed) throw new TernionError('disposed', 'The engine was disposed.');
    const session = new DialectSession(this.dialect, () => this.#sessions.delete(session));
    this.#sessions.add(session);
    return new CheckedRemoteSession(session);
  }

  async dispose(): Promise<void> {
    this.#disposed = true;
    await Promise.all(Array.from(this.#sessions, (session) => session.dispose()));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }
}

/** A session of which every argument is read when a method is called. Its streams fail with `invalid-argument`. */
class CheckedRemoteSession<I extends Ids> implements RemoteSession<I> {
  constructor(private readonly inner: RemoteSession<I>) {}

  get messages(): readonly ChatMessage[] {
    return this.inner.messages;
  }

  generate(given: Prompt, how?: RemoteGenerateOptions): ReadableStream<RemoteChunk<I>> {
    return streamOf(() => this.inner.generate(argument(readPrompt, given, 'prompt'), remoteOptions(how)));
  }

  send(given: string, how?: RemoteGenerateOptions): ReadableStream<RemoteChunk<I>> {
    return streamOf(() => this.inner.send(argument(sentText, given, 'text'), remoteOptions(how)));
  }

  async complete(given: Prompt, how?: RemoteGenerateOptions): Promise<RemoteAnswer<I>> {
    return this.inner.complete(argument(readPrompt, given, 'prompt'), remoteOptions(how));
  }

  dispose(): Promise<void> {
    return this.inner.dispose();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }
}

function remoteOptions(how: RemoteGenerateOptions | undefined): RemoteGenerateOptions {
  const { contextOverflow = 'error', responseFormat, tools, ...read } = options(readOptions, how);
  if (responseFormat) throw refusal('options.responseFormat', 'is not passed on to servers yet');
  if (tools) throw refusal('options.tools', 'are not passed on to servers yet');
  if (contextOverflow === 'error') return read;
  throw refusal(
    'options.contextOverflow',
    "can be 'error' alone: the server decides what becomes of a prompt that is too long",
  );
}

/** The stream that `make` makes; if it throws, one that fails with the error. */
function streamOf<Chunk>(make: () => ReadableStream<Chunk>): ReadableStream<Chunk> {
  try {
    return make();
  } catch (error) {
    return new ReadableStream<Chunk>({ start: (controller) => controller.error(error) });
  }
}
