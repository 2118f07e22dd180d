// The boundary before a real engine: misuse is refused before anything of it reaches the GPU, and leaves no trace.
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loadModel, type Engine } from '../../src/inline';
import { collect } from '../support/collect';
import { requestDevice } from '../support/dawn';
import { misuses } from '../support/misuses';
import { expectFailure } from '../support/expect-failure';
import { TINY, watch, type Watch } from '../support/watched-engine';

const COUNT = [{ role: 'user', content: 'Count from 3 to 9.' }];
const model = readFileSync(new URL(`../../${TINY}`, import.meta.url));

let engine: Engine;
let counts: Watch;
beforeAll(async () => {
  const device = await requestDevice();
  counts = watch({ device });
  engine = await loadModel(model, { device, tuning: false, contextLength: 256 });
});
afterAll(() => engine.dispose());

test('is refused, and the next answer is as ever', async () => {
  const session = engine.createSession();
  const { submits } = counts;
  for (const [name, call] of misuses(engine, session)) {
    await expectFailure(call(), 'invalid-argument').catch((cause: unknown) => {
      throw new Error(name, { cause });
    });
  }
  expect(counts.submits).toBe(submits);
  expect((await collect(session.generate(COUNT))).text).toBe('3, 4, 5, 6, 7, 8, 9');
  await session.dispose();
});

test('of a load is refused before the model that is there is given up', async () => {
  await expectFailure(engine.load(new Uint8Array(3), { contextLength: NaN }), 'invalid-argument');
  await expectFailure(engine.load({} as Uint8Array), 'invalid-argument');
  expect(await engine.tokenize('a')).toHaveLength(1);
});

test('is told from what is right: ids typed, options frozen, a template that is a function', async () => {
  const session = engine.createSession();
  const options = Object.freeze({
    maxTokens: 4,
    logitBias: { 3: -1 },
    stop: ['never'],
    signal: new AbortController().signal,
    chatTemplate: () => 'User: Count from 3 to 9.<|eot_id|>Assistant: ',
  });
  expect((await collect(session.generate(COUNT, options))).tokenIds).toHaveLength(4);
  const ids = Uint16Array.from(session.tokenIds);
  expect(await engine.detokenize(ids)).toContain('Count from 3 to 9.');
  expect((await collect(session.generate({ tokenIds: ids }, options))).tokenIds).toHaveLength(4);
  await session.dispose();
});
