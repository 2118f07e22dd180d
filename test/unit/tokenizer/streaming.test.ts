// Text that comes piece by piece is the text that comes at once.
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { samples } from '../../support/effort';
import { StopMatcher, StreamingDetokenizer } from '../../../src/tokenizer';
import { tinyTokenizer } from '../../support/tiny-tokenizer';

const tokenizer = tinyTokenizer();

function stream(ids: readonly number[]): string[] {
  const detokenizer = new StreamingDetokenizer(tokenizer);
  return [...ids.map((id) => detokenizer.push(id)), detokenizer.flush()];
}

describe('the streaming detokenizer', () => {
  it('gives a character with the token that completes it', () => {
    const ids = tokenizer.encode('\u{1F600}');
    expect(ids.length).toBeGreaterThan(1);
    expect(stream(ids)).toEqual([...ids.slice(1).map(() => ''), '\u{1F600}', '']);
  });

  it('gives a replacement character for one that is never completed', () => {
    const [first] = tokenizer.encode('\u{1F600}');
    expect(stream([first!])).toEqual(['', '\uFFFD']);
    expect(stream([first!, 64])).toEqual(['', '\uFFFDa', '']);
  });

  it('says nothing for control tokens, not even inside a character', () => {
    const ids = tokenizer.encode('é');
    expect(ids).toHaveLength(2);
    expect(stream([ids[0]!, 1535, ids[1]!]).join('')).toBe('é');
  });

  it('joins to what decoding all bytes at once gives, for any ids', () => {
    // The first 256 tokens are single bytes: most sequences of them are invalid somewhere.
    const ids = fc.array(fc.oneof(fc.nat(255), fc.nat(1535)), { maxLength: 60 });
    fc.assert(
      fc.property(ids, (sequence) => {
        const bytes = sequence
          .filter((id) => !tokenizer.isSpecial(id))
          .flatMap((id) => [...tokenizer.tokenBytes(id)]);
        const expected = new TextDecoder('utf-8', { ignoreBOM: true }).decode(Uint8Array.from(bytes));
        expect(stream(sequence).join('')).toBe(expected);
        expect(tokenizer.decode(sequence)).toBe(expected);
      }),
      { numRuns: samples(1000) },
    );
  });
});

function match(stops: string[], pieces: string[]): { text: string; stop?: string | undefined } {
  const matcher = new StopMatcher(stops);
  const results = pieces.map((piece) => matcher.push(piece));
  const stop = results.find((result) => result.stop !== undefined)?.stop;
  return { text: results.map((result) => result.text).join('') + matcher.flush(), stop };
}

describe('the stop matcher', () => {
  it('lets through what cannot begin a stop string, and holds back what can', () => {
    const matcher = new StopMatcher('User:');
    expect(matcher.push('Hi Us')).toEqual({ text: 'Hi ' });
    expect(matcher.push('age ')).toEqual({ text: 'Usage ' });
    expect(matcher.push('User')).toEqual({ text: '' });
    expect(matcher.push(': x')).toEqual({ text: '', stop: 'User:' });
    expect(matcher.push('more')).toEqual({ text: '' });
    expect(matcher.flush()).toBe('');
  });

  it('gives back at the end what it held', () => {
    const matcher = new StopMatcher(['\n\n']);
    expect(matcher.push('a\n')).toEqual({ text: 'a' });
    expect(matcher.flush()).toBe('\n');
  });

  it('stops at the string that is complete first, and takes the longest of equals', () => {
    expect(match(['abcd', 'bc'], ['xabcd'])).toEqual({ text: 'xa', stop: 'bc' });
    expect(match(['c', 'abc', 'bc'], ['xabc'])).toEqual({ text: 'x', stop: 'abc' });
  });

  it('passes everything where there is nothing to stop at', () => {
    expect(match([], ['a', 'b'])).toEqual({ text: 'ab', stop: undefined });
  });

  it('does the same however the text is cut', () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 24 });
    const stops = fc.array(fc.string({ unit: fc.constantFrom('a', 'b', 'c'), minLength: 1, maxLength: 4 }), {
      maxLength: 3,
    });
    const cuts = fc.array(fc.nat(24), { maxLength: 8 });
    fc.assert(
      fc.property(text, stops, cuts, (whole, strings, at) => {
        const edges = [0, ...at.filter((i) => i < whole.length).sort((a, b) => a - b), whole.length];
        const pieces = edges.slice(1).map((end, i) => whole.slice(edges[i], end));
        const once = match(strings, [whole]);
        expect(match(strings, pieces)).toEqual(once);
        if (once.stop === undefined) expect(once.text).toBe(whole);
        else expect(whole.startsWith(once.text + once.stop)).toBe(true);
        expect(strings.some((stop) => once.text.includes(stop))).toBe(false);
      }),
      { numRuns: samples(2000) },
    );
  });
});
