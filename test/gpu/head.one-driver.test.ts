// How far the int8 LM head, which generations use, is from the exact one, which nextLogits uses.
import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { transformerOf } from '../../bench/core/internals';
import { KvCache } from '../../src/inference/kv-cache';
import type { LocalEngine } from '../../src/engine/engine';
import { loadFixture } from '../support/engine';
import { relativeError, type Golden, type GoldenPrompt } from '../support/golden';

const json = async <T>(path: string): Promise<T> => JSON.parse(await readFile(path, 'utf8')) as T;

/** The logits that the sampler would see after `ids`. */
async function sampledLogits(engine: LocalEngine, ids: readonly number[]): Promise<Float32Array> {
  const transformer = transformerOf(engine);
  const { gpu, config, work } = transformer;
  const cache = await KvCache.create(gpu, config, ids.length, 'f16');
  await transformer.prefill(cache, await transformer.forwardPass(cache), ids, 0);
  const encoder = gpu.device.createCommandEncoder();
  transformer.encodeNext(encoder, []);
  gpu.device.queue.submit([encoder.finish()]);
  const logits = new Float32Array(await gpu.read(work.logits, 0, config.vocabularySize * 4));
  cache.destroy();
  return logits;
}

const best = (logits: Float32Array): number =>
  logits.reduce((top, value, i) => (value > logits[top]! ? i : top), 0);

// Measured: 0.003 to 0.014 on the embedded model, 0.010 to 0.011 on the random one. Two roundings to 8 bits, of weights
// and of activations, each of some 0.7 % of a row's values.
const MOST = 0.02;

test('on the embedded model it differs by a percent, and prefers the same token', async () => {
  const engine = await loadFixture('public/models/ternion-tiny-i2_s.gguf');
  const errors: number[] = [];
  for (const { promptIds } of await json<GoldenPrompt[]>('test/fixtures/prompts.json')) {
    const exact = await engine.nextLogits(promptIds);
    const int8 = await sampledLogits(engine, promptIds);
    errors.push(relativeError(int8, Array.from(exact)));
    expect(best(int8)).toBe(best(exact));
  }
  expect(Math.max(...errors)).toBeLessThan(MOST);
  expect(Math.min(...errors)).toBeGreaterThan(0);
  await engine.dispose();
});

test('on random weights it differs by as much', async () => {
  const engine = await loadFixture('test/fixtures/random-bitnet-b1.58-i2_s.gguf');
  const golden = await json<Golden>('test/fixtures/random-bitnet-b1.58-i2_s.golden.json');
  for (const { ids } of golden.cases) {
    const exact = await engine.nextLogits(ids);
    const error = relativeError(await sampledLogits(engine, ids), Array.from(exact));
    expect(error).toBeLessThan(MOST);
  }
  await engine.dispose();
});

test('with headPrecision f16 there is no difference', async () => {
  const engine = await loadFixture('public/models/ternion-tiny-i2_s.gguf', { headPrecision: 'f16' });
  const ids = [1, 50, 300];
  expect(await sampledLogits(engine, ids)).toEqual(await engine.nextLogits(ids));
  expect(engine.info.codePaths.head).toBe('f16');
  await engine.dispose();
});
