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
  if (kind === 3) return String.fromCodePoint(0x100 + next(0xd000), 0x10000 + next(0x3000));
  return pick(WORDS);
}
