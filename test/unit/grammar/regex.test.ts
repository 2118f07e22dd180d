// Regular expressions as grammars: what they derive matches, what matches is derived, what no grammar has is refused.
import { describe, expect, it } from 'vitest';
import { grammarOfFormat } from '../../../src/grammar/response-format';
import { samples } from '../../support/effort';
import { expectFailure } from '../../support/expect-failure';
import { Walks } from '../../support/grammar-walks';
import { random } from '../../support/random';
import { REGEXES } from '../../support/regexes';

const walks = new Walks();

describe.each(REGEXES)('$pattern', ({ pattern, matching, other }) => {
  const grammar = grammarOfFormat({ type: 'regex', pattern });
  const whole = new RegExp(`^(?:${pattern})$`, 'u');

  it('derives only what matches', async () => {
    const next = random(2);
    for (let i = 0; i < samples(40); i++) {
      const text = await walks.text(grammar, next);
      expect(whole.test(text), JSON.stringify(text)).toBe(true);
    }
  });

  it.each(matching)('derives %j', async (text) => {
    expect(whole.test(text)).toBe(true);
    expect(await walks.derives(grammar, text)).toBe(true);
  });

  it.each(other)('does not derive %j', async (text) => {
    expect(whole.test(text)).toBe(false);
    expect(await walks.derives(grammar, text)).toBe(false);
  });
});

describe('an expression is refused', () => {
  const made = async (pattern: string): Promise<unknown> => grammarOfFormat({ type: 'regex', pattern });

  it.each([
    ['(?=a)b', /lookahead/],
    ['a(?!b)', /lookahead/],
    ['(?<=a)b', /lookbehind/],
    ['(?<!a)b', /lookbehind/],
    ['(a)\\1', /backreferences/],
    ['(?<x>a)\\k<x>', /backreferences/],
    ['\\bword\\b', /word boundaries/],
    ['a^b', /anchor/],
    ['a$b', /anchor/],
    ['(?i:a)', /flags of a group/],
  ])('by the name of what no grammar has: %s', async (pattern, words) => {
    await expectFailure(made(pattern), 'unsupported-feature', words);
  });

  it.each([
    ['(', /malformed/],
    ['[z-a]', /malformed/],
    ['a{2,1}', /malformed/],
    ['*', /malformed/],
    ['\\p{Nonsense}', /malformed/],
  ])('where it is malformed: %s', async (pattern, words) => {
    await expectFailure(made(pattern), 'invalid-argument', words);
  });

  it.each([
    ['[]', /matches no text/],
    ['a[]', /matches no text/],
    ['[\\uD800]', /matches no text/],
  ])('that matches nothing: %s', async (pattern, words) => {
    await expectFailure(made(pattern), 'invalid-argument', words);
  });

  it.each([
    ['10 MB of text', 'a'.repeat(10_000_000), /longer than/],
    ['depth of 8000', `${'('.repeat(8000)}a${')'.repeat(8000)}`, /nested more than/],
    ['a million times', 'a{1000000}', /repeats more than/],
    ['bounds within bounds', '(?:(?:a{1,1000}){1,1000}){1,1000}', /written out/],
    ['doubling', `${'(?:'.repeat(40)}a${'){2}'.repeat(40)}`, /written out/],
    ['many properties', '\\p{L}\\P{L}\\p{Lu}\\P{Lu}\\p{Ll}', /Unicode properties/],
  ])('that is too large: %s', async (_name, pattern, words) => {
    await expectFailure(made(pattern), 'invalid-argument', words);
  });
});

it.each(['(a+)+$', '(?:a|a)*', '(?:a|aa)+', '(a*)*b', '(?:.*.*.*)x', '(?:x+x+)+y'])(
  'an expression that takes backtracking for ever is a grammar like others: %s',
  async (pattern) => {
    const grammar = grammarOfFormat({ type: 'regex', pattern });
    const text = { a: 'a'.repeat(30), x: `${'x'.repeat(30)}y` }[pattern.includes('y') ? 'x' : 'a'];
    const ended = pattern.includes('b') ? `${text}b` : pattern.endsWith('x') ? `${text}x` : text;
    expect(await walks.derives(grammar, ended)).toBe(true);
  },
);
