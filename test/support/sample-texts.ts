// Varied strings to compare tokenizers on: the same ones on every run.

const WORDS = [
  'the', 'Hello', 'WORLD', 'tokenizer', "don't", "I'LL", "we've", 'naïve', 'Ångström', 'straße', 'e\u0301clair',
  'переводчик', 'ελληνικά', 'שלום', 'مرحبا', 'नमस्ते', 'สวัสดี', '안녕하세요', 'こんにちは', '世界', '𝒳𝓎', '㍿', 'ﬁ',
  '😀', '👩🏽‍🚀', '🇯🇵', '❤️', '0', '7', '42', '1234', '3.14159', '1,000,000', '٣٤٥', 'Ⅷ', '²', '½',
  'foo_bar', 'camelCase', '__init__', 'x=>x+1', '!=', '{};', '</div>', '<|eot', '-->', '#!/bin/sh', '\\n', '"""', '%d',
  'https://example.org/?a=b&c=d', 'a@b.co', '…', '—', '«»', '$9.99', '\u0000', '\u007F', '\uFFFD', '\uE000', '\u200B',
]; // prettier-ignore
const GAPS = [
  ' ',
  ' ',
  ' ',
  ' ',
  '',
  '',
  '  ',
  '   ',
  '\n',
  '\n\n',
  ' \n',
  '\n    ',
  '\t',
  '\t\t',
  '\r\n',
  '\u00A0',
  '\u3000',
];
/**
 * First and last code points of runs that have been whole since Unicode 8: what a newer version adds is a letter to one
 * encoder and nothing to another.
 */
const RANGES: readonly (readonly [number, number])[] = [
  [0xa1, 0x24f], [0x391, 0x3a1], [0x400, 0x52f], [0x5d0, 0x5ea], [0x620, 0x64a], [0x660, 0x669], [0x904, 0x939],
  [0xe01, 0xe3a], [0x1200, 0x1248], [0x2010, 0x2027], [0x2190, 0x23f3], [0x2500, 0x2712], [0x3041, 0x3096],
  [0x30a1, 0x30fa], [0x4e00, 0x9fa5], [0xac00, 0xd7a3], [0xff01, 0xff5e], [0x10330, 0x1034a], [0x12000, 0x12398],
  [0x1d400, 0x1d454], [0x1f300, 0x1f320], [0x1f600, 0x1f642], [0x20000, 0x2a6d6],
]; // prettier-ignore
const BROKEN = ['\uD800', '\uDC00', '\uDFFF\uD83D', '\uD83D'];

/** Whole numbers below a limit; a small linear congruential generator, so that every run has the same strings. */
export function generator(seed: number): (limit: number) => number {
  let state = seed >>> 0;
  return (limit) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
}

/** `count` strings of up to `maxWords` words in many scripts, with odd gaps; a few have unpaired surrogates. */
export function sampleTexts(count: number, seed = 1, maxWords = 24): string[] {
  const next = generator(seed);
  const pick = (from: readonly string[]): string => from[next(from.length)]!;
  return Array.from({ length: count }, () => {
    const parts = Array.from({ length: 1 + next(maxWords) }, () => word(next, pick) + pick(GAPS));
    return next(20) === 0 ? parts.join('') + pick(BROKEN) + pick(WORDS) : parts.join('');
  });
}

function word(next: (limit: number) => number, pick: (from: readonly string[]) => string): string {
  const kind = next(10);
  if (kind === 0) return ' '.repeat(next(20));
  if (kind === 1) return String(next(1e9));
  if (kind === 2)
    return Array.from({ length: next(12) }, () => String.fromCodePoint(0x61 + next(26))).join('');
  if (kind === 3) return character(next) + character(next);
  return pick(WORDS);
}

function character(next: (limit: number) => number): string {
  const [first, last] = RANGES[next(RANGES.length)]!;
  return String.fromCodePoint(first + next(last - first + 1));
}
