// The decode loop with a guide: what it allows and forces, and in which order things happen.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { SamplingOptions } from '../../src/engine/sampling';
import type { Allowed } from '../../src/inference/token-guide';
import type { Transformer } from '../../src/inference/transformer';
import { DRAWN, loadGuided, PENALISED, PROMPT, type GuidedModel } from '../support/guided-answers';
import { allows, guideOf, mixedRule, some, unforced } from '../support/guides';
import { PinnedModel } from '../support/pinned-model';
import { COUNT, goldenFor, STORY } from '../support/sessions';

let { gpu, counts, model, transformer, cache, vocabulary, answer } = {} as GuidedModel;
beforeAll(async () => {
  ({ gpu, counts, model, transformer, cache, vocabulary, answer } = await loadGuided());
});
afterAll(() => gpu.destroy());

/** Expects of each token that it was forced, or has the best logit behind those before it of all that may come. */
async function expectBest(
  of: PinnedModel,
  pass: Transformer,
  promptIds: readonly number[],
  ids: readonly number[],
  rule: (tokenIds: readonly number[]) => Allowed,
): Promise<void> {
  let at = 0;
  while (at < ids.length) {
    const allowed = rule(ids.slice(0, at));
    if (allowed.kind === 'forced') {
      const forced = allowed.tokenIds.slice(0, ids.length - at);
      expect(ids.slice(at, at + forced.length)).toEqual(forced);
      at += forced.length;
      continue;
    }
    const logits = await of.logits(pass, [...promptIds, ...ids.slice(0, at)]);
    const best = [...logits.keys()]
      .filter((id) => allows(allowed, id))
      .reduce((a, b) => (logits[b]! > logits[a]! ? b : a));
    expect(ids[at], `token ${at} of ${ids.join()}`).toBe(best);
    at++;
  }
}

describe('a guided answer', () => {
  test('takes the best of the logits of each prefix that may come, and what is forced as it is: 50 answers', async () => {
    const prompts = [COUNT, STORY, goldenFor('Say hello in Japanese.'), goldenFor('Who are you?')];
    for (let seed = 0; seed < 50; seed++) {
      const { promptIds } = prompts[seed % prompts.length]!;
      const rule = mixedRule(vocabulary, seed);
      const ids = await answer(8, guideOf(rule), {}, promptIds);
      expect(ids).toHaveLength(8);
      await expectBest(model, transformer, promptIds, ids, rule);
    }
  });

  test.each(['random-llama-tq1_0', 'random-qwen3-q2_0', 'random-bitnet-b1.58-i2_s'])(
    'does so in the model %s',
    async (name) => {
      const other = await PinnedModel.load(gpu, `test/fixtures/${name}.gguf`, { headPrecision: 'f16' });
      const there = await other.with({});
      const room = await other.cache(there);
      const promptIds = [5, 9, 2, 40];
      for (let seed = 0; seed < 8; seed++) {
        const rule = mixedRule(there.config.vocabularySize, seed);
        const continuation = other.continuation(promptIds, 12);
        await other.finish(await other.generation(there, room, continuation, guideOf(rule)));
        await expectBest(other, there, promptIds, continuation.sampled, rule);
      }
      room.destroy();
    },
  );

  test.each([DRAWN, PENALISED])('draws nothing that may not come: %j', async (options) => {
    const drawn = new Set<string>();
    for (let seed = 0; seed < 10; seed++) {
      const rule = unforced(vocabulary, mixedRule(vocabulary, seed));
      const ids = await answer(20, guideOf(mixedRule(vocabulary, seed)), { ...options, seed });
      for (const [at, id] of ids.entries()) expect(allows(rule(ids.slice(0, at)), id)).toBe(true);
      drawn.add(ids.join());
    }
    expect(drawn.size).toBe(10);
  });

  test.each([{}, DRAWN, PENALISED])('is the one without a guide where all may come: %j', async (options) => {
    const any = guideOf(() => ({ kind: 'any' }));
    expect(await answer(40, any, options)).toEqual(await answer(40, undefined, options));
  });

  test.each([{}, DRAWN, PENALISED])(
    'is the same whether tokens are forced or chosen from one: %j',
    async (options) => {
      for (const seed of [1, 2, 3, 4]) {
        const rule = mixedRule(vocabulary, seed);
        const forced = await answer(30, guideOf(rule), options);
        expect(await answer(30, guideOf(unforced(vocabulary, rule)), options)).toEqual(forced);
      }
    },
  );

  test('says which tokens were forced, and asks for no more than the limit', async () => {
    const run = [11, 12, 13, 14, 15];
    const rule = (ids: readonly number[]): Allowed =>
      ids.length === 2 ? { kind: 'forced', tokenIds: run } : { kind: 'any' };
    const continuation = model.continuation(PROMPT, 5);
    const taken = await model.finish(await model.generation(transformer, cache, continuation, guideOf(rule)));
    expect(taken.map(({ forced }) => forced)).toEqual([undefined, undefined, true, true, true]);
    expect(continuation.sampled.slice(2)).toEqual(run.slice(0, 3));
    // Nobody needs keys and values of the last tokens.
    expect(cache.tokenIds).toEqual([...PROMPT, ...continuation.sampled.slice(0, 2)]);
  });
});

