// The grammar service with the real xgrammar, in this thread: masks, forced text, going back, what is compiled, what is refused.
import { afterEach, describe, expect, it } from 'vitest';
import { ThreadedGrammars, type GrammarState } from '../../../src/grammar/service';
import { expectFailure } from '../../support/expect-failure';
import { idsOf, inProcess, vocabularyOf } from '../../support/grammar-threads';

/** Every byte is a token, as in vocabularies of byte-level BPE; then some longer ones, and control tokens. */
const BYTES = Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte));
const LONGER = ['ab', 'abc', 'bc', 'ca', 'é', 'aé', '日本', '本'];
const END = BYTES.length + LONGER.length;
const OTHER_END = END + 1;
/** Beyond the vocabulary of the tokenizer there may be logits that stand for nothing. */
const PADDING = END + 2;
const NOTHING = new Uint8Array();
const VOCABULARY = vocabularyOf([...BYTES, ...LONGER, NOTHING, NOTHING, NOTHING], [END, OTHER_END]);
const TOKENS = VOCABULARY.tokens();

const service = new ThreadedGrammars(inProcess);
const states: GrammarState[] = [];
afterEach(() => {
  for (const state of states.splice(0)) state.release();
});

async function follow(ebnf: string): Promise<GrammarState> {
  const state = await service.follow(VOCABULARY, { ebnf });
  states.push(state);
  return state;
}

/** Bytes as text of one character a byte, so that what begins with what can be told. */
const latin = (bytes: Uint8Array): string => String.fromCharCode(...bytes);
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
/** Single bytes, as tokens. */
const spelled = (text: string): number[] => [...utf8(text)];

/** The ids that may follow in a language of so many texts: found by trying each of them. */
function allowedIn(language: readonly string[], ids: readonly number[]): number[] {
  const texts = language.map((text) => latin(utf8(text)));
  const said = ids.map((id) => latin(TOKENS[id] ?? NOTHING)).join('');
  const following = TOKENS.flatMap((token, id) =>
    token.length > 0 && texts.some((text) => text.startsWith(said + latin(token))) ? [id] : [],
  );
  return texts.includes(said) ? [...following, END, OTHER_END] : following;
}

/** All texts of up to `most` of these parts. */
function repeated(parts: readonly string[], least: number, most: number): string[] {
  let texts = [''];
  const all = least === 0 ? [''] : [];
  for (let count = 1; count <= most; count++) {
    texts = texts.flatMap((text) => parts.map((part) => text + part));
    if (count >= least) all.push(...texts);
  }
  return all;
}

const LANGUAGES: [ebnf: string, language: string[]][] = [
  ['root ::= "abc" | "abd" | "b"', ['abc', 'abd', 'b']],
  ['root ::= ("ab" | "c"){1,3} "d"?', repeated(['ab', 'c'], 1, 3).flatMap((text) => [text, `${text}d`])],
  ['root ::= "é"? ("日本" | "日曜" | "aè")', ['日本', '日曜', 'aè'].flatMap((text) => [text, `é${text}`])],
  ['root ::= [a-c]{0,2}', repeated(['a', 'b', 'c'], 0, 2)],
];

describe('masks', () => {
  it.each(LANGUAGES)('are those of the texts that %s derives, token by token', async (ebnf, language) => {
    const state = await follow(ebnf);
    for (const prefix of repeated(['a', 'b', 'c', 'é', '日'], 0, 3).map(spelled)) {
      const isBeginning = language.some((text) =>
        latin(utf8(text)).startsWith(String.fromCharCode(...prefix)),
      );
      if (!isBeginning) continue;
      const { mask, ended } = await state.after(prefix);
      const allowed = allowedIn(language, prefix);
      expect(idsOf(mask)).toEqual(allowed);
      expect(ended).toBe(allowed.every((id) => id === END || id === OTHER_END));
    }
  });

  it('never have control tokens that end no answer, nor what is beyond the vocabulary', async () => {
    const { mask } = await (await follow('root ::= [\\u0000-\\U0010FFFF]*')).after([]);
    expect(mask).toHaveLength(Math.ceil(TOKENS.length / 32));
    expect(idsOf(mask)).not.toContain(PADDING);
    expect(idsOf(mask)).toContain(END);
  });

  it('have the end tokens too where most tokens may come', async () => {
    const state = await follow('root ::= rest\nrest ::= [\\x00-\\xff] rest | "x"');
    const { mask } = await state.after(spelled('ax'));
    expect(idsOf(mask).length).toBeGreaterThan(TOKENS.length / 2);
    expect(idsOf(mask)).toEqual(expect.arrayContaining([END, OTHER_END]));
  });

  it('go on within a character that tokens cut', async () => {
    const state = await follow('root ::= "é" | "è"');
    const [lead = 0, ...rest] = utf8('é');
    expect(idsOf((await state.after([lead])).mask)).toEqual([...utf8('è').slice(1), ...rest]);
  });

  it('are only of end tokens once one has come', async () => {
    const state = await follow('root ::= "a"');
    const { mask, ended } = await state.after([...spelled('a'), END]);
    expect([idsOf(mask), ended]).toEqual([[END, OTHER_END], true]);
  });
});

