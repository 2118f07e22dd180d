// Turns on the GPU: in the order of the requests, but for those who press.
import { expect, test } from 'vitest';
import { GpuTurn } from '../../../src/engine/gpu-turn';
import { RequestQueue } from '../../../src/engine/request-queue';
import { expectFailure } from '../../support/expect-failure';

/** Writes down who had the queue, in order. */
function recorder(queue: RequestQueue): { order: string[]; visit: (name: string) => Promise<void> } {
  const order: string[] = [];
  const visit = async (name: string): Promise<void> => {
    await queue.enter();
    order.push(name);
    queue.leave();
  };
  return { order, visit };
}

test('whoever presses is next, and those who wait keep their order', async () => {
  const queue = new RequestQueue();
  const { order, visit } = recorder(queue);
  await queue.enter();
  const visits = [visit('first'), visit('second')];
  const { pressure } = queue;
  const pressing = queue.press().then(() => order.push('presser'));
  expect(pressure.aborted).toBe(true);
  queue.leave();
  await pressing;
  expect(order).toEqual(['presser']);
  // The next one who presses is heard anew.
  expect(queue.pressure.aborted).toBe(false);
  queue.leave();
  await Promise.all(visits);
  expect(order).toEqual(['presser', 'first', 'second']);
});

test('a queue that nobody holds is had at once by pressing, and held', async () => {
  const queue = new RequestQueue();
  const { order, visit } = recorder(queue);
  await queue.press();
  const waiting = visit('waiting');
  expect(queue.contended).toBe(true);
  queue.leave();
  await waiting;
  expect(order).toEqual(['waiting']);
});

test('a turn under pressure lends the GPU at its next step, with what is in flight settled, and goes on afterwards', async () => {
  const queue = new RequestQueue();
  const events: string[] = [];
  const turn = new GpuTurn(queue, async () => void events.push('settled'));
  await turn.hold();
  await turn.hold();
  expect(events).toEqual([]);
  const pressing = queue.press().then(() => events.push('pressed'));
  const holding = turn.hold().then(() => events.push('held again'));
  await pressing;
  queue.leave();
  await holding;
  expect(events).toEqual(['settled', 'pressed', 'held again']);
  await turn.end(async () => void events.push('finished'));
  await turn.end(async () => void events.push('finished'));
  expect(events.at(-1)).toBe('finished');
  expect(events).toHaveLength(4);
  await queue.enter();
});

test('a signal ends the wait of a turn that was lent', async () => {
  const queue = new RequestQueue();
  const turn = new GpuTurn(queue);
  await turn.hold();
  const pressing = queue.press();
  const control = new AbortController();
  const holding = expectFailure(turn.hold(control.signal), 'aborted');
  await pressing;
  control.abort();
  await holding;
  await turn.end();
  queue.leave();
  await queue.enter();
});