describe('forced tokens', () => {
  const begin: Allowed = { kind: 'forced', tokenIds: [20, 21, 22] };
  const then: Allowed = { kind: 'forced', tokenIds: [30, 31] };

  test('come at the very beginning, several runs in a row, and are evaluated together', async () => {
    const rule = (ids: readonly number[]): Allowed =>
      ids.length === 0 ? begin : ids.length === 3 ? then : { kind: 'any' };
    const ids = await answer(9, guideOf(rule));
    expect(ids.slice(0, 5)).toEqual([20, 21, 22, 30, 31]);
    expect(ids.slice(5)).toEqual(await answer(4, undefined, {}, [...PROMPT, ...ids.slice(0, 5)]));
  });

  test('are not evaluated where nobody asks for a token behind them', async () => {
    const guide = guideOf((ids) => (ids.length === 0 ? begin : { kind: 'any' }));
    const generation = await model.generation(transformer, cache, model.continuation(PROMPT, 100), guide);
    expect(await generation.ready()).toBe(true);
    const { submits } = counts;
    for (const token of [20, 21, 22]) {
      expect(await generation.ready()).toBe(true);
      expect(generation.take()).toEqual({ token, forced: true });
    }
    // As where the last one is an end token.
    await generation.finish();
    expect(counts.submits).toBe(submits);
    expect(cache.tokenIds).toEqual(PROMPT);
  });

  test('are counted by penalties, as sampled ones are', async () => {
    const few = [50, 51, 52, 53];
    // By turns two forced ones of four, and a choice of these.
    const rule = (ids: readonly number[]): Allowed => {
      const turn = Math.floor(ids.length / 3);
      return ids.length % 3 > 0
        ? some(vocabulary, few)
        : { kind: 'forced', tokenIds: [few[turn % 4]!, few[(turn * turn) % 4]!] };
    };
    for (const frequencyPenalty of [10, -10]) {
      const options = { frequencyPenalty, presencePenalty: 3, repetitionPenalty: 1.3, seed: 1 };
      const forced = await answer(30, guideOf(rule), options);
      expect(await answer(30, guideOf(unforced(vocabulary, rule)), options)).toEqual(forced);
      expect(await answer(30, guideOf(rule))).not.toEqual(forced);
    }
    // Twice is more than once, which is more than never.
    const twice = guideOf((ids) =>
      ids.length === 0 ? { kind: 'forced', tokenIds: [50, 51, 50, 52] } : some(vocabulary, few),
    );
    expect((await answer(5, twice, { frequencyPenalty: 1000 })).at(-1)).toBe(53);
    expect((await answer(5, twice, { frequencyPenalty: -1000 })).at(-1)).toBe(50);
  });

  test('cost one step for a run, not one for each token', async () => {
    const long = Array.from({ length: 40 }, (_, i) => 100 + i);
    const guide = guideOf((ids) => (ids.length === 0 ? { kind: 'forced', tokenIds: long } : { kind: 'any' }));
    const before = counts.submits;
    await answer(41, guide);
    // The logits of the prompt (it may have to be evaluated before), the run, its logits, and one sampling.
    expect(counts.submits - before).toBeLessThanOrEqual(5);
  });
});

describe('the order of things', () => {
  test('what evaluates the last token is submitted before the guide is asked', async () => {
    const asked: number[] = [];
    const guide = guideOf((ids) => {
      asked.push(counts.submits);
      return ids.length === 4 ? { kind: 'forced', tokenIds: [7, 8] } : { kind: 'any' };
    });
    const generation = await model.generation(transformer, cache, model.continuation(PROMPT, 100), guide);
    const first = counts.submits;
    for (let i = 0; i < 8; i++) {
      expect(await generation.ready()).toBe(true);
      generation.take();
    }
    // The prompt's logits; then two for each token, its sampling and the step behind it; for the run, its tokens and logits.
    expect(asked.map((submits) => submits - first)).toEqual([1, 3, 5, 7, 9, 11, 13]);
    await generation.finish();
  });

  test('a mask that stays the same keeps three steps in flight, and submits what no mask would', async () => {
    const bannedTokens = [1, 2, 3];
    const submitsOf = async (options: SamplingOptions): Promise<number> => {
      await answer(1, undefined, options);
      const generation = await model.generation(transformer, cache, model.continuation(PROMPT, 50, options));
      const before = counts.submits;
      await generation.ready();
      const ahead = counts.submits - before;
      await generation.finish();
      return ahead;
    };
    // The first sampling was submitted with the prompt, two steps follow it.
    expect(await submitsOf({})).toBe(2);
    expect(await submitsOf({ bannedTokens })).toBe(2);
  });
});
