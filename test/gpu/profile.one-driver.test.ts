// Where the time of a step goes, as the engine tells its users; and the benchmark of single kernels.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { KERNELS, timeVariants } from '../../bench/core/kernel-bench';
import type { LocalEngine } from '../../src/engine/engine';
import { collect } from '../support/collect';
import { loadFixture, openContext } from '../support/engine';

const TINY = 'public/models/ternion-tiny-i2_s.gguf';

describe('engine.profile', () => {
  let engine: LocalEngine;
  beforeAll(async () => {
    engine = await loadFixture(TINY);
  });
  afterAll(() => engine.dispose());

  test('names the kernels of a step, the longest first, and what they took', async () => {
    const profile = await engine.profile({ context: 300, repeats: 2 });
    expect(profile).toMatchObject({ tokens: 1, context: 300 });
    const { kernels, totalMs } = profile!;
    // Four layers: each has a product of queries, keys and values; a context of 300 is split, which a short one is not.
    const counts = new Map(kernels.map(({ label, count }) => [label, count]));
    expect(counts.get('matmul qkv')).toBe(4);
    expect(counts.get('sample')).toBe(1);
    expect(counts.get('attention combine')).toBe(4);
    expect(counts.has('attention alone')).toBe(false);
    const times = kernels.map(({ milliseconds }) => milliseconds);
    expect(times).toEqual(times.toSorted((a, b) => b - a));
    expect(times.every((ms) => ms >= 0)).toBe(true);
    expect(totalMs).toBeCloseTo(times.reduce((sum, ms) => sum + ms, 0));
  });

  test('profiles a piece of a prompt too, and leaves sessions and memory as they were', async () => {
    const session = engine.createSession();
    const { text } = await collect(session.send('Count from 3 to 9.'));
    const before = engine.info.gpuBytes;
    expect(await engine.profile({ tokens: 16, repeats: 1 })).toMatchObject({ tokens: 16, context: 0 });
    expect(engine.info.gpuBytes).toBe(before);
    const ids = [...session.tokenIds];
    expect(text).toBe('3, 4, 5, 6, 7, 8, 9');
    expect((await collect(session.send('Count from 3 to 9.'))).text).not.toBe('');
    expect(session.tokenIds.slice(0, ids.length)).toEqual(ids);
    await session.dispose();
  });

  test.each([{ tokens: 129 }, { context: 1024 }, { tokens: 100, context: 1000 }])(
    'refuses %j',
    async (options) => {
      await expect(engine.profile(options)).rejects.toMatchObject({ code: 'invalid-argument' });
    },
  );

  test('has nothing to say without timestamp queries', async () => {
    const plain = await loadFixture(TINY, { features: 'none' });
    expect(await plain.profile()).toBeUndefined();
    await plain.dispose();
  });
});

test.each([
  { name: 'ternary_matmul', shape: [64, 128], tokens: 1 },
  { name: 'ternary_matmul', shape: [64, 128], tokens: 3 },
  { name: 'lm_head_int8', shape: [96, 64], tokens: 1 },
  { name: 'attention', shape: [4, 2, 64], tokens: 1 },
  { name: 'rms_norm_quantize', shape: [256], tokens: 2 },
])('the benchmark of $name times every candidate that is right', async ({ name, shape, tokens }) => {
  const gpu = await openContext();
  const ceilings = { bytesPerSecond: 1e9, multiplyAddsPerSecond: 1e9, pairsPerSecond: 1e9 };
  const times = await timeVariants(gpu, KERNELS[name]!, { shape, tokens, context: 20 }, ceilings);
  expect(times.length).toBeGreaterThan(1);
  for (const { right, ms, efficiency } of times) {
    expect(right).toBe(true);
    expect(ms).toBeGreaterThan(0);
    expect(Number.isFinite(efficiency)).toBe(true);
  }
  expect(times.map(({ ms }) => ms)).toEqual(times.map(({ ms }) => ms).toSorted((a, b) => a - b));
  gpu.destroy();
});
