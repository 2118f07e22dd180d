// A tokenizer.json gives the same tokenizer as the GGUF of the same vocabulary.
import llama from 'llama-tokenizer-js';
import { describe, expect, it } from 'vitest';
import { Tokenizer, tokenizerSpecFromJson, type JsonSpecExtras } from '../../../src/tokenizer';
import {
  encodeIndependently,
  llama3Merges,
  llama3Tokenizer,
  llama3Tokens,
} from '../../support/llama3-vocabulary';
import { samples } from '../../support/effort';
import { sampleTexts } from '../../support/sample-texts';

const LLAMA3_PATTERN =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

type Json = Record<string, unknown>;

/** Most of the file; nobody changes them. */
const LLAMA3_MERGES = llama3Merges();
const LLAMA3_VOCABULARY = Object.fromEntries(
  llama3Tokens()
    .slice(0, 128000)
    .map((text, id) => [text, id]),
);

/** The tokenizer.json of Llama 3, as published. */
function llama3Json(): Json & { model: Json } {
  const tokens = llama3Tokens();
  const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false };
  const split = { type: 'Split', pattern: { Regex: LLAMA3_PATTERN }, behavior: 'Isolated', invert: false };
  const single = [
    { SpecialToken: { id: '<|begin_of_text|>', type_id: 0 } },
    { Sequence: { id: 'A', type_id: 0 } },
  ];
  return {
    added_tokens: tokens.slice(128000).map((content, i) => ({ id: 128000 + i, content, special: true })),
    normalizer: null,
    pre_tokenizer: { type: 'Sequence', pretokenizers: [split, byteLevel] },
    post_processor: { type: 'Sequence', processors: [byteLevel, { type: 'TemplateProcessing', single }] },
    model: {
      type: 'BPE',
      ignore_merges: true,
      vocab: LLAMA3_VOCABULARY,
      merges: LLAMA3_MERGES,
    },
  };
}

const CONFIG = {
  bos_token: '<|begin_of_text|>',
  eos_token: { content: '<|end_of_text|>' },
  chat_template: 'own',
};

function tokenizerFrom(json: unknown, config: unknown = CONFIG, extras: JsonSpecExtras = {}): Tokenizer {
  return new Tokenizer(tokenizerSpecFromJson(json, config, extras));
}

describe('a byte-level tokenizer.json', () => {
  const spec = tokenizerSpecFromJson(llama3Json(), CONFIG, {
    generationConfig: { eos_token_id: [128001, 128009] },
  });

  it('gives the ids of an independent encoder', () => {
    const tokenizer = new Tokenizer(spec);
    for (const text of sampleTexts(samples(500), 11))
      expect(tokenizer.encode(text)).toEqual(encodeIndependently(text));
    expect(tokenizer.endIds).toEqual(llama3Tokenizer().endIds);
  });

  it('says what begins and ends', () => {
    expect(spec).toMatchObject({ bosId: 128000, eosId: 128001, endIds: [128001, 128009], addBos: true });
    expect(spec.chatTemplate).toBe('own');
    const config = {
      ...CONFIG,
      add_bos_token: false,
      chat_template: [{ name: 'default', template: 'other' }],
    };
    expect(tokenizerSpecFromJson(llama3Json(), config)).toMatchObject({
      addBos: false,
      chatTemplate: 'other',
    });
  });

  it('ends an answer at a token that only generation_config.json names, and at one by its name', () => {
    const json = llama3Json();
    json.added_tokens = [
      ...(json.added_tokens as object[]),
      { id: 128256, content: '<|im_end|>', special: false },
      { id: 128257, content: '<turn>', special: false },
    ];
    const tokenizer = tokenizerFrom(json, CONFIG, { generationConfig: { eos_token_id: 128257 } });
    expect([128256, 128257].map((id) => tokenizer.endIds.has(id))).toEqual([true, true]);
    expect(tokenizer.decode([128256, 128257])).toBe('');
  });

  it('takes merges written as pairs, and normalises where it says so', () => {
    const json = llama3Json();
    json.model.merges = LLAMA3_MERGES.map((pair) => pair.split(' '));
    json.normalizer = { type: 'NFC' };
    expect(tokenizerFrom(json).encode('e\u0301')).toEqual(encodeIndependently('é'));
  });

  it('distinguishes added tokens that are text, and fills the rows of the embedding', () => {
    const json = llama3Json();
    json.added_tokens = [
      ...(json.added_tokens as object[]),
      { id: 128256, content: '<think>', special: false },
    ];
    const tokenizer = tokenizerFrom(json, CONFIG, { vocabularySize: 128260 });
    expect(tokenizer.vocabularySize).toBe(128260);
    expect(tokenizer.encode('<think>')).toEqual([128256]);
    expect(tokenizer.decode([128256, 128259])).toBe('<think>');
  });

  it.each([
    ['no object', null, CONFIG, 'corrupt-file'],
    ['no vocabulary', { ...llama3Json(), model: { type: 'BPE', merges: [] } }, CONFIG, 'corrupt-file'],
    ['an end that is no token', llama3Json(), { ...CONFIG, eos_token: '<nope>' }, 'corrupt-file'],
    [
      'another model',
      { ...llama3Json(), model: { type: 'Unigram', vocab: {} } },
      CONFIG,
      'unsupported-tokenizer',
    ],
    [
      'another normalizer',
      { ...llama3Json(), normalizer: { type: 'Lowercase' } },
      CONFIG,
      'unsupported-tokenizer',
    ],
    [
      'no ByteLevel',
      { ...llama3Json(), pre_tokenizer: { type: 'Whitespace' } },
      CONFIG,
      'unsupported-tokenizer',
    ],
    [
      'a split that is not kept',
      {
        ...llama3Json(),
        pre_tokenizer: {
          type: 'Sequence',
          pretokenizers: [
            { type: 'Split', pattern: { Regex: 'a' }, behavior: 'Removed' },
            { type: 'ByteLevel' },
          ],
        },
      },
      CONFIG,
      'unsupported-tokenizer',
    ],
  ])('is refused: %s', (_, json, config, code) => {
    expect(() => tokenizerSpecFromJson(json, config)).toThrow(expect.objectContaining({ code }));
  });
});

