// What must come is given in the tokens of the tokenizer, and the marks around calls in those that stand for them.
import { describe, expect, it } from 'vitest';
import { GrammarGuide, grammarTokens } from '../../../src/engine/grammar-guide';
import { ChatFormat, Tokenizer } from '../../../src/tokenizer';
import { tinySpec } from '../../support/tiny-tokenizer';
import { jinjaTemplate } from '../../support/templates';

const CONTROL = 3;
const USER_DEFINED = 4;

/** The small vocabulary with tokens of these texts, from 1000 on, in place of some of its own. */
function tokenizerWith(type: number, ...texts: string[]): Tokenizer {
  const { tokens, tokenTypes, ...spec } = tinySpec();
  const renamed = tokens.map((text, id) => texts[id - 1000] ?? text);
  const types = Array.from(tokenTypes, (own, id) => (texts[id - 1000] === undefined ? own : type));
  return new Tokenizer({ ...spec, tokens: renamed, tokenTypes: types });
}

/** The tokens that a guide forces where a grammar leaves nothing but this text. */
async function forced(tokenizer: Tokenizer, text: string, mask?: Uint32Array): Promise<readonly number[]> {
  const chat = new ChatFormat(tokenizer, jinjaTemplate('{{ messages[0].content }}'));
  const step = { mask: new Uint32Array(), forced: text, ended: false, endsWithForced: false };
  const state = { after: async () => step, release: () => {} };
  const allowed = await new GrammarGuide(state, chat, { sampleAll: false, mask }).after([]);
  return allowed.kind === 'forced' ? allowed.tokenIds : [];
}

describe('a mark around calls', () => {
  it.each([
    ['control', CONTROL],
    ['user-defined', USER_DEFINED],
  ])('that is a %s token is forced as that token, and has bytes for grammars', async (_, type) => {
    const tokenizer = tokenizerWith(type, '<tool_call>', '</tool_call>');
    const ids = await forced(tokenizer, '<tool_call>\n{"name": "');
    expect(ids[0]).toBe(1000);
    expect(new TextDecoder().decode(grammarTokens(tokenizer)[1000])).toBe('<tool_call>');
  });

  it('is spelled where the vocabulary has no token for it', async () => {
    const tokenizer = new Tokenizer(tinySpec());
    const text = '<tool_call>\n{"name": "';
    const ids = await forced(tokenizer, text);
    expect(ids.length).toBeGreaterThan(0);
    // The last token is left to the model.
    expect(ids).toEqual(tokenizer.encode(text).slice(0, -1));
  });
});

describe('nothing is forced', () => {
  it('of a text with another control token in it, which no grammar derives', async () => {
    const tokenizer = tokenizerWith(CONTROL, '<|stop|>');
    expect(await forced(tokenizer, 'a <|stop|> b c')).toEqual([]);
    expect(grammarTokens(tokenizer)[1000]).toHaveLength(0);
  });

  it('that tokens which may come do not make', async () => {
    const tokenizer = new Tokenizer(tinySpec());
    const none = new Uint32Array(Math.ceil(tokenizer.vocabularySize / 32));
    expect(await forced(tokenizer, '{"name": "', none)).toEqual([]);
  });
});
