// Arguments that are of no type that anybody meant: refused with their own error, before anything is made of them.
import { describe, expect, it } from 'vitest';
import { number } from '../../../src/engine/number-option';
import { resolveOptions } from '../../../src/engine/sampling';
import { checkTokenIds } from '../../../src/engine/token-ids';
import type { GenerateOptions } from '../../../src/engine/types';

const invalid = (words: RegExp): object =>
  expect.objectContaining({
    code: 'invalid-argument',
    message: expect.stringMatching(words) as unknown,
  }) as object;

const WITHOUT_TEXT: readonly unknown[] = [
  Object.create(null),
  { toString: 5, valueOf: 5 },
  {
    toString() {
      throw new Error('no');
    },
  },
];

describe('a value that has no text', () => {
  it.each(WITHOUT_TEXT)('is refused as an option (%#)', (value) => {
    expect(() => number('topK', value as number, 0, { min: 0, max: 1 })).toThrow(
      invalid(/^topK is an object/),
    );
    expect(() => resolveOptions({ seed: value } as GenerateOptions, 10)).toThrow(
      invalid(/^seed is an object/),
    );
  });

  it.each(WITHOUT_TEXT)('is refused as a token (%#)', (value) => {
    expect(() => checkTokenIds([1, value as number], 10)).toThrow(
      invalid(/an object without a text is no token/),
    );
  });
});

describe('token ids', () => {
  it.each([1e9, 2 ** 31, 2 ** 53])('that only claim a length of %d are refused at the first', (length) => {
    expect(() => checkTokenIds({ length }, 10)).toThrow(invalid(/undefined is no token/));
  });

  it('are taken from arrays and typed arrays', () => {
    expect(checkTokenIds([1, 2], 10)).toEqual([1, 2]);
    expect(checkTokenIds(Uint32Array.of(3, 9), 10)).toEqual([3, 9]);
    expect(() => checkTokenIds(new Array<number>(2), 10)).toThrow(invalid(/undefined is no token/));
  });
});
