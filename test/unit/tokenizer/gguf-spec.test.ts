// What is read from GGUF metadata, what is put right in it, and what is refused.
import { describe, expect, it } from 'vitest';
import { Tokenizer, tokenizerSpecFromGguf, type TokenizerSpec } from '../../../src/tokenizer';
import { llama3Metadata } from '../../support/llama3-vocabulary';
import { tinyMetadata } from '../../support/tiny-tokenizer';

function specWith(changes: Record<string, unknown>, metadata = tinyMetadata()): TokenizerSpec {
  for (const [key, value] of Object.entries(changes)) metadata.set(`tokenizer.${key}`, value);
  return tokenizerSpecFromGguf((key) => metadata.get(key));
}

function wantsBos(pre: string): boolean {
  return specWith({ 'ggml.add_bos_token': undefined, 'ggml.pre': pre }).addBos;
}

/** The first tokens of Falcon and Falcon3. */
const FALCON_MARKS = [
  '>>TITLE<<',
  '>>ABSTRACT<<',
  '>>INTRODUCTION<<',
  '>>SUMMARY<<',
  '>>COMMENT<<',
  '>>ANSWER<<',
  '>>QUESTION<<',
  '>>DOMAIN<<',
  '>>PREFIX<<',
  '>>SUFFIX<<',
  '>>MIDDLE<<',
  '<|endoftext|>',
];
const FALCON_ENDS = {
  'ggml.bos_token_id': undefined,
  'ggml.eos_token_id': 11,
  'ggml.eot_token_id': undefined,
  'ggml.add_bos_token': undefined,
};

function code(name: string, message: RegExp): object {
  return expect.objectContaining({
    code: name,
    message: expect.stringMatching(message) as unknown,
  }) as object;
}

