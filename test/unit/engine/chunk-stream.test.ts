// The stream of an answer without an answer: who drives it, and how it ends.
import { expect, test } from 'vitest';
import { chunkStream, type Outlet } from '../../../src/engine/chunk-stream';
import type { GenerateChunk } from '../../../src/engine/types';
import { sleep, until } from '../../support/wait';

const chunk = (id: number): GenerateChunk => ({ text: `${id} `, tokenIds: [id] });

/** Counts until it is told to end, and says with which number it ended. */
class Counter {
  made = 0;
  given = 0;
  ended = false;

  run = async (outlet: Outlet, signal: AbortSignal): Promise<void> => {
    while (!signal.aborted) {
      if (outlet.put(chunk(++this.made))) this.given++;
      await outlet.wanted();
    }
    // The end of a turn takes time.
    await sleep(1);
    outlet.put({ text: '', tokenIds: [], finishReason: 'abort' });
    this.ended = true;
  };
}

async function rest(reader: ReadableStreamDefaultReader<GenerateChunk>): Promise<GenerateChunk[]> {
  const chunks: GenerateChunk[] = [];
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return chunks;
    chunks.push(value);
  }
}

test('nothing runs before the first read, and no chunk is made that nobody asked for', async () => {
  const counter = new Counter();
  const reader = chunkStream(counter.run, []).getReader();
  await sleep(5);
  expect(counter.made).toBe(0);
  for (let i = 1; i <= 3; i++) {
    expect((await reader.read()).value).toEqual(chunk(i));
    await sleep(5);
    expect(counter.made).toBe(i);
  }
  const reads = await Promise.all([reader.read(), reader.read(), reader.read()]);
  expect(reads.map(({ value }) => value)).toEqual([4, 5, 6].map(chunk));
  await sleep(5);
  expect(counter.made).toBe(6);
  await reader.cancel();
});

test('a signal ends it without a reader, and a reader who comes back gets what was kept', async () => {
  const counter = new Counter();
  const control = new AbortController();
  const reader = chunkStream(counter.run, [control.signal]).getReader();
  await reader.read();
  control.abort();
  await until(() => counter.ended);
  expect(await rest(reader)).toEqual([{ text: '', tokenIds: [], finishReason: 'abort' }]);
});

test('a signal that fires while a read is pending ends it', async () => {
  const control = new AbortController();
  const reader = chunkStream(
    async (outlet, signal) => {
      await sleep(5);
      outlet.put(chunk(1));
      await outlet.wanted();
      expect(signal.aborted).toBe(true);
      outlet.put(chunk(2));
    },
    [control.signal],
  ).getReader();
  const pending = reader.read();
  control.abort();
  expect((await pending).value).toEqual(chunk(1));
  expect(await rest(reader)).toEqual([chunk(2)]);
});

test('a cancel waits for the end, and what is put after it counts as not given', async () => {
  const counter = new Counter();
  const reader = chunkStream(counter.run, []).getReader();
  await reader.read();
  const pending = reader.read();
  await reader.cancel();
  expect(counter).toMatchObject({ ended: true, given: 1 });
  expect((await pending).done).toBe(true);
});

test('a failure errors the stream, also where nobody reads', async () => {
  const control = new AbortController();
  const failing = async (outlet: Outlet): Promise<void> => {
    outlet.put(chunk(1));
    await outlet.wanted();
    throw new Error('broken');
  };
  const reader = chunkStream(failing, [control.signal]).getReader();
  await reader.read();
  control.abort();
  await expect(reader.closed).rejects.toThrow('broken');
  const cancelled = chunkStream(failing, []).getReader();
  await cancelled.read();
  await expect(cancelled.cancel()).resolves.toBeUndefined();
});
