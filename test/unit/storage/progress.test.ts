// What a download says of itself: bytes, rate, time left.
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { ProgressMeter, type DownloadProgress } from '../../../src/storage/sources/progress';

beforeEach(() => void vi.useFakeTimers({ toFake: ['performance', 'setTimeout', 'clearTimeout'] }));
afterEach(() => void vi.useRealTimers());

it('gives rate and time left over all files, from what came and not from what was there', () => {
  const seen: DownloadProgress[] = [];
  const meter = new ProgressMeter((progress) => seen.push(progress));
  const first = meter.file(10_000, 4000);
  const second = meter.file(10_000, 0);
  for (let i = 0; i < 30; i++) {
    vi.advanceTimersByTime(100);
    first.received(100);
    second.received(100);
  }
  // 200 bytes in each tenth of a second; the last report was made when the thirtieth was over, before its bytes came.
  const { loaded, total, bytesPerSecond, secondsLeft } = seen.at(-1)!;
  expect(total).toBe(20_000);
  expect(loaded).toBeCloseTo(10_000, -3);
  expect(bytesPerSecond).toBeCloseTo((29 * 200) / 3, 5);
  expect(secondsLeft).toBeCloseTo((20_000 - loaded) / bytesPerSecond, 5);
});

it('follows a rate that changes, within seconds', () => {
  let last: DownloadProgress | undefined;
  const file = new ProgressMeter((progress) => (last = progress)).file(1e9, 0);
  for (let i = 0; i < 200; i++) {
    vi.advanceTimersByTime(100);
    file.received(i < 100 ? 100_000 : 1000);
  }
  expect(last!.bytesPerSecond).toBeCloseTo(10_000, -3);
});

it('reports ten times a second at most, and always the end', () => {
  const seen: DownloadProgress[] = [];
  const file = new ProgressMeter((progress) => seen.push(progress)).file(1000, 0);
  for (let i = 0; i < 1000; i++) {
    vi.advanceTimersByTime(1);
    file.received(1);
  }
  file.done();
  expect(seen.length).toBeGreaterThan(5);
  expect(seen.length).toBeLessThanOrEqual(12);
  expect(seen.at(-1)).toMatchObject({ loaded: 1000, total: 1000 });
});

it('reports what came last before a silence', () => {
  const seen: DownloadProgress[] = [];
  const file = new ProgressMeter((progress) => seen.push(progress)).file(1000, 0);
  vi.advanceTimersByTime(50);
  file.received(300);
  file.received(400);
  expect(seen.at(-1)).toMatchObject({ loaded: 0 });
  vi.advanceTimersByTime(1000);
  expect(seen.slice(1)).toEqual([
    { loaded: 700, total: 1000, bytesPerSecond: 7000, secondsLeft: expect.closeTo(300 / 7000) as number },
  ]);
});

it('does not know the time left while it does not know the length', () => {
  let last: DownloadProgress | undefined;
  const file = new ProgressMeter((progress) => (last = progress)).file(0, 0);
  vi.advanceTimersByTime(1000);
  file.received(500);
  expect(last).toEqual({ loaded: 500, total: 0, bytesPerSecond: 500 });
});
