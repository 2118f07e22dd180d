// Sets of tokens as bits, and the options that become one.
import { expect, test } from 'vitest';
import { commonTokens, maskOfTokens } from '../../../src/inference/masks';
import { resolveOptions } from '../../../src/engine/sampling';
import { expectFailure } from '../../support/expect-failure';

/** The tokens whose bit is set, those beyond the vocabulary included. */
function tokensOf(mask: Uint32Array): number[] {
  return Array.from({ length: mask.length * 32 }, (_, id) => id).filter(
    (id) => (mask[id >> 5]! & (1 << (id % 32))) !== 0,
  );
}

/** From 0 to `count` - 1. */
const all = (count: number): number[] => Array.from({ length: count }, (_, id) => id);

test('a mask has the tokens that are allowed and not banned', () => {
  expect(tokensOf(maskOfTokens(70, [0, 31, 32, 69], [32]))).toEqual([0, 31, 69]);
  expect(tokensOf(maskOfTokens(70, [], []))).toEqual([]);
  expect(tokensOf(maskOfTokens(70, undefined, [63])).slice(0, 69)).toEqual(all(70).filter((id) => id !== 63));
});

test.each([1, 31, 32, 33, 70])(
  'masks have in common what each has, and nothing beyond %i tokens',
  (vocabulary) => {
    expect(tokensOf(commonTokens(vocabulary, []))).toEqual(all(vocabulary));
    expect(tokensOf(commonTokens(vocabulary, [undefined, maskOfTokens(vocabulary, undefined, [])]))).toEqual(
      all(vocabulary),
    );
    const even = maskOfTokens(
      vocabulary,
      all(vocabulary).filter((id) => id % 2 === 0),
      [],
    );
    const low = maskOfTokens(vocabulary, all(Math.min(5, vocabulary)), []);
    expect(tokensOf(commonTokens(vocabulary, [even, low]))).toEqual(
      all(Math.min(5, vocabulary)).filter((id) => id % 2 === 0),
    );
  },
);

test('a mask that is too short has none of the other tokens', () => {
  expect(tokensOf(commonTokens(70, [Uint32Array.of(5)]))).toEqual([0, 2]);
});

test('masks that have no token in common are refused, bits beyond the vocabulary notwithstanding', async () => {
  const none = (): Promise<unknown> => Promise.resolve().then(() => commonTokens(33, [Uint32Array.of(0, 2)]));
  await expectFailure(none(), 'invalid-argument', /No token may come next/);
});

test('options without lists or a function need no masked sampling', () => {
  const { mask, mode, process } = resolveOptions({}, 70);
  expect({ mask, masked: mode.masked, process }).toEqual({
    mask: undefined,
    masked: false,
    process: undefined,
  });
  expect(resolveOptions({ bannedTokens: [] }, 70).mask).toBeUndefined();
});

test('options with lists become a mask, and a function is kept', () => {
  const { mask, mode } = resolveOptions({ allowedTokens: [3, 64, 65], bannedTokens: [64] }, 70);
  expect(mask && tokensOf(mask)).toEqual([3, 65]);
  expect(mode.masked).toBe(true);
  const logitsProcessor = (): void => {};
  const resolved = resolveOptions({ logitsProcessor }, 70);
  expect(resolved.process).toBe(logitsProcessor);
  expect(resolved.mode).toEqual({ random: false, penalties: false, masked: true });
});
