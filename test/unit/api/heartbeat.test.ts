// Asking whether somebody is still there: who answers is, however late; who stays silent for long is not.
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Heartbeat } from '../../../src/api/heartbeat';

const OPTIONS = { intervalMs: 100, patience: 4 };
/** Time after which silence is noticed: every look, and the one that finds that they were in vain. */
const LONG = 500;

let silences = 0;
beforeEach(() => {
  vi.useFakeTimers();
  silences = 0;
});
afterEach(() => {
  vi.useRealTimers();
});
const onSilence = (): void => void silences++;
const forever = new Promise<never>(() => {});

test('who answers, or refuses to, is there', async () => {
  let pings = 0;
  const ping = async (): Promise<void> => {
    if (++pings % 2 === 0) throw new Error('no');
  };
  const heartbeat = new Heartbeat(ping, onSilence, OPTIONS);
  await vi.advanceTimersByTimeAsync(20 * LONG);
  expect([pings, silences]).toEqual([100, 0]);
  heartbeat.stop();
});

test('silence is noticed once, and only when it lasts', async () => {
  new Heartbeat(() => forever, onSilence, OPTIONS);
  await vi.advanceTimersByTimeAsync(LONG - 1);
  expect(silences).toBe(0);
  await vi.advanceTimersByTimeAsync(1);
  expect(silences).toBe(1);
  await vi.advanceTimersByTimeAsync(10 * LONG);
  expect(silences).toBe(1);
});

test('who answers late is asked only once meanwhile, and is there', async () => {
  let answer = (): void => {};
  let pings = 0;
  const ping = (): Promise<void> => {
    pings++;
    return new Promise((resolve) => (answer = resolve));
  };
  const heartbeat = new Heartbeat(ping, onSilence, OPTIONS);
  for (let i = 1; i <= 5; i++) {
    await vi.advanceTimersByTimeAsync(LONG - 100);
    expect(pings).toBe(i);
    answer();
    await vi.advanceTimersByTimeAsync(0);
  }
  expect(silences).toBe(0);
  heartbeat.stop();
});

test('once stopped it neither asks nor reports', async () => {
  let pings = 0;
  const heartbeat = new Heartbeat(() => (pings++, forever), onSilence, OPTIONS);
  heartbeat.stop();
  await vi.advanceTimersByTimeAsync(10 * LONG);
  expect([pings, silences]).toEqual([0, 0]);
});
