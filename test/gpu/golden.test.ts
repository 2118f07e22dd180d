// The whole model against golden values: logits of a float64 reference, and the embedded model's greedy answers.
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { LocalEngine } from '../../src/inference/engine';
import { collect } from '../support/collect';
import { checkLogits, type Golden, type GoldenPrompt } from '../support/golden';
import { loadFixture } from '../support/engine';

const fixtures = new URL('../fixtures/', import.meta.url);
const readJson = async <T>(name: string): Promise<T> =>
  JSON.parse(await readFile(new URL(name, fixtures), 'utf8')) as T;

describe('random models reproduce the reference logits', () => {
  for (const name of ['random-bitnet-b1.58-i2_s']) {
    test(name, async () => {
      const golden = await readJson<Golden>(`${name}.golden.json`);
      const engine = await loadFixture(`test/fixtures/${name}.gguf`);
      for (const each of golden.cases) {
        checkLogits(await engine.nextLogits(each.ids), each, golden.activations);
      }
      await engine.dispose();
    });
  }
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
