// Answers can be iterated in browsers whose streams cannot, as Safari's up to version 26.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { iterable } from '../../../src/boundary/iterable';
import { SteppedEngine } from '../../support/stepped-engine';

/** A stream of 0, 1, 2, … up to `length`, that notes with what it was cancelled. */
function counting(length: number): { stream: ReadableStream<number>; cancelled: () => number } {
  let at = 0;
  let cancellations = 0;
  const stream = new ReadableStream<number>(
    {
      pull: (controller) => (at < length ? controller.enqueue(at++) : controller.close()),
      cancel: () => void cancellations++,
    },
    { highWaterMark: 0 },
  );
  return { stream, cancelled: () => cancellations };
}

describe('where streams of the browser are not iterable', () => {
  const prototype = ReadableStream.prototype as { [Symbol.asyncIterator]?: unknown };
  const own = Object.getOwnPropertyDescriptor(prototype, Symbol.asyncIterator);
  beforeEach(() => void delete prototype[Symbol.asyncIterator]);
  afterEach(() => void (own && Object.defineProperty(prototype, Symbol.asyncIterator, own)));

  test('those of answers are', async () => {
    const session = new SteppedEngine(() => ['Hi', '!']).createSession();
    let text = '';
    for await (const chunk of session.send('x')) text += chunk.text;
    expect(text).toBe('Hi!');
  });

  test('a loop reads to the end and lets go of the stream', async () => {
    const { stream, cancelled } = counting(3);
    const read: number[] = [];
    for await (const each of iterable(stream)) read.push(each);
    expect([read, cancelled(), stream.locked]).toEqual([[0, 1, 2], 0, false]);
  });

  test('leaving the loop cancels the stream', async () => {
    const { stream, cancelled } = counting(3);
    for await (const each of iterable(stream)) if (each === 1) break;
    expect([cancelled(), stream.locked]).toEqual([1, false]);
  });

  test('what the stream fails with is thrown', async () => {
    const failure = new Error('lost');
    const stream = iterable(new ReadableStream({ pull: (controller) => controller.error(failure) }));
    const read = async (): Promise<void> => {
      for await (const each of stream) expect(each).toBeUndefined();
    };
    await expect(read()).rejects.toBe(failure);
    expect(stream.locked).toBe(false);
  });
});

test('where they are iterable they stay as they are', () => {
  expect(Object.hasOwn(iterable(counting(0).stream), Symbol.asyncIterator)).toBe(false);
});
