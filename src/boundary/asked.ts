// Answers that are asked for with options that were read: what schemas become before, and values after.

import type { Answer, PlainGenerateOptions, Usage } from '../engine/types';
import { TernionError } from '../errors';
import { plainOptions, type ReadOptions } from './answer-shapes';

/** The stream that `make` makes; if it throws, one that fails with the error. */
export function streamOf<Chunk>(make: () => ReadableStream<Chunk>): ReadableStream<Chunk> {
  try {
    return make();
  } catch (error) {
    return new ReadableStream<Chunk>({ start: (controller) => controller.error(error) });
  }
}

/** The stream that `make` makes of plain options; where these are not there at once, it is made with the first read. */
export function streamWith<Chunk>(
  read: ReadOptions,
  make: (plain: PlainGenerateOptions) => ReadableStream<Chunk>,
): ReadableStream<Chunk> {
  const plain = plainOptions(read);
  return plain instanceof Promise ? laterStream(async () => make(await plain)) : make(plain);
}

/** What of an answer says whether it is whole. */
type AnswerToRead = Pick<Answer, 'text' | 'finishReason'> & { usage: Pick<Usage, 'stopReason'> };

/** The answer that `ask` gets with plain options, and the value that it is where the options ask for JSON. */
export async function answerWith<Given extends AnswerToRead>(
  read: ReadOptions,
  ask: (plain: PlainGenerateOptions) => Promise<Given>,
): Promise<Given & { parsed?: unknown }> {
  const plain = plainOptions(read);
  // Not awaited where that is not needed: requests take their turns in the order in which they were made.
  const answer = await (plain instanceof Promise ? plain.then(ask) : ask(plain));
  const { responseFormat } = read;
  if (responseFormat?.type !== 'json' || !isWhole(answer)) return answer;
  const value = valueOf(answer.text);
  return { ...answer, parsed: responseFormat.schema ? await responseFormat.schema.parse(value) : value };
}

/** A stop string may end an answer anywhere, an end token only where the shape allows it. */
function isWhole({ finishReason, usage }: AnswerToRead): boolean {
  return finishReason === 'stop' && typeof usage.stopReason !== 'string';
}

function valueOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new TernionError('internal', 'An answer that is to be JSON is none.', { cause });
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