describe('the metadata of a byte-level vocabulary', () => {
  it('say what begins a prompt and what ends an answer', () => {
    const spec = specWith({});
    expect(spec).toMatchObject({ model: 'gpt2', bosId: 1533, eosId: 1534, addBos: true, ignoreMerges: true });
    expect(spec.endIds).toEqual([1534, 1535]);
    expect(spec.chatTemplate).toContain('add_generation_prompt');
  });

  it('may come as typed arrays and bigints', () => {
    const types = Int32Array.from(tinyMetadata().get('tokenizer.ggml.token_type') as number[]);
    const changes = { 'ggml.token_type': types, 'ggml.bos_token_id': 1533n };
    expect(specWith(changes)).toEqual(specWith({}));
  });

  it('may leave out the end of turn: it is known by its name', () => {
    const tokenizer = new Tokenizer(specWith({ 'ggml.eot_token_id': undefined }));
    expect(tokenizer.endIds).toEqual(new Set([1534, 1535]));
  });

  it('may leave out the types: what begins and ends is still a control token', () => {
    const tokenizer = new Tokenizer(specWith({ 'ggml.token_type': undefined }));
    expect([1533, 1534, 1535, 64].map((id) => tokenizer.isSpecial(id))).toEqual([true, true, true, false]);
  });

  it('may call the end of turn user-defined', () => {
    const types = (tinyMetadata().get('tokenizer.ggml.token_type') as number[]).with(1535, 4);
    const tokenizer = new Tokenizer(specWith({ 'ggml.token_type': types, 'ggml.eot_token_id': undefined }));
    expect(tokenizer.isSpecial(1535)).toBe(true);
    expect(tokenizer.endIds.has(1535)).toBe(true);
  });

  it.each(['eos_token_id', 'eot_token_id', 'eom_token_id'])(
    'end an answer at %s, whatever its name',
    (key) => {
      // 64 is the letter a.
      const tokenizer = new Tokenizer(specWith({ [`ggml.${key}`]: 64 }));
      expect(tokenizer.endIds.has(64)).toBe(true);
      expect(tokenizer.isSpecial(64)).toBe(true);
    },
  );

  it.each([
    '<|eot_id|>',
    '<|eom_id|>',
    '<|im_end|>',
    '<|end|>',
    '<|endoftext|>',
    '<|end_of_text|>',
    '<end_of_turn>',
    '</s>',
  ])('end an answer at a control token called %s, and at a user-defined one', (name) => {
    const tokens = (tinyMetadata().get('tokenizer.ggml.tokens') as string[]).with(1000, name);
    const types = tinyMetadata().get('tokenizer.ggml.token_type') as number[];
    for (const type of [3, 4]) {
      const changes = { 'ggml.tokens': tokens, 'ggml.token_type': types.with(1000, type) };
      const tokenizer = new Tokenizer(specWith(changes));
      expect(tokenizer.endIds.has(1000)).toBe(true);
      expect(tokenizer.decode([1000])).toBe('');
    }
  });

  it('may call a mark a normal token, but not a tag of HTML', () => {
    const tokens = tinyMetadata().get('tokenizer.ggml.tokens') as string[];
    const ends = (name: string): boolean =>
      new Tokenizer(specWith({ 'ggml.tokens': tokens.with(1000, name) })).endIds.has(1000);
    expect(ends('<|im_end|>')).toBe(true);
    expect(ends('</s>')).toBe(false);
  });

  it('may use the largest uint32 for a token that is not there', () => {
    expect(specWith({ 'ggml.eot_token_id': 0xffffffff }).endIds).toEqual([1534]);
  });

  it('want a begin-of-text token by default only for the family of Llama 3', () => {
    expect(['llama-bpe', 'falcon3', 'qwen2', 'gpt-2', 'falcon', 'default'].map(wantsBos)).toEqual([
      true,
      true,
      false,
      false,
      false,
      false,
    ]);
  });

  it.each(['llama3', 'llama-v3', 'llama-bpe', 'falcon3'])('mean the same by the pre-tokenizer %s', (pre) => {
    expect(specWith({ 'ggml.pre': pre })).toEqual({ ...specWith({}), preTokenizer: pre });
  });

  it.each([undefined, 'default'])('need not name the pre-tokenizer of the Llama 3 vocabulary: %s', (pre) => {
    const given = specWith({ 'ggml.pre': pre }, llama3Metadata());
    const { adjustments, ...spec } = specWith({}, llama3Metadata());
    expect(given).toMatchObject(spec);
    expect(adjustments).toEqual([]);
    expect(given.adjustments).toEqual([expect.stringMatching(/no pre-tokenizer.*Llama 3.*llama-bpe/)]);
  });

  it('need not name that of Falcon3 or of Falcon, which begin alike and differ in size', () => {
    const falcon = Array.from({ length: 131_072 }, (_, id) => FALCON_MARKS[id] ?? `token ${id}`);
    const named = (tokens: string[]): string | undefined => {
      const changes = { 'ggml.tokens': tokens, 'ggml.token_type': undefined, 'ggml.pre': undefined };
      return specWith({ ...changes, ...FALCON_ENDS }).preTokenizer;
    };
    expect(named(falcon)).toBe('falcon3');
    expect(named(falcon.slice(0, 65_024))).toBe('falcon');
    expect(named(falcon.with(0, 'a'))).toBe('default');
  });

  it('say that the default rules are a guess where a vocabulary is none that is known', () => {
    const given = specWith({ 'ggml.pre': undefined });
    expect(given.wordPatterns).toHaveLength(4);
    expect(given.adjustments).toEqual([expect.stringMatching(/need not be those of the model/)]);
    expect(specWith({ 'ggml.pre': 'default' }).adjustments).toEqual([]);
  });

  it('may call every token plain text, as old files of Falcon3 do: marks are told by their looks', () => {
    const tokens = [...FALCON_MARKS, '<|user|>', 'a', '<b>', '>>x', '<|x', '<||>'];
    const changes = {
      'ggml.tokens': tokens,
      'ggml.token_type': tokens.map(() => 1),
      'ggml.pre': 'falcon3',
      ...FALCON_ENDS,
    };
    const spec = specWith(changes);
    const tokenizer = new Tokenizer(spec);
    expect(tokens.filter((_, id) => tokenizer.isSpecial(id))).toEqual([...FALCON_MARKS, '<|user|>']);
    expect(spec.adjustments).toEqual([expect.stringMatching(/all tokens plain text/)]);
    // One type that says more, and all are believed.
    const told = specWith({ ...changes, 'ggml.token_type': tokens.map((_, id) => (id === 12 ? 3 : 1)) });
    expect(new Tokenizer(told).isSpecial(0)).toBe(false);
    expect(told.adjustments).toEqual([]);
  });

  it.each([
    ['falcon_e', 'llama-bpe'],
    ['falcon-h1', 'llama-bpe'],
    ['gpt-neox', 'gpt-2'],
    ['olmo', 'gpt-2'],
  ])('mean by the pre-tokenizer %s what they mean by %s', (pre, same) => {
    expect(specWith({ 'ggml.pre': pre })).toEqual({ ...specWith({ 'ggml.pre': same }), preTokenizer: pre });
  });

  it.each(['eos_token_ids', 'eog_token_ids'])('end an answer at every token of the list %s', (key) => {
    const tokenizer = new Tokenizer(specWith({ [`ggml.${key}`]: Uint32Array.of(64, 65) }));
    expect(tokenizer.endIds).toEqual(new Set([64, 65, 1534, 1535]));
  });

  it("have no template where it is the converter's placeholder, and say so", () => {
    const placeholder = "{{ 'Human: ' + messages[0].content + '\n\nBITNETAssistant: ' }}";
    const spec = specWith({ chat_template: placeholder });
    expect(spec.chatTemplate).toBeUndefined();
    expect(spec.adjustments).toEqual([expect.stringMatching(/placeholder.*BITNETAssistant/)]);
  });

  it('say whether texts to be embedded end with the end-of-text token', () => {
    expect(specWith({}).addEos).toBe(false);
    expect(specWith({ 'ggml.add_eos_token': true }).addEos).toBe(true);
  });

  it('may have a second template, for tools', () => {
    expect(specWith({ 'chat_template.tool_use': 'with tools' }).toolTemplate).toBe('with tools');
  });

  it('are repaired where a converter wrote begin-of-text in front of every control token', () => {
    const metadata = llama3Metadata();
    const tokens = metadata.get('tokenizer.ggml.tokens') as string[];
    const doubled = tokens.map((text, id) => (id > 128000 ? `<|begin_of_text|>${text}` : text));
    const spec = specWith({ 'ggml.tokens': doubled }, metadata);
    expect(spec.tokens).toEqual(tokens);
    expect(spec.adjustments).toEqual([expect.stringMatching(/^255 control tokens.*taken off/)]);
  });
});

