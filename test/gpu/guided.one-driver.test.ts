// The decode loop with a guide: what it allows and forces, and what others do on the GPU in between.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TernionError } from '../../src/errors';
import type { GpuContext } from '../../src/gpu/context';
import type { KvCache } from '../../src/inference/kv-cache';
import type { Transformer } from '../../src/inference/transformer';
import type { Allowed, TokenGuide } from '../../src/inference/token-guide';
import type { SamplingOptions } from '../../src/engine/sampling';
import { openContext } from '../support/engine';
import { expectFailure } from '../support/expect-failure';
import { allows, guideOf, mixedRule, some, unforced } from '../support/guides';
import { PinnedModel } from '../support/pinned-model';
import { COUNT, goldenFor, STORY } from '../support/sessions';
import { TINY, watch, type Watch } from '../support/watched-engine';

let gpu: GpuContext;
let counts: Watch;
let model: PinnedModel;
let transformer: Transformer;
let cache: KvCache;
let vocabulary: number;
beforeAll(async () => {
  gpu = await openContext();
  counts = watch(gpu);
  // Generations then use the logits that `logits` gives.
  model = await PinnedModel.load(gpu, TINY, { headPrecision: 'f16' });
  transformer = await model.with({});
  cache = await model.cache(transformer);
  vocabulary = transformer.config.vocabularySize;
});
afterAll(() => gpu.destroy());

const DRAWN = { temperature: 1.5, seed: 5 };
const PENALISED = {
  temperature: 1,
  seed: 3,
  frequencyPenalty: -1,
  presencePenalty: 0.5,
  repetitionPenalty: 1.1,
};
const PROMPT = STORY.promptIds;

/** The tokens of an answer to `PROMPT`. */
async function answer(
  limit: number,
  guide?: TokenGuide,
  options: SamplingOptions = {},
  promptIds: readonly number[] = PROMPT,
): Promise<number[]> {
  const continuation = model.continuation(promptIds, limit, options);
  await model.finish(await model.generation(transformer, cache, continuation, guide));
  return continuation.sampled;
}

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

describe('an answer that is interrupted goes on as if it had not been', () => {
  const rule = (): ((ids: readonly number[]) => Allowed) => mixedRule(vocabulary, 12);

  test.each([{}, PENALISED])('by others who use the GPU, after each token: %j', async (options) => {
    const alone = await answer(24, guideOf(rule()), options);
    const others = await model.cache(transformer);
    const continuation = model.continuation(PROMPT, 24, options);
    const generation = await model.generation(transformer, cache, continuation, guideOf(rule()));
    while (await generation.ready()) {
      generation.take();
      await generation.pause();
      const other = model.continuation(COUNT.promptIds, 2, { ...DRAWN, bannedTokens: [5] });
      await model.finish(
        await model.generation(transformer, others, other, guideOf(mixedRule(vocabulary, 1))),
      );
    }
    await generation.finish();
    others.destroy();
    expect(continuation.sampled).toEqual(alone);
  });

  test.each([{}, PENALISED])('on another device, after each token: %j', async (options) => {
    const alone = await answer(16, guideOf(rule()), options);
    const elsewhere = await PinnedModel.load(await openContext(), TINY, { headPrecision: 'f16' });
    const there = await elsewhere.with({});
    const continuation = model.continuation(PROMPT, 16, options);
    for (let at = 0; at < 16; at++) {
      const [on, device] = at % 2 ? [elsewhere, there] : [model, transformer];
      const fresh = await on.cache(device);
      const generation = await on.generation(device, fresh, continuation, guideOf(rule()));
      expect(await generation.ready()).toBe(true);
      generation.take();
      fresh.destroy();
    }
    there.gpu.destroy();
    expect(continuation.sampled).toEqual(alone);
  });

  test('by an abort while the guide is asked, after which it can be asked again', async () => {
    const alone = await answer(10, guideOf(rule()));
    const control = new AbortController();
    let isStuck = false;
    const guide: TokenGuide = {
      async after(ids) {
        if (ids.length === 4 && !isStuck) {
          isStuck = true;
          control.abort();
          await new Promise(() => {});
        }
        return rule()(ids);
      },
    };
    // A rule for which the guide is asked behind the fourth token: no forced run goes over it.
    const asked = unforced(vocabulary, rule());
    const one: TokenGuide = { after: async (ids) => (await guide.after(ids), asked(ids)) };
    const continuation = model.continuation(PROMPT, 10);
    const generation = await model.generation(transformer, cache, continuation, one);
    for (let i = 0; i < 4; i++) {
      expect(await generation.ready(control.signal)).toBe(true);
      generation.take();
    }
    await expectFailure(generation.ready(control.signal), 'aborted');
    await model.finish(generation);
    expect(continuation.sampled).toEqual(alone);
  });
});

describe('what goes wrong', () => {
  test('a guide that rejects is heard, and what was taken can be gone on from', async () => {
    const failing = guideOf((ids) => {
      if (ids.length === 3) throw new TernionError('unsupported-feature', 'No more of this.');
      return { kind: 'any' };
    });
    const continuation = model.continuation(PROMPT, 8);
    const generation = await model.generation(transformer, cache, continuation, failing);
    await expectFailure(model.finish(generation), 'unsupported-feature', /No more/);
    expect(continuation.sampled).toHaveLength(3);
    await model.finish(await model.generation(transformer, cache, continuation, undefined));
    expect(continuation.sampled).toEqual(await answer(8));
  });

  test('a mask without a token is an error that says so, with a guide and without', async () => {
    const none = guideOf(() => some(vocabulary, []));
    await expectFailure(answer(3, none), 'invalid-argument', /No token may come next/);
    const allowedTokens = [4, 5];
    await expectFailure(
      answer(
        3,
        guideOf(() => some(vocabulary, [6])),
        { allowedTokens },
      ),
      'invalid-argument',
      /No token may come next/,
    );
    await expectFailure(
      answer(3, undefined, { allowedTokens, bannedTokens: [4, 5] }),
      'invalid-argument',
      /No token may come next/,
    );
  });

  test('a driver that miscompiles masks is found before a token is chosen, and costs only those who want one', async () => {
    const own = await openContext();
    const compile = own.pipeline.bind(own);
    own.pipeline = (spec) =>
      compile(
        spec.shader === 'penalize_max' && spec.conditions?.['masked']
          ? { ...spec, constants: { ...spec.constants, SLICE: 512 } }
          : spec,
      );
    const broken = await PinnedModel.load(own, TINY, { headPrecision: 'f16' });
    const there = await broken.with({});
    const ids = await broken.greedy(there, PROMPT, 4);
    const room = await broken.cache(there);
    const masked = broken.continuation(PROMPT, 4, { bannedTokens: [1] });
    await expectFailure(broken.generation(there, room, masked), 'kernel-check-failed', /masks/);
    expect(await broken.greedy(there, PROMPT, 4)).toEqual(ids);
    own.destroy();
  });
});
