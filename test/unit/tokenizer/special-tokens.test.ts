// Special tokens are found in a text as if each were looked for by itself, and take no more memory than their texts.
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SpecialTokens, type Piece } from '../../../src/tokenizer/special-tokens';
import { samples } from '../../support/effort';
import { heapMeter } from '../../support/heap';

/** What `SpecialTokens` is to do, by trying every token everywhere. */
function splitPlainly(tokens: readonly [string, number][], text: string): Piece[] {
  const pieces: Piece[] = [];
  for (let at = 0, start = 0; at <= text.length;) {
    const found = tokens
      .filter(([token]) => token !== '' && text.startsWith(token, at))
      .sort(([a], [b]) => b.length - a.length)[0];
    if ((found || at === text.length) && at > start) pieces.push({ text: text.slice(start, at) });
    if (found) pieces.push({ id: found[1] });
    at += found ? found[0].length : 1;
    if (found) start = at;
  }
  return pieces;
}

function openTailPlainly(tokens: readonly [string, number][], text: string): number {
  const begins = (tail: string): boolean =>
    tokens.some(([token]) => token.length > tail.length && token.startsWith(tail));
  return Array.from(text.split('').keys()).find((at) => begins(text.slice(at))) ?? text.length;
}

describe('special tokens', () => {
  // Two letters, so that tokens begin with others, end with others and overlap.
  const word = fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 5 });
  const vocabulary = fc
    .uniqueArray(word, { maxLength: 8 })
    .map((texts) => texts.map((text, id): [string, number] => [text, id]));
  const text = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 20 });

  it('are found as if each were looked for by itself', () => {
    const property = fc.property(vocabulary, text, (tokens, given) => {
      const special = new SpecialTokens(tokens);
      expect(special.split(given)).toEqual(splitPlainly(tokens, given));
      expect(special.openTail(given)).toBe(openTailPlainly(tokens, given));
    });
    fc.assert(property, { numRuns: samples(2000) });
  });

  it('take memory by their number, not a kilobyte for a character', () => {
    const texts = Array.from({ length: 300 }, (_, i) => `${i}`.padEnd(1000, '-'));
    const meter = heapMeter();
    const before = meter();
    const special = new SpecialTokens(texts.map((token, id) => [token, id]));
    expect(special.split(`-${texts[7]!}`)).toEqual([{ text: '-' }, { id: 7 }]);
    expect(meter() - before).toBeLessThan(2 << 20);
  });

  it('may be long: nothing recurses into them', () => {
    const long = 'x'.repeat(300_000);
    const special = new SpecialTokens([[long, 1]]);
    expect(special.openTail('-xxx')).toBe(1);
    expect(special.split(long)).toEqual([{ id: 1 }]);
  });
});
