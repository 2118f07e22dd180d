// Merging: the order of merges, and how its work grows with the length of a word.
import { describe, expect, it } from 'vitest';
import { mergeSymbols } from '../../../src/tokenizer/merging';

/** Merges `word`, any two equal neighbours best, shortest first; counts how often a priority was asked for. */
function work(word: string): number {
  let asked = 0;
  mergeSymbols(Array.from(word), (left, right) => {
    asked++;
    return left === right ? -left.length : undefined;
  });
  return asked;
}

describe('merging symbols', () => {
  it('takes the best pair first, and the leftmost of equals', () => {
    const ranks: Record<string, number> = { ab: 2, bc: 3, aa: 1 };
    const merge = (word: string): string[] => mergeSymbols(Array.from(word), (a, b) => ranks[a + b]);
    expect(merge('abc')).toEqual(['a', 'bc']);
    expect(merge('aaa')).toEqual(['aa', 'a']);
    expect(merge('x')).toEqual(['x']);
    expect(merge('')).toEqual([]);
  });

  it.each([
    ['one letter', 'a'],
    ['two letters', 'ab'],
    ['a letter twice', 'aab'],
  ])('asks for a few priorities a symbol in a word of %s, however long it is', (_name, unit) => {
    for (const length of [1000, 10_000, 100_000]) {
      const word = unit.repeat(length / unit.length);
      expect(work(word)).toBeGreaterThan(0.5 * word.length);
      // Each pair of the word once, and two for each merge, of which there are fewer than symbols.
      expect(work(word)).toBeLessThan(3 * word.length);
    }
  });
});
