// Rules that xgrammar would join wrongly are written so that it does not.

import { beforeAll, describe, expect, it } from 'vitest';
import { deterministicRules } from '../../../src/grammar/deterministic-rules';
import { oneOfTexts, RuleBook } from '../../../src/grammar/ebnf';
import { grammarOfFormat } from '../../../src/grammar/response-format';
import { samples } from '../../support/effort';
import { random } from '../../support/random';
import { TestCompiler } from '../../support/xgrammar';

let compiler: TestCompiler;
beforeAll(async () => {
  compiler = await TestCompiler.create();
});

/** All texts of up to 5 of these letters. */
const TEXTS = [''];
for (let i = 0; i < TEXTS.length; i++) {
  const text = TEXTS[i] ?? '';
  if (text.length < 5) TEXTS.push(...['a', 'b', 'c'].map((letter) => text + letter));
}

const rulesText = (rules: ReadonlyMap<string, string>): string =>
  Array.from(rules, ([name, body]) => `${name} ::= ${body}\n`).join('');

/** Four to eight words of up to four letters. */
function words(next: () => number): string[] {
  const found = new Set<string>();
  const count = 4 + Math.floor(next() * 5);
  while (found.size < count) {
    const length = 1 + Math.floor(next() * 4);
    found.add(Array.from({ length }, () => 'abc'[Math.floor(next() * 3)]).join(''));
  }
  return [...found];
}

async function expectSame(ebnf: string, expression: RegExp): Promise<void> {
  const grammar = await compiler.compile(ebnf);
  const wrong = TEXTS.filter((text) => grammar.accepts(text) !== expression.test(text));
  grammar.dispose();
  expect(wrong, ebnf).toEqual([]);
}

describe('alternatives with a beginning and an end in common', () => {
  it('are joined wrongly by xgrammar itself', async () => {
    // Should this fail with another version, rules need not be rewritten any more.
    const grammar = await compiler.compile('root ::= "xab" | "xcb" | "xcd"');
    expect(grammar.accepts('xad')).toBe(true);
  });

  it.each(['', 'prefix', 'star', 'twice', 'times'])('are kept apart: %s', async (form) => {
    const next = random(form.length);
    for (let sample = 0; sample < samples(60); sample++) {
      const list = words(next);
      const choice = list.map((word) => `"${word}"`).join(' | ');
      const pattern = `(?:${list.join('|')})`;
      const forms: Record<string, readonly [body: string, expression: string]> = {
        '': [choice, `^${pattern}$`],
        prefix: [`"b" (${choice}) "c"`, `^b${pattern}c$`],
        star: [`(${choice})* "b"`, `^${pattern}*b$`],
        twice: [`(${choice}) (${choice}) "c"?`, `^${pattern}{2}c?$`],
        times: [`"c" (${choice}){1,3}`, `^c${pattern}{1,3}$`],
      };
      const [body, expression] = forms[form] ?? ['', ''];
      await expectSame(rulesText(deterministicRules(new Map([['root', body]]))), new RegExp(expression));
    }
  });

  it('are kept apart across rules', async () => {
    const next = random(3);
    for (let sample = 0; sample < samples(60); sample++) {
      const list = words(next);
      const rules = new Map<string, string>([
        [
          'root',
          list
            .map(
              (word, i) =>
                `"${word.slice(0, -1)}" ${i % 2 === 0 ? `t${word.slice(-1)}` : `"${word.slice(-1)}"`}`,
            )
            .join(' | '),
        ],
        ...['a', 'b', 'c'].map((letter) => [`t${letter}`, `"${letter}"`] as const),
      ]);
      await expectSame(rulesText(deterministicRules(rules)), new RegExp(`^(?:${list.join('|')})$`));
    }
  });

  it('are kept apart in regular expressions, choices and lists of values', async () => {
    const next = random(5);
    for (let sample = 0; sample < samples(60); sample++) {
      const list = words(next);
      const pattern = `(?:${list.join('|')})+b?`;
      await expectSame(grammarOfFormat({ type: 'regex', pattern }).ebnf, new RegExp(`^${pattern}$`));
      await expectSame(
        grammarOfFormat({ type: 'choice', options: list }).ebnf,
        new RegExp(`^(?:${list.join('|')})$`),
      );
    }
  });
});

describe('rules that are safe', () => {
  it.each([
    '"a" b | "c" b',
    '"ab" | [c-d] "b" | ""',
    '("a" | "b")* "c"',
    '"x" (", " b)* "]"',
    '[\\u00c3\\u00c3] [\\u00a0-\\u00bf] | [a-z]',
  ])('stay as they are: %s', (body) => {
    const rules = new Map([
      ['root', body],
      ['b', '"y" | "z"'],
    ]);
    expect(Array.from(deterministicRules(rules).keys())).toEqual(['root', 'b']);
  });

  it('stay as they are where their syntax is not read', () => {
    const body = 'TagDispatch(("<a>", b), stop_eos=true)';
    expect(deterministicRules(new Map([['root', body]])).get('root')).toBe(body);
  });
});

describe('texts as a tree', () => {
  it('are the texts', async () => {
    const book = new RuleBook();
    const root = book.reserve('root');
    book.define(root, oneOfTexts(book, ['ab', 'abc', 'b', 'ca', 'cab', 'ab']));
    await expectSame(book.toString(), /^(?:ab|abc|b|ca|cab)$/);
  });
});