describe('the metadata of a SentencePiece vocabulary', () => {
  const sentencePiece = {
    'ggml.model': 'llama',
    'ggml.tokens': ['<unk>', '<s>', '</s>', '<0x0A>', '▁', 'a', '▁a', 'aa'],
    'ggml.token_type': [2, 3, 3, 6, 1, 1, 1, 1],
    'ggml.scores': [0, 0, 0, 0, -3, -3, -1, -1],
    'ggml.bos_token_id': undefined,
    'ggml.eos_token_id': undefined,
    'ggml.eot_token_id': undefined,
    'ggml.add_bos_token': undefined,
  };

  it('have the defaults of Llama', () => {
    const tokenizer = new Tokenizer(specWith(sentencePiece));
    expect(tokenizer.encode('a', { addBos: true })).toEqual([1, 6]);
    expect(tokenizer.endIds).toEqual(new Set([2]));
    expect(tokenizer.addBos).toBe(true);
  });

  it('merge pieces of equal score from left to right', () => {
    const bare = new Tokenizer(specWith({ ...sentencePiece, 'ggml.add_space_prefix': false }));
    expect(bare.encode(' aaaa')).toEqual([6, 7, 5]);
    expect(bare.encode('aaaaa')).toEqual([7, 7, 5]);
  });

  it('fall back to bytes, and from those to the unknown token', () => {
    const bare = new Tokenizer(specWith({ ...sentencePiece, 'ggml.add_space_prefix': false }));
    expect(bare.encode('a\nb')).toEqual([5, 3, 0]);
    expect(bare.decode([5, 3, 0])).toBe('a\n');
  });
});

describe('metadata that cannot be used', () => {
  it.each([
    ['no tokenizer', { 'ggml.model': undefined }, /model is missing/],
    ['no tokens', { 'ggml.tokens': undefined }, /tokens is missing/],
    ['tokens that are no strings', { 'ggml.tokens': [1, 2] }, /no list of strings/],
    ['an empty vocabulary', { 'ggml.tokens': [], 'ggml.token_type': [] }, /empty/],
    ['no merges', { 'ggml.merges': undefined }, /merges is missing/],
    ['too few types', { 'ggml.token_type': [1, 1] }, /1536 tokens but 2 token types/],
    ['an end outside the vocabulary', { 'ggml.eos_token_id': 1536 }, /id 1536/],
    ['a begin-of-text that is wanted and not there', { 'ggml.bos_token_id': undefined }, /begin-of-text/],
    ['an id that is no number', { 'ggml.eos_token_id': 'x' }, /eos_token_id is no number/],
    ['SentencePiece without scores', { 'ggml.model': 'llama' }, /scores is missing/],
  ])('is corrupt: %s', (_, changes, message) => {
    expect(() => specWith(changes)).toThrow(code('corrupt-file', message));
  });

  it('is not supported if it names another tokenizer or pre-tokenizer', () => {
    expect(() => specWith({ 'ggml.model': 'rwkv' })).toThrow(code('unsupported-tokenizer', /"rwkv"/));
    expect(() => specWith({ 'ggml.pre': 'tekken' })).toThrow(code('unsupported-tokenizer', /"tekken"/));
  });
});
