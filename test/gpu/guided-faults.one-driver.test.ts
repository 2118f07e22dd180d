// The decode loop with a guide where others come in between, and where something goes wrong.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TernionError } from '../../src/errors';
import type { Allowed, TokenGuide } from '../../src/inference/token-guide';
import { openContext } from '../support/engine';
import { expectFailure } from '../support/expect-failure';
import { DRAWN, loadGuided, PENALISED, PROMPT, type GuidedModel } from '../support/guided-answers';
import { guideOf, mixedRule, some, unforced } from '../support/guides';
import { PinnedModel } from '../support/pinned-model';
import { COUNT } from '../support/sessions';
import { TINY } from '../support/watched-engine';

let { gpu, model, transformer, cache, vocabulary, answer } = {} as GuidedModel;
beforeAll(async () => {
  ({ gpu, model, transformer, cache, vocabulary, answer } = await loadGuided());
});
afterAll(() => gpu.destroy());

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