/** A small tokenizer.json with these steps before `ByteLevel`. */
function withSplits(...patterns: string[]): Json {
  const splits = patterns.map((Regex) => ({ type: 'Split', pattern: { Regex }, behavior: 'Isolated' }));
  const byteLevel = { type: 'ByteLevel', add_prefix_space: false, use_regex: false };
  return {
    pre_tokenizer: { type: 'Sequence', pretokenizers: [...splits, byteLevel] },
    model: { type: 'BPE', vocab: { a: 0 }, merges: [] },
  };
}

describe('the patterns of a tokenizer.json', () => {
  // As published: the files themselves have these strings. Each word list is what the pattern means, worked out by hand.
  const SPACES = '\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+';
  const UPPER = '[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]';
  const LOWER = '[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]';
  const O200K =
    `[^\\r\\n\\p{L}\\p{N}]?${UPPER}*${LOWER}+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|` +
    `[^\\r\\n\\p{L}\\p{N}]?${UPPER}+${LOWER}*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|` +
    `\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|${SPACES}`;
  const QWEN_3_5 =
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}|" +
    ` ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|${SPACES}`;
  // This one has a carriage return and a newline where the others have escapes.
  const DEEPSEEK =
    '[!"#$%&\'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+|' +
    ' ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+';

  it.each([
    ['Llama 3', LLAMA3_PATTERN, "It'S 1234 words!", ['It', "'S", ' ', '123', '4', ' words', '!']],
    ['Qwen', LLAMA3_PATTERN.replace('{1,3}', ''), 'a 12', ['a', ' ', '1', '2']],
    ['Qwen3.5', QWEN_3_5, 'e\u0301 ok', ['e\u0301', ' ok']],
    ['o200k', O200K, "someWords aren'T", ['some', 'Words', " aren'T"]],
    ['DeepSeek', DEEPSEEK, 'a.b c\n\nd', ['a', '.b', ' c', '\n\n', 'd']],
    ['DeepSeek, Chinese', '[一-龥\u3040-ゟ゠-ヿ]+', 'a你好b', ['你好']],
  ])('are known where files have them: %s', (_, pattern, text, words) => {
    const [own] = tokenizerSpecFromJson(withSplits(pattern), {}).wordPatterns;
    expect(text.match(new RegExp(own!, 'gu'))).toEqual(words);
  });

  it.each(['(?:a+)+b', `(${'a|'.repeat(10_000)}b)*c`])(
    'are refused by name where no file is known to have them',
    (pattern) => {
      const refusal: unknown = expect.objectContaining({
        code: 'unsupported-tokenizer',
        message: expect.stringContaining(pattern.slice(0, 100)) as unknown,
      });
      expect(() => tokenizerSpecFromJson(withSplits(pattern), {})).toThrow(refusal);
      expect(() => tokenizerSpecFromJson(withSplits(pattern), {})).toThrow(/^.{0,400}$/s);
    },
  );

  it('are refused where there are more of them than any tokenizer needs', () => {
    const many = withSplits(...Array.from({ length: 1000 }, () => LLAMA3_PATTERN));
    expect(() => tokenizerSpecFromJson(many, {})).toThrow(
      expect.objectContaining({ code: 'unsupported-tokenizer' }),
    );
  });
});

describe('a SentencePiece tokenizer.json', () => {
  it('gives the ids of an independent encoder', () => {
    const tokenizer = tokenizerFrom(llama2Json(), {
      bos_token: '<s>',
      eos_token: '</s>',
      add_bos_token: true,
    });
    for (const text of sampleTexts(samples(500), 13, 10)) {
      const wellFormed = text.replace(/[\uD800-\uDFFF]/gu, '\uFFFD');
      expect(tokenizer.encode(text), JSON.stringify(text)).toEqual(llama.encode(wellFormed, false, true));
    }
    expect(tokenizer.endIds).toEqual(new Set([2]));
    expect(tokenizer.encode('<0x0A>', { parseSpecial: true })).not.toContain(13);
  });
});

/** The tokenizer.json of Llama 2, as published. */
function llama2Json(): Json {
  const replace = { type: 'Replace', pattern: { String: ' ' }, content: '▁' };
  const merges = Array.from(llama.merges).sort(([, a], [, b]) => a - b);
  return {
    added_tokens: ['<unk>', '<s>', '</s>'].map((content, id) => ({ id, content, special: true })),
    normalizer: { type: 'Sequence', normalizers: [{ type: 'Prepend', prepend: '▁' }, replace] },
    pre_tokenizer: null,
    post_processor: null,
    model: {
      type: 'BPE',
      unk_token: '<unk>',
      byte_fallback: true,
      vocab: Object.fromEntries(llama.vocabById.map((text, id) => [text, id])),
      merges: merges.map(([pair]) => pair),
    },
  };
}
