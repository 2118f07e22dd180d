import { describe, expect, it } from 'vitest';
import { TextIndex } from '../../../src/tokenizer/text-index';

describe('a text index', () => {
  it('finds what a map finds, for any texts, and nothing else', () => {
    const texts = Array.from({ length: 20_000 }, (_, i) => `${(i * 7919) % 65_536}${'ab'.repeat(i % 5)}é`);
    const map = new Map<string, number>();
    texts.forEach((text, i) => map.has(text) || map.set(text, i));
    const index = new TextIndex(texts);
    for (const text of texts) expect(index.get(text)).toBe(map.get(text));
    for (let i = 0; i < 5000; i++) expect(index.get(`${i} is not in it`)).toBeUndefined();
  });

  it('takes the first of equal texts, or the last', () => {
    const texts = ['a', 'b', 'a', '', 'b'];
    expect(['a', 'b', ''].map((text) => new TextIndex(texts).get(text))).toEqual([0, 1, 3]);
    const last = new TextIndex(texts, () => true, 'last');
    expect(['a', 'b', ''].map((text) => last.get(text))).toEqual([2, 4, 3]);
  });

  it('does not find what it was told to leave out', () => {
    const index = new TextIndex(['a', 'b', 'a'], (position) => position > 0);
    expect(['a', 'b'].map((text) => index.get(text))).toEqual([2, 1]);
    expect(new TextIndex([]).get('')).toBeUndefined();
  });

  it('reads a text a few times, though a file may have texts that collide in a hash without a key', () => {
    const texts = collidingTexts(12);
    expect(new Set(texts.map(fnv1a)).size).toBe(1);
    let reads = 0;
    const counted = new Proxy(texts, {
      get: (target, key) => {
        if (typeof key === 'string' && /^\d+$/.test(key)) reads++;
        return Reflect.get(target, key) as unknown;
      },
    });
    const index = new TextIndex(counted);
    for (const [position, text] of texts.entries()) expect(index.get(text)).toBe(position);
    // With a table half full, a text needs 1.5 probes on average, and it is looked for when it is put there and when found.
    expect(reads).toBeLessThan(10 * texts.length);
  });
});

function fnv1a(text: string): number {
  let state = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) state = step(state, text.charCodeAt(i));
  return state;
}

function step(state: number, unit: number): number {
  return Math.imul(state ^ unit, 0x01000193);
}

/** 2^`pairs` texts with the same FNV-1a hash: `pairs` times either of two pieces that lead from one state to the same next. */
function collidingTexts(pairs: number): string[] {
  let texts = [''];
  for (let i = 0; i < pairs; i++) {
    const pieces = collidingPieces(fnv1a(texts[0]!));
    texts = texts.flatMap((text) => pieces.map((piece) => text + piece));
  }
  return texts;
}

/** Two units bring the upper half of a state to the same value, then a second unit each makes the lower halves alike. */
function collidingPieces(state: number): [string, string] {
  const byUpperHalf = new Map<number, number>();
  for (let unit = 0x21; unit < 0xd800; unit++) {
    const upper = step(state, unit) >>> 16;
    const other = byUpperHalf.get(upper);
    if (other !== undefined) {
      const difference = (step(state, unit) ^ step(state, other)) & 0xffff;
      return [String.fromCharCode(other, 0x41), String.fromCharCode(unit, 0x41 ^ difference)];
    }
    byUpperHalf.set(upper, unit);
  }
  throw new Error('Two of 55,000 units have the same upper half, of 65,536');
}
