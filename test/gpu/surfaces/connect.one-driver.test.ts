// `connect` to what `ternion serve` serves: the same ids, texts and log-probabilities as the engine behind it gives.
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Engine } from '../../../src/engine/types';
import { loadModel } from '../../../src/inline';
import { connect, type RemoteEngine, type WithIds } from '../../../src/surfaces/connect';
import { createFetch } from '../../../src/surfaces/openai';
import { requestDevice } from '../../support/dawn';

const MODEL = new URL('../../../public/models/ternion-tiny-i2_s.gguf', import.meta.url);
const QUESTION = [{ role: 'user', content: 'Spell planet.' }];

let device: GPUDevice;
let local: Engine;
let remote: RemoteEngine<WithIds>;
beforeAll(async () => {
  device = await requestDevice();
  local = await loadModel(await readFile(MODEL), { device });
  const options = { baseURL: 'http://ternion.invalid/v1', fetch: createFetch(local), maxRetries: 0 };
  const connected = await connect(options);
  if (!connected.hasTokenIds) throw new Error(`Taken for ${connected.info.kind}.`);
  remote = connected;
});
afterAll(async () => {
  await local.dispose();
  device.destroy();
});

test('it is told from other servers by what it says of its models', () => {
  expect(remote.info).toMatchObject({ kind: 'ternion', model: local.info.name });
});

test.each([
  ['greedy', {}],
  ['sampled', { temperature: 1, seed: 7, topK: 20, topP: 0.9, minP: 0.01, repetitionPenalty: 1.1 }],
  ['with log-probabilities', { logprobs: 2 }],
  ['of some tokens', { maxTokens: 3 }],
])('answers are the same: %s', async (_, options) => {
  const expected = await local.createSession().complete(QUESTION, options);
  const answer = await remote.createSession().complete(QUESTION, options);
  expect(answer.text).toBe(expected.text);
  expect(answer.tokenIds).toEqual(expected.tokenIds);
  expect(answer.finishReason).toBe(expected.finishReason);
  expect(answer.usage.promptTokens).toBe(expected.usage.promptTokens);
  expect(answer.usage.completionTokens).toBe(expected.tokenIds.length);
  const told = ({ logprobs = [] }: Pick<typeof expected, 'logprobs'>): unknown =>
    logprobs.map(({ tokenId, logprob }) => [tokenId, logprob]);
  expect(answer.logprobs?.map(({ tokenId, logprob }) => [tokenId, logprob]) ?? []).toEqual(told(expected));
});

test('text and ids are continued until the context is full, if nothing ends it', async () => {
  const endId = (await local.createSession().complete(QUESTION)).tokenIds.at(-1)!;
  const options = { logitBias: { [endId]: -100 }, stop: '\u0000' };
  const expected = await local.createSession().complete('a', options);
  expect(expected.tokenIds.length).toBeGreaterThan(16);
  const answer = await remote.createSession().complete('a', options);
  expect(answer).toMatchObject({ tokenIds: expected.tokenIds, finishReason: expected.finishReason });
  const tooLong = { tokenIds: new Uint32Array(local.info.contextLength).fill(endId) };
  await expect(remote.createSession().complete(tooLong)).rejects.toMatchObject({ code: 'context-overflow' });
});
