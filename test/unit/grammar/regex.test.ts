// Regular expressions, choices and grammars as grammars: what they derive is what RegExp matches.

import { beforeAll, describe, expect, it } from 'vitest';
import { grammarOfFormat } from '../../../src/grammar/response-format';
import { samples } from '../../support/effort';
import { random } from '../../support/random';
import { TestCompiler, type TestGrammar } from '../../support/xgrammar';

let compiler: TestCompiler;
beforeAll(async () => {
  compiler = await TestCompiler.create();
});

/** Each with texts of which some match and some do not; RegExp says which. */
const PATTERNS: readonly (readonly [pattern: string, texts: readonly string[]])[] = [
  ['abc', ['abc', 'ab', 'abcd', '']],
  ['a|bc|', ['', 'a', 'bc', 'abc']],
  ['[a-cx-z_]+', ['abc', 'x_z', 'd', '']],
  ['[^a-z"\\\\\\]\\-^]', ['A', 'é', '漢', '😀', 'a', '"', '\\', ']', '-', '^', '\n', '\u0000', 'AB']],
  ['[\\-\\]^\\\\/"\'[]{2}', ['-]', '^\\', '/"', `'[`, 'ab', '-']],
  ['\\d{3}-\\d{4}', ['123-4567', '12-4567', '123-45678']],
  ['\\w+@\\w+\\.(?:com|org)', ['a@b.com', 'a_1@b.org', 'a@b.net', '@b.com']],
  ['\\D\\W\\S', ['a-b', '1-b', 'aab', 'a- ', 'é漢😀', 'é\u00a0x']],
  ['\\s+', [' ', '\t\n\r', '\u00a0\u3000\ufeff', 'a', '\u200b']],
  ['.*', ['', 'any thing', 'é😀', 'a\nb', '\u2028', '"']],
  ['a{2}b{2,}c{1,3}d?e*?f+?', ['aabbcf', 'aabbbcccdeeff', 'abbcf', 'aabbccccf', 'aabbcdde']],
  ['(a(b|c))+', ['ab', 'abac', 'a', 'abb', '']],
  ['(?<year>\\d{4})-(?:0[1-9]|1[0-2])', ['2024-01', '2024-13', '2024-12', '24-01']],
  ['^start.end$', ['start-end', 'start\nend', 'start😀end', 'startend']],
  ['(?:^a|b)(?:c|d$)', ['ac', 'bd', 'ab', 'a']],
  ['\\u00e9\\u{1F600}\\x41\\cA\\t\\0', ['é😀A\u0001\t\0', 'é😀A']],
  ['[é-ü]', ['é', 'ü', 'ö', 'è', 'a']],
  ['[\\u{10000}-\\u{10FFFF}]', ['😀', '\u{10000}', '\u{10ffff}', '\uffff', 'a']],
  ['[\\u07ff-\\u0801]', ['\u07ff', '\u0800', '\u0801', '\u07fe', '\u0802']],
  ['[\\uffff-\\u{10001}]', ['\uffff', '\u{10000}', '\u{10001}', '\ufffe', '\u{10002}']],
  ['\\p{Lu}\\p{Script=Greek}', ['Aα', 'Éω', 'aα', 'AB']],
  ['\\P{L}', ['1', ' ', 'a', '漢']],
  ['(a*)*b', ['b', 'aaab', 'aa']],
  ['(a*b*)*(c?)+d', ['d', 'aabbabd', 'abccd', 'dc']],
  ['(|a)+', ['', 'a', 'aaa', 'b']],
  ['a{0}b', ['b', 'ab']],
  ['(?:x{2,3}y?){2}', ['xxxx', 'xxyxxxy', 'xxxxxx', 'xxx']],
  ['[]|a', ['a', '']],
  ['[^]{2}', ['ab', '\n\n', 'a', '漢😀']],
  ['-?(?:0|[1-9]\\d*)(?:\\.\\d+)?', ['0', '-12.50', '01', '1.', '.5']],
];

describe.each(PATTERNS)('/%s/', (pattern, texts) => {
  const expression = new RegExp(`^(?:${pattern})$`, 'u');
  const compiled = (): Promise<TestGrammar> =>
    compiler.compile(grammarOfFormat({ type: 'regex', pattern }).ebnf);

  it('matches the same texts', async () => {
    const grammar = await compiled();
    const wrong = texts.filter((text) => grammar.accepts(text) !== expression.test(text));
    expect(wrong).toEqual([]);
    expect(texts.some((text) => expression.test(text))).toBe(true);
  });

  it('derives only what matches', async () => {
    const grammar = await compiled();
    const next = random(5);
    for (let walk = 0; walk < samples(30); walk++) {
      const text = await grammar.walk(
        next,
        texts.filter((example) => expression.test(example)),
        { soft: 15, most: 200 },
      );
      if (text !== undefined) expect(expression.test(text), JSON.stringify(text)).toBe(true);
    }
  });
});

