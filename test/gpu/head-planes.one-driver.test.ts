// An engine whose head is in planes answers as one whose head is in int8: greedily to the token, by draws within what it says.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { contenderShare, transformerOf } from '../../bench/core/internals';
import { randomIds } from '../../bench/core/random';
import type { LocalEngine } from '../../src/engine/engine';
import type { PlainGenerateOptions } from '../../src/engine/generation-types';
import { bytesSource } from '../../src/files/byte-source';
import { LocalEngine as Engine } from '../../src/engine/engine';
import { loadFixture, shareContext } from '../support/engine';
import { oneFile } from '../support/model-files';
import { smallModel } from '../support/small-model';

const MODELS = ['public/models/ternion-tiny-i2_s.gguf', 'test/fixtures/random-bitnet-b1.58-i2_s.gguf'];

describe.for(MODELS)('%s', (path) => {
  let int8: LocalEngine;
  let planes: LocalEngine;
  beforeAll(async () => {
    int8 = await loadFixture(path, { headPrecision: 'int8', contextLength: 256 });
    planes = await loadFixture(path, { headPrecision: 'planes', contextLength: 256 });
  });
  afterAll(async () => {
    await int8.dispose();
    await planes.dispose();
  });

  /** Chunks of an answer to a random prompt. */
  async function answer(engine: LocalEngine, seed: number, options: PlainGenerateOptions) {
    const { vocabularySize } = transformerOf(engine).config;
    const session = engine.createSession();
    const chunks: { tokenIds: number[]; logprobs: unknown }[] = [];
    const prompt = { tokenIds: randomIds(8, vocabularySize, seed) };
    for await (const { tokenIds, logprobs } of session.generate(prompt, { seed, maxTokens: 60, ...options }))
      chunks.push({ tokenIds, logprobs });
    await session.dispose();
    return chunks;
  }

  // 10,000 steps each are measured by `node tools/head-planes.mjs --steps 10000`.
  test.each<[string, PlainGenerateOptions]>([
    ['greedily', { temperature: 0 }],
    ['by draws', { temperature: 0.7, topP: 0.9 }],
    ['with penalties, which may put any token first', { temperature: 0, repetitionPenalty: 1.3 }],
    ['with log-probabilities', { temperature: 0, logprobs: 3, maxTokens: 10 }],
    ['where most tokens are forbidden', { temperature: 0, allowedTokens: randomIds(40, 256, 9) }],
    [
      'with a function for logits',
      { temperature: 0, maxTokens: 10, logitsProcessor: (logits) => logits.fill(0, 0, 99) },
    ],
  ])('answers the same %s', async (_name, options) => {
    for (const seed of [1, 2]) {
      const expected = await answer(int8, seed, options);
      expect(expected.length).toBeGreaterThan(0);
      expect(await answer(planes, seed, options)).toEqual(expected);
    }
  });

  test('looks at few rows twice for a greedy token', async () => {
    await answer(planes, 3, { temperature: 0 });
    expect(await contenderShare(planes)).toBeLessThan(0.1);
  });

  test('gives the same logits that are not rounded', async () => {
    const ids = [1, 50, 200, 3];
    expect(await planes.nextLogits(ids)).toEqual(await int8.nextLogits(ids));
  });

  test('says so', () => {
    expect(planes.info.codePaths).toMatchObject({ embedding: 'planes', head: 'planes' });
  });
});

test('an embedding that is not the head stays in bytes', async () => {
  const shape = { width: 256, ffnWidth: 512, heads: 4, kvHeads: 2, headDim: 64 } as const;
  const { bytes } = await smallModel({ ...shape, architecture: 'llama', encoding: 'TQ2_0' });
  const load = async (headPrecision: 'int8' | 'planes') =>
    Engine.load(await shareContext(), oneFile(bytesSource(bytes)), { headPrecision, tuning: false });
  const [int8, planes] = [await load('int8'), await load('planes')];
  expect(planes.info.codePaths).toMatchObject({ embedding: 'int8', head: 'planes' });
  const ids = [1, 5, 77];
  expect(await planes.nextLogits(ids)).toEqual(await int8.nextLogits(ids));
  await int8.dispose();
  await planes.dispose();
});
