// What a load leaves for later: when it begins, whom it lets go first, and when there is another chance.
import { beforeEach, expect, test, vi } from 'vitest';
import { RequestQueue } from '../../../src/engine/request-queue';
import { WorkBehind, type Loaded } from '../../../src/engine/work-behind';
import { abortedBy } from '../../../src/errors';
import { until } from '../../support/wait';

/** Longer than whoever loads is waited for. */
const A_MOMENT_MS = 1000;

/** A resident that times until its signal fires, or until `finish`. */
function resident(): Loaded & { done: string[]; finish: () => void; end: () => void } {
  const ending = new AbortController();
  const done: string[] = [];
  let finish = (): void => {};
  return {
    done,
    finish: () => finish(),
    end: () => ending.abort(),
    gone: false,
    ending: ending.signal,
    hasWorkBehind: true,
    tunesBehind: true,
    transformer: { complete: async () => void done.push('complete') },
    tune: (signal) =>
      new Promise((resolve, reject) => {
        done.push('tune');
        finish = resolve;
        signal.addEventListener('abort', () => reject(abortedBy(signal)));
      }),
  };
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  return () => vi.useRealTimers();
});

test('it begins by itself when nobody asks for anything, and once', async () => {
  const queue = new RequestQueue();
  const left = resident();
  const behind = new WorkBehind(queue);
  behind.expect(left);
  expect(left.done).toEqual([]);
  vi.advanceTimersByTime(A_MOMENT_MS);
  await until(() => left.done.length === 2);
  left.finish();
  await until(() => !queue.held);
  behind.begin(left);
  vi.advanceTimersByTime(A_MOMENT_MS);
  expect(left.done).toEqual(['complete', 'tune']);
});

test('it begins by itself behind an answer that takes longer than a moment and is never complete', async () => {
  const queue = new RequestQueue();
  const left = resident();
  await queue.enter();
  new WorkBehind(queue).expect(left);
  vi.advanceTimersByTime(A_MOMENT_MS);
  expect(left.done).toEqual([]);
  queue.leave();
  vi.advanceTimersByTime(A_MOMENT_MS);
  await until(() => left.done.length === 2);
});

test('timing leaves the GPU to whoever waits for it, and begins again behind the next answer', async () => {
  const queue = new RequestQueue();
  const left = resident();
  const behind = new WorkBehind(queue);
  behind.begin(left);
  await until(() => left.done.includes('tune'));
  const entered = queue.enter();
  vi.advanceTimersByTime(A_MOMENT_MS);
  await entered;
  behind.begin(left);
  queue.leave();
  await until(() => left.done.length === 4);
  expect(left.done).toEqual(['complete', 'tune', 'complete', 'tune']);
});

test('nothing begins for a resident that has gone, and what has begun ends with it', async () => {
  const queue = new RequestQueue();
  const [early, late] = [resident(), resident()];
  const behind = new WorkBehind(queue);
  behind.expect(early);
  early.end();
  vi.advanceTimersByTime(A_MOMENT_MS);
  behind.begin(late);
  await until(() => late.done.includes('tune'));
  late.end();
  await until(() => !queue.held);
  expect(early.done).toEqual([]);
});