describe('bytes that are no UTF-8', () => {
  it.each([
    ['a byte that never occurs', [0xff]],
    ['a longer form of NUL', [0xc0, 0x80]],
    ['half of a pair', [0xed, 0xa0, 0x80]],
    ['what is beyond Unicode', [0xf4, 0x90, 0x80, 0x80]],
    ['a longer form of three bytes', [0xe0, 0x80, 0x80]],
  ])('%s is never derived', async (_, bytes) => {
    const grammar = await compiler.compile(grammarOfFormat({ type: 'regex', pattern: '[^a]*' }).ebnf);
    expect(grammar.accepts(Uint8Array.from(bytes))).toBe(false);
  });
});

describe('what no grammar has', () => {
  it.each([
    ['lookahead', '(?=a)b'],
    ['lookahead', '(?!a)b'],
    ['lookbehind', '(?<=a)b'],
    ['backreferences', '(a)\\1'],
    ['backreferences', '(?<x>a)\\k<x>'],
    ['word boundaries', '\\bword'],
    ['word boundaries', 'a\\Bb'],
    ['an anchor', 'a^b'],
    ['an anchor', 'a$b'],
    ['an anchor', '(^a)+'],
    ['flags of a group', '(?i:a)'],
  ])('%s is refused: %s', (name, pattern) => {
    expect(() => grammarOfFormat({ type: 'regex', pattern })).toThrow(
      expect.objectContaining({
        code: 'unsupported-feature',
        message: expect.stringContaining(name) as string,
      }),
    );
  });

  it.each([
    '(',
    '[b-a]',
    'a{2,1}',
    '\\u{110000}',
    '*',
    'a'.repeat(20_000),
    'a{5000}',
    '(a{100}){1000}',
    '[]',
    'a[]',
  ])('%s is invalid', (pattern) => {
    expect(() => grammarOfFormat({ type: 'regex', pattern })).toThrow(
      expect.objectContaining({ code: 'invalid-argument' }),
    );
  });
});

describe('a choice', () => {
  it('is one of its options, also where one begins another', async () => {
    const options = ['yes', 'yes, but', 'no "way"', '漢\n'];
    const grammar = await compiler.compile(grammarOfFormat({ type: 'choice', options }).ebnf);
    for (const option of options) expect(grammar.accepts(option)).toBe(true);
    for (const other of ['', 'ye', 'yes,', 'no', 'yes, but not', 'yesyes'])
      expect(grammar.accepts(other)).toBe(false);
  });

  it.each([[[]], [['']], [['\ud800']], [Array.from({ length: 10_001 }, String)], [['x'.repeat(300_000)]]])(
    'is bounded',
    (options) => {
      expect(() => grammarOfFormat({ type: 'choice', options })).toThrow(
        expect.objectContaining({ code: 'invalid-argument' }),
      );
    },
  );
});

describe('a grammar', () => {
  const compiled = (ebnf: string): Promise<TestGrammar> =>
    compiler.compile(grammarOfFormat({ type: 'grammar', ebnf }).ebnf);

  it('derives what it says: recursion, classes of characters, alternatives that look alike', async () => {
    const grammar = await compiled(`
      # Words in brackets, which may be in each other.
      root ::= word | "(" root ("," " "? root)* ")"
      word ::= "xab" | "xcb" | "xcd" | [é-ü]{2,3}
    `);
    for (const text of ['xab', '(xcb,xcd)', '((éü), xab)', 'öéü'])
      expect(grammar.accepts(text), text).toBe(true);
    for (const text of ['xad', '(xab', 'é', 'éüöé', 'aa', ''])
      expect(grammar.accepts(text), text).toBe(false);
  });

  it('has negated classes of characters', async () => {
    const grammar = await compiled('root ::= [^é\\]\\-"]+ "-"');
    for (const text of ['aè😀-', '\\-']) expect(grammar.accepts(text), text).toBe(true);
    for (const text of ['é-', ']-', '"-', '--']) expect(grammar.accepts(text), text).toBe(false);
  });

  it('stays as it is where its syntax is more than that, and is at most 256 KiB', () => {
    for (const ebnf of ['root ::= "a" (=[b])', 'root ::= TagDispatch(("<a>", b))', 'root ::= ("a"']) {
      expect(grammarOfFormat({ type: 'grammar', ebnf })).toEqual({ ebnf });
    }
    expect(() => grammarOfFormat({ type: 'grammar', ebnf: 'x'.repeat(300_000) })).toThrow(
      expect.objectContaining({ code: 'invalid-argument' }),
    );
  });

  it.each([
    `root ::= ${'('.repeat(100_000)}`,
    `root ::= ${'"a" | '.repeat(30_000)}"b"`,
    'root ::= "'.repeat(20_000),
    '"'.repeat(200_000),
  ])('is read within bounds, whatever it is (%#)', (ebnf) => {
    expect(grammarOfFormat({ type: 'grammar', ebnf }).ebnf.length).toBeGreaterThan(0);
  });
});
