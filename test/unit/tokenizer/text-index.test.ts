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
});