describe('an answer', () => {
  it('can be asked about at any of its beginnings, in any order', async () => {
    const [ebnf, language] = LANGUAGES[1]!;
    const state = await follow(ebnf);
    for (const text of ['abc', 'ab', 'cabd', '', 'cc', 'ccc', 'c', 'ababab', 'abab']) {
      expect(idsOf((await state.after(spelled(text))).mask)).toEqual(allowedIn(language, spelled(text)));
    }
  });

  it('goes its own way beside others of the same grammar', async () => {
    const [ebnf, language] = LANGUAGES[0]!;
    const [one, other] = await Promise.all([follow(ebnf), follow(ebnf)]);
    const [a, b] = await Promise.all([one.after(spelled('ab')), other.after(spelled('b'))]);
    expect(idsOf(a.mask)).toEqual(allowedIn(language, spelled('ab')));
    expect(idsOf(b.mask)).toEqual(allowedIn(language, spelled('b')));
  });

  it('that has a token which was not allowed is refused, and can be asked about again', async () => {
    const state = await follow('root ::= "abc"');
    await expectFailure(state.after(spelled('x')), 'internal', /does not allow token 120/);
    expect(idsOf((await state.after(spelled('a'))).mask)).toEqual([98, LONGER.indexOf('bc') + 256]);
  });
});

describe('forced text', () => {
  it.each([
    ['root ::= "hello" | "help"', '', 'hel', false],
    ['root ::= "hello" | "help"', 'help', '', false],
    ['root ::= "ab" "cd"?', '', 'ab', false],
    ['root ::= "ab" "cd"?', 'ab', '', false],
    ['root ::= "ab"?', '', '', false],
    ['root ::= "{\\"name\\": " [0-9]', '', '{"name": ', false],
    ['root ::= "hello"', 'he', 'llo', true],
    ['root ::= "aé日"', '', 'aé日', true],
    ['root ::= "a𝄞" [a-z]', '', 'a𝄞', false],
  ])('of %s after %o is %o', async (ebnf, said, forced, endsWithForced) => {
    const step = await (await follow(ebnf)).after(spelled(said));
    expect(step).toMatchObject({ forced, endsWithForced });
  });

  // é and è, 日 and 旦, 𝄞 and 𝄢 begin with the same bytes. Texts of 16 bytes and more are decoded in another way.
  it.each([
    ['root ::= "é" | "è"', ''],
    ['root ::= "x" ("日a" | "旦b")', 'x'],
    ['root ::= "x" ("𝄞" | "𝄢")', 'x'],
    ['root ::= "a text of some length" ("é" | "è")', 'a text of some length'],
  ])('of %s is whole characters', async (ebnf, forced) => {
    expect((await (await follow(ebnf)).after([])).forced).toBe(forced);
  });

  it('is none within a character', async () => {
    const state = await follow('root ::= "é日"');
    expect((await state.after(spelled('é').slice(0, 1))).forced).toBe('');
    expect((await state.after(spelled('é'))).forced).toBe('日');
  });

  it('leaves the answer where it is', async () => {
    const state = await follow('root ::= "aé日" | "aéx"');
    for (let times = 0; times < 2; times++) {
      const { mask, forced } = await state.after(spelled('a'));
      expect([idsOf(mask), forced]).toEqual([[0xc3, LONGER.indexOf('é') + 256], 'é']);
    }
  });
});

describe('a grammar', () => {
  it('is compiled once for a vocabulary, however often it is followed', async () => {
    const own = new ThreadedGrammars(inProcess);
    for (let times = 0; times < 3; times++)
      (await own.follow(VOCABULARY, { ebnf: 'root ::= "a"' })).release();
    expect([own.compiled, own.threads]).toEqual([1, 1]);
    await own.follow(VOCABULARY, { ebnf: 'root ::= "b"' });
    expect([own.compiled, own.threads]).toEqual([2, 1]);
    own.dispose();
  });

  it('is kept while 31 others are used after it, and compiled again after 32', async () => {
    const own = new ThreadedGrammars(inProcess);
    const use = async (index: number): Promise<void> =>
      (await own.follow(VOCABULARY, { ebnf: `root ::= "${index}"` })).release();
    for (let index = 0; index < 32; index++) await use(index);
    await use(0);
    expect(own.compiled).toBe(32);
    await use(32);
    await use(0);
    expect(own.compiled).toBe(33);
    await use(1);
    expect(own.compiled).toBe(34);
    own.dispose();
  });

  it.each([
    ['root ::= foo', /Rule "foo" is not defined/],
    ['root ::= "abc', /Expect " in string literal/],
    ['start ::= "abc"', /root/],
    ['', /root/],
    [`root ::= ${'('.repeat(100_000)}"a"${')'.repeat(100_000)}`, /nested too deep/],
  ])('that is broken is refused in words: %.20s', async (ebnf, words) => {
    await expectFailure(service.follow(VOCABULARY, { ebnf }), 'invalid-argument', words);
    const { forced } = await (await follow('root ::= "usable"')).after([]);
    expect(forced).toBe('usable');
  });

  it('that is broken disturbs no answer that is under way', async () => {
    const state = await follow('root ::= "abc" | "abd"');
    await state.after(spelled('a'));
    await expectFailure(service.follow(VOCABULARY, { ebnf: 'root ::= foo' }), 'invalid-argument');
    expect(idsOf((await state.after(spelled('ab'))).mask)).toEqual(spelled('cd'));
  });

  it('that leads to what no token spells is refused there', async () => {
    const few = vocabularyOf(['a', 'b', NOTHING], [2]);
    const own = new ThreadedGrammars(inProcess);
    const state = await own.follow(few, { ebnf: 'root ::= "a" "x"' });
    await expectFailure(state.after([0]), 'unsupported-feature', /can spell/);
    own.dispose();
  });

  it('that never ends and leaves no choice is ended by its memory', async () => {
    const state = await follow('root ::= "a" root');
    await expectFailure(state.after([]), 'unsupported-feature', /256 MiB|5 s/);
    expect((await (await follow('root ::= "usable"')).after([])).forced).toBe('usable');
  });
});
