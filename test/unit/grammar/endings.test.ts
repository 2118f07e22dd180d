// An answer may end wherever its grammar is fulfilled, however many tokens may come there instead.
import { expect, it } from 'vitest';
import { ThreadedGrammars } from '../../../src/grammar/service';
import { idsOf, inProcess, vocabularyOf } from '../../support/grammar-threads';

/** Two ends, a control token that is none, and every byte: of these, hardly half can stand in UTF-8 at any place. */
const ENDS = [0, 1];
const CONTROL = 2;
const FIRST_BYTE = 3;
const NOTHING = new Uint8Array();
const BYTES = Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte));
const VOCABULARY = vocabularyOf([NOTHING, NOTHING, NOTHING, ...BYTES, '<call>', 'the'], ENDS);

const tokensOf = (text: string): number[] =>
  [...new TextEncoder().encode(text)].map((byte) => byte + FIRST_BYTE);

const service = new ThreadedGrammars(inProcess);

/** Grammars with texts that they derive, and beginnings of such texts that they do not. */
const CASES: [what: string, ebnf: string, whole: string[], begun: string[]][] = [
  ['any text', 'root ::= [\\u0000-\\U0010FFFF]*', ['', 'text'], []],
  ['text without a letter', 'root ::= [^a]*', ['', 'text'], []],
  [
    'text that does not begin with a brace',
    'root ::= "" | [^{] rest\nrest ::= "" | [^\\u0000] rest',
    ['', 'text {'],
    [],
  ],
  ['text to a full stop', 'root ::= [^.]* "."', ['.', 'text.'], ['', 'text']],
  [
    'text with calls',
    'root ::= TagDispatch(("<call>", call), stop_eos=true, loop_after_dispatch=true)\ncall ::= [0-9]+ "!"',
    ['', 'text', 'a <cal', '<call>1! and'],
    ['<call>', 'a <call>1'],
  ],
];

it.each(CASES)('%s', async (_, ebnf, whole, begun) => {
  const state = await service.follow(VOCABULARY, { ebnf });
  for (const text of [...whole, ...begun]) {
    const { mask, ended } = await state.after(tokensOf(text));
    const ids = idsOf(mask);
    expect(ids.filter((id) => ENDS.includes(id))).toEqual(whole.includes(text) ? ENDS : []);
    expect(ids).not.toContain(CONTROL);
    expect(ids.at(-1)).toBeLessThan(VOCABULARY.tokens().length);
    expect(ended).toBe(text.endsWith('.'));
  }
  state.release();
});
