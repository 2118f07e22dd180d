// Answers that are asked for with options that were read: what schemas become before, and values after.

import type { Answer, PlainGenerateOptions, Usage } from '../engine/types';
import { TernionError } from '../errors';
import { plainOptions, type ReadOptions } from './answer-shapes';
import { iterable } from './iterable';

/** What of an answer says whether it is whole. */
type AnswerToRead = Pick<Answer, 'text' | 'finishReason'> & { usage: Pick<Usage, 'stopReason'> };

/** An answer with the value that it is. */
type Parsed<Whole> = Whole & { parsed?: unknown };

/** How the chunks of a stream become an answer, and what it means where they are to be JSON and are not. */
export interface HowToRead<Chunk, Whole extends AnswerToRead> {
  join: (chunks: ReadableStream<Chunk>) => Promise<Whole>;
  notHeld: (cause: unknown) => TernionError;
}

/** The ways to read an answer at once, see `AnswerStream`. */
export interface ReadAtOnce<Whole> {
  text(): Promise<string>;
  json(): Promise<never>;
  complete(): Promise<Parsed<Whole> & { parsed?: never }>;
}

/** The error of an engine that did not hold an answer to its shape. */
export function notHeldHere(cause: unknown): TernionError {
  return new TernionError('internal', 'An answer that is to be JSON is none.', { cause });
}

/**
 * The answer that `make` makes for what `read` reads: as a stream, and to be read at once. If `read` throws, reading fails with
 * the error. Where the options are not there at once as plain ones, the stream of `make` is made with the first read.
 */
export function askedStream<Given, Chunk, Whole extends AnswerToRead>(
  read: () => [Given, ReadOptions],
  make: (given: Given, plain: PlainGenerateOptions) => ReadableStream<Chunk>,
  how: HowToRead<Chunk, Whole>,
): ReadableStream<Chunk> & ReadAtOnce<Whole> {
  try {
    const [given, options] = read();
    const plain = plainOptions(options);
    // Whoever reads hears what it fails with; until then nobody does, which is no fault.
    if (plain instanceof Promise) plain.catch(() => {});
    const stream =
      plain instanceof Promise ? laterStream(async () => make(given, await plain)) : make(given, plain);
    return answerStream(stream, how, options);
  } catch (error) {
    return answerStream(new ReadableStream<Chunk>({ start: (controller) => controller.error(error) }), how);
  }
}

/** `stream` with the ways to read it at once. They lock it, as every reader does. */
export function answerStream<Chunk, Whole extends AnswerToRead>(
  stream: ReadableStream<Chunk>,
  { join, notHeld }: HowToRead<Chunk, Whole>,
  options: ReadOptions = {},
): ReadableStream<Chunk> & ReadAtOnce<Whole> {
  const complete = async (): Promise<Parsed<Whole>> => withValue(await join(stream), options, notHeld);
  const readers = {
    text: async () => (await join(stream)).text,
    json: async () => valueOf(await complete(), options),
    complete,
  };
  // What the types of callers promise of the value follows from the schema that they gave.
  return Object.assign(iterable(stream), readers as ReadAtOnce<Whole>);
}

/** The answer that `ask` gets with plain options, and the value that it is where the options ask for JSON. */
export async function answerWith<Whole extends AnswerToRead>(
  read: ReadOptions,
  ask: (plain: PlainGenerateOptions) => Promise<Whole>,
  notHeld: (cause: unknown) => TernionError,
): Promise<Parsed<Whole>> {
  const plain = plainOptions(read);
  // Not awaited where that is not needed: requests take their turns in the order in which they were made.
  return withValue(await (plain instanceof Promise ? plain.then(ask) : ask(plain)), read, notHeld);
}

async function withValue<Whole extends AnswerToRead>(
  answer: Whole,
  { responseFormat }: ReadOptions,
  notHeld: (cause: unknown) => TernionError,
): Promise<Parsed<Whole>> {
  if (responseFormat?.type !== 'json' || !isWhole(answer)) return answer;
  const value = parsed(answer.text, notHeld);
  return { ...answer, parsed: responseFormat.schema ? await responseFormat.schema.parse(value) : value };
}

/** A stop string may end an answer anywhere, an end token only where the shape allows it. */
function isWhole({ finishReason, usage }: AnswerToRead): boolean {
  return finishReason === 'stop' && typeof usage.stopReason !== 'string';
}

/** The value that an answer is, be it held to JSON or not. Throws `answer-refused` if it is none. */
function valueOf(answer: Parsed<AnswerToRead>, { responseFormat }: ReadOptions): unknown {
  const { text, finishReason } = answer;
  if ('parsed' in answer) return answer.parsed;
  if (finishReason !== 'stop') throw new TernionError('answer-refused', UNFINISHED[finishReason]);
  if (responseFormat?.type === 'json') throw new TernionError('answer-refused', STOPPED);
  const beginning = text.length > 60 ? `${text.slice(0, 60)}…` : text;
  return parsed(text, (cause) => {
    const message = `The answer is no JSON: ${JSON.stringify(beginning)}. Ask for responseFormat: {type: 'json'}.`;
    return new TernionError('answer-refused', message, { cause });
  });
}

const STOPPED = 'The answer was cut by a stop string before its JSON was whole.';

const UNFINISHED = {
  length: 'The answer was cut before its JSON was whole: by maxTokens, or because the context is full.',
  abort: 'The answer was ended before its JSON was whole: by a signal, or because the session was disposed.',
  'tool-calls': 'The answer calls tools and is no JSON. What it calls is in toolCalls of complete().',
} as const;

function parsed(text: string, failure: (cause: unknown) => TernionError): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw failure(cause);
  }
}

function laterStream<Chunk>(open: () => Promise<ReadableStream<Chunk>>): ReadableStream<Chunk> {
  let reading: Promise<ReadableStreamDefaultReader<Chunk>> | undefined;
  const read = (): Promise<ReadableStreamDefaultReader<Chunk>> =>
    (reading ??= open().then((stream) => stream.getReader()));
  return new ReadableStream<Chunk>(
    {
      async pull(controller) {
        const { done, value } = await (await read()).read();
        if (done) controller.close();
        else controller.enqueue(value);
      },
      // One that was never read has not begun.
      async cancel(reason) {
        await (await reading)?.cancel(reason);
      },
    },
    { highWaterMark: 0 },
  );
}
