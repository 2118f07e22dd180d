// The whole model against golden values: logits of a float64 reference, and the embedded model's greedy answers.
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { LocalEngine } from '../../src/engine/engine';
import { collect } from '../support/collect';
import { checkLogits, RANDOM_MODELS, type Golden, type GoldenPrompt } from '../support/golden';
import { loadFixture } from '../support/engine';

const fixtures = new URL('../fixtures/', import.meta.url);
const readJson = async <T>(name: string): Promise<T> =>
  JSON.parse(await readFile(new URL(name, fixtures), 'utf8')) as T;

describe.for(['fast', 'exact'] as const)('random models reproduce the reference logits (%s)', (precision) => {
  test.for(RANDOM_MODELS)('%s', async (name) => {
    const golden = await readJson<Golden>(`${name}.golden.json`);
    const engine = await loadFixture(`test/fixtures/${name}.gguf`, { precision });
    const free = precision === 'exact' ? 'f32' : 'int8-group';
    expect(engine.info.codePaths).toMatchObject({
      activations: golden.activations === 'exact' ? free : 'int8-token',
      head: precision === 'exact' ? 'f16' : 'int8',
    });
    const errors: number[] = [];
    for (const each of golden.cases) {
      errors.push(checkLogits(await engine.nextLogits(each.ids), each, golden.activations, precision));
    }
    if (process.env.SHOW) console.log(name, precision, errors, JSON.stringify(engine.info.kernels.chosen));
    await engine.dispose();
  });
});

const EMBEDDED = [
  'public/models/ternion-tiny-i2_s.gguf',
  'test/fixtures/models/ternion-tiny-tq2_0.gguf',
  'test/fixtures/models/ternion-tiny-tq1_0.gguf',
];

describe.for(EMBEDDED)('the embedded model as %s', async (path) => {
  const prompts = await readJson<GoldenPrompt[]>('prompts.json');
  let engine: LocalEngine;
  beforeAll(async () => {
    engine = await loadFixture(path);
  });
  afterAll(() => engine.dispose());

  test.each(prompts)(
    'answers $messages as the reference does',
    async ({ messages, promptIds, greedy, sure, text }) => {
      const session = engine.createSession();
      const answer = await collect(session.generate(messages, { maxTokens: greedy.length }));
      expect(answer.usage?.promptTokens).toBe(promptIds.length);
      expect(answer.tokenIds.slice(0, sure)).toEqual(greedy.slice(0, sure));
      if (sure === greedy.length) {
        expect(answer.text).toBe(text);
        expect(answer.finishReason).toBe('stop');
      }
      expect(await engine.detokenize(answer.tokenIds)).toBe(answer.text);
      await session.dispose();
    },
  );
});
