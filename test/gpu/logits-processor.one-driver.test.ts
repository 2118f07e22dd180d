// Tokens that are allowed or banned, and logits that a function of the caller's own changes.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { SamplingOptions } from '../../src/engine/sampling';
import type { KvCache } from '../../src/inference/kv-cache';
import type { SampledToken } from '../../src/inference/samplers';
import type { TokenGuide } from '../../src/inference/token-guide';
import type { Transformer } from '../../src/inference/transformer';
import { shareContext } from '../support/engine';
import { expectFailure } from '../support/expect-failure';
import { guideOf, mixedRule } from '../support/guides';
import { PinnedModel } from '../support/pinned-model';
import { COUNT, STORY } from '../support/sessions';
import { TINY } from '../support/watched-engine';

let model: PinnedModel;
let transformer: Transformer;
let cache: KvCache;
beforeAll(async () => {
  // Generations then use the logits that `logits` gives.
  model = await PinnedModel.load(await shareContext(), TINY, { headPrecision: 'f16' });
  transformer = await model.with({});
  cache = await model.cache(transformer);
});
afterAll(() => transformer.gpu.destroy());

const PROMPT = STORY.promptIds;
const DRAWN = { temperature: 1.5, seed: 5, topK: 50 };
const PENALISED = { temperature: 1, seed: 3, frequencyPenalty: -1, repetitionPenalty: 1.1 };

async function taken(limit: number, options: SamplingOptions, guide?: TokenGuide): Promise<SampledToken[]> {
  const continuation = model.continuation(PROMPT, limit, options);
  return model.finish(await model.generation(transformer, cache, continuation, guide));
}

async function answer(limit: number, options: SamplingOptions, guide?: TokenGuide): Promise<number[]> {
  return (await taken(limit, options, guide)).map(({ token }) => token);
}

describe('allowedTokens and bannedTokens', () => {
  test.each([{}, DRAWN, PENALISED])('are all that comes, or never come: %j', async (options) => {
    const usual = await answer(30, options);
    const bannedTokens = [...new Set(usual)];
    const others = await answer(30, { ...options, bannedTokens });
    expect(others.filter((id) => bannedTokens.includes(id))).toEqual([]);
    const allowedTokens = bannedTokens.slice(0, 5);
    const few = await answer(30, { ...options, allowedTokens });
    expect(few.filter((id) => !allowedTokens.includes(id))).toEqual([]);
    expect(few).toHaveLength(30);
  });

  test('are a bias without bounds', async () => {
    const bannedTokens = (await answer(10, {})).slice(0, 3);
    const logitBias = Object.fromEntries(bannedTokens.map((id) => [id, -1e9]));
    expect(await answer(30, { ...DRAWN, bannedTokens })).toEqual(await answer(30, { ...DRAWN, logitBias }));
    expect(await answer(30, { bannedTokens, logitBias: { [bannedTokens[0]!]: 1e30 } })).toEqual(
      await answer(30, { bannedTokens }),
    );
  });

  test('hold again after others have used the GPU', async () => {
    const options = { ...DRAWN, bannedTokens: await answer(5, {}) };
    const alone = await answer(20, options);
    const others = await model.cache(transformer);
    const continuation = model.continuation(PROMPT, 20, options);
    const generation = await model.generation(transformer, cache, continuation);
    while (await generation.ready()) {
      generation.take();
      await generation.pause();
      const other = model.continuation(COUNT.promptIds, 2, { allowedTokens: [1, 2] });
      await model.finish(await model.generation(transformer, others, other));
    }
    await generation.finish();
    others.destroy();
    expect(continuation.sampled).toEqual(alone);
  });
});

describe('logitsProcessor', () => {
  test.each([{}, DRAWN, PENALISED])('that does nothing changes nothing: %j', async (options) => {
    expect(await answer(30, { ...options, logitsProcessor: () => {} })).toEqual(await answer(30, options));
  });

  test('sees the logits of each prefix, and the ids of prompt and answer', async () => {
    const seen: { logits: Float32Array; tokenIds: readonly number[] }[] = [];
    const logitsProcessor = (logits: Float32Array, tokenIds: readonly number[]): void => {
      seen.push({ logits: logits.slice(), tokenIds });
    };
    const ids = await answer(6, { logitsProcessor });
    expect(seen.map(({ tokenIds }) => tokenIds)).toEqual(
      ids.map((_, at) => [...PROMPT, ...ids.slice(0, at)]),
    );
    for (const { logits, tokenIds } of seen) {
      const expected = await model.logits(transformer, tokenIds);
      const error = logits.reduce((most, logit, id) => Math.max(most, Math.abs(logit - expected[id]!)), 0);
      // A step and a chunk of a prompt sum in another order; logits are of order 10.
      expect(error).toBeLessThan(1e-3);
    }
  });

  test('decides what comes: what it lifts, and nothing of what it gives -Infinity', async () => {
    const wanted = (tokenIds: readonly number[]): number => (tokenIds.length * 37) % 1000;
    for (const options of [{}, DRAWN, PENALISED]) {
      const lifted = await answer(8, {
        ...options,
        logitsProcessor: (logits, tokenIds) => void (logits[wanted(tokenIds)] = 1e6),
      });
      const only = await answer(8, {
        ...options,
        logitsProcessor: (logits, tokenIds) => {
          const own = logits[wanted(tokenIds)]!;
          logits.fill(-Infinity)[wanted(tokenIds)] = own;
        },
      });
      const expected = lifted.map((_, at) => ((PROMPT.length + at) * 37) % 1000);
      expect(lifted).toEqual(expected);
      expect(only).toEqual(expected);
    }
  });

  test('goes through the mask of a guide and of options, which still hold', async () => {
    const rule = mixedRule(transformer.config.vocabularySize, 4);
    const bannedTokens = [3];
    const nothing = { ...DRAWN, bannedTokens, logitsProcessor: (): void => {} };
    const guided = await answer(20, { ...DRAWN, bannedTokens }, guideOf(rule));
    expect(await answer(20, nothing, guideOf(rule))).toEqual(guided);
    const lifting = { bannedTokens, logitsProcessor: (logits: Float32Array) => void (logits[3] = 1e9) };
    expect(await answer(10, lifting)).not.toContain(3);
  });

  test('leaves log-probabilities as the model has them', async () => {
    const plain = await taken(5, { logprobs: 3 });
    const forbidden = plain[0]!.token;
    const banned = await taken(1, {
      logprobs: 3,
      logitsProcessor: (logits) => void (logits[forbidden] = -Infinity),
    });
    expect(banned[0]!.token).not.toBe(forbidden);
    expect(banned[0]!.logprobs!.likeliest).toEqual(plain[0]!.logprobs!.likeliest);
    const masked = await taken(1, { logprobs: 3, bannedTokens: [forbidden] });
    expect(masked).toEqual(banned);
  });

  test('that fails ends the generation with its error; the next one is as ever', async () => {
    const cause = new Error('Not today.');
    const failing = answer(9, {
      logitsProcessor: (_logits, tokenIds) => {
        if (tokenIds.length === PROMPT.length + 3) throw cause;
      },
    });
    await expect(failing).rejects.toMatchObject({ code: 'invalid-argument', cause });
    await expectFailure(
      answer(9, { logitsProcessor: (logits) => void logits.fill(NaN) }),
      'invalid-argument',
      /NaN for token 0/,
    );
    await expectFailure(
      answer(9, { logitsProcessor: (logits) => void logits.fill(-Infinity) }),
      'invalid-argument',
      /No token may come next/,
    );
    expect(await answer(20, {})).toEqual(STORY.greedy.slice(0, 20));
  });
});
