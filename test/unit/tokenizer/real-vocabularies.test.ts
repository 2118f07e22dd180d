// Real vocabularies, against encoders that share no code with ours: packages of their own, and a plain BPE below.
import llama from 'llama-tokenizer-js';
import { afterAll, describe, expect, it } from 'vitest';
import {
  StreamingDetokenizer,
  Tokenizer,
  tokenizerSpecFromGguf,
  tokenizerSpecFromJson,
  type TokenizerSpec,
} from '../../../src/tokenizer';
import {
  encodeIndependently,
  llama3Merges,
  llama3Tokenizer,
  llama3Tokens,
} from '../../support/llama3-vocabulary';
import { samples } from '../../support/effort';
import { generator, sampleTexts } from '../../support/sample-texts';
import { gpt2Vocabulary, qwenVocabulary, readQwenJson } from '../../support/tiktoken-vocabularies';

/** One long word, nothing but spaces, nothing but emoji: what a quadratic encoder would take hours for. */
const ADVERSARIAL = ['a', 'ab', ' ', '\n', '😀', '<|'];

function wellFormed(text: string): string {
  return text.replace(/[\uD800-\uDFFF]/gu, '\uFFFD');
}

/** What a stream of `ids` says, piece by piece. */
function streamed(tokenizer: Tokenizer, ids: readonly number[]): string {
  const detokenizer = new StreamingDetokenizer(tokenizer);
  return ids.map((id) => detokenizer.push(id)).join('') + detokenizer.flush();
}

describe('the sample texts', () => {
  const kinds: [string, RegExp][] = [
    ['emoji', /\p{Emoji_Presentation}/u],
    ['CJK', /\p{Script=Han}|\p{Script=Hiragana}|\p{Script=Hangul}/u],
    ['Arabic', /\p{Script=Arabic}/u],
    ['code', /\{\};|__init__|!=/],
    ['digits', /\d{4}/],
    ['runs of spaces', / {4}/],
    ['newlines', /\r\n|\n\n/],
    ['contractions', /'(t|ve|LL)/],
    ['unpaired surrogates', /[\uD800-\uDFFF]/u],
  ];

  it.each(kinds)('have %s', (_kind, pattern) => {
    expect(sampleTexts(2000).filter((text) => pattern.test(text)).length).toBeGreaterThan(50);
  });
});

describe.each([
  ['Qwen 2.5', qwenVocabulary],
  ['GPT-2', gpt2Vocabulary],
])('the vocabulary of %s', (_name, read) => {
  const { metadata, independent } = read();
  const tokenizer = new Tokenizer(tokenizerSpecFromGguf((key) => metadata.get(key)));
  afterAll(() => independent.free());

  it('gives the ids of an independent encoder for many texts, and their text back, streamed or at once', () => {
    for (const text of sampleTexts(samples(2000), 17)) {
      const ids = tokenizer.encode(text);
      expect(ids, JSON.stringify(text)).toEqual([...independent.encode_ordinary(wellFormed(text))]);
      expect(tokenizer.decode(ids)).toBe(wellFormed(text));
      expect(streamed(tokenizer, ids)).toBe(wellFormed(text));
    }
  });

  it('streams any ids to the text of all their bytes', () => {
    const next = generator(23);
    for (let i = 0; i < samples(500); i++) {
      const ids = Array.from({ length: 1 + next(40) }, () => next(tokenizer.vocabularySize));
      const bytes = ids.flatMap((id) => (tokenizer.isSpecial(id) ? [] : [...tokenizer.tokenBytes(id)]));
      const expected = new TextDecoder('utf-8', { ignoreBOM: true }).decode(Uint8Array.from(bytes));
      expect(tokenizer.decode(ids)).toBe(expected);
      expect(streamed(tokenizer, ids)).toBe(expected);
    }
  });
});

describe('the tokenizer.json of Qwen 2.5', () => {
  const { independent } = qwenVocabulary();
  afterAll(() => independent.free());

  it('gives the ids of an independent encoder for many texts, which it normalises first', () => {
    const spec = tokenizerSpecFromJson(readQwenJson(), { eos_token: '<|im_end|>' });
    const tokenizer = new Tokenizer(spec);
    for (const text of sampleTexts(samples(2000), 19)) {
      const normal = wellFormed(text).normalize('NFC');
      expect(tokenizer.encode(text), JSON.stringify(text)).toEqual([...independent.encode_ordinary(normal)]);
    }
    expect([...tokenizer.endIds].map((id) => tokenizer.tokenText(id)).sort()).toEqual([
      '<|endoftext|>',
      '<|im_end|>',
    ]);
  });
});

describe('the vocabulary of Llama 3', () => {
  const tokenizer = llama3Tokenizer();

  it('gives the ids of an independent encoder for many texts, and their text back', () => {
    for (const text of sampleTexts(samples(2000))) {
      const ids = tokenizer.encode(text);
      expect(ids, JSON.stringify(text)).toEqual(encodeIndependently(text));
      expect(tokenizer.decode(ids)).toBe(wellFormed(text));
      expect(streamed(tokenizer, ids)).toBe(wellFormed(text));
    }
  });

  it('ends answers at every end token it has', () => {
    const texts = Array.from(tokenizer.endIds, (id) => tokenizer.tokenText(id));
    expect(texts.sort()).toEqual(['<|end_of_text|>', '<|eom_id|>', '<|eot_id|>']);
    expect(tokenizer.addBos).toBe(true);
  });

  it('encodes 100 kB, even without a space in it', () => {
    const varied = sampleTexts(2000, 7).join('').slice(0, 100_000);
    for (const text of [varied, ...ADVERSARIAL.map((unit) => unit.repeat(100_000 / unit.length))]) {
      expect(tokenizer.decode(tokenizer.encode(text))).toBe(wellFormed(text));
    }
  });
});

describe('the pre-tokenizers', () => {
  const marks = String.raw` ?[^\p{White_Space}\p{L}\p{N}]+[\r\n]*|\p{White_Space}*[\r\n]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+`;
  const contraction = "'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD]";
  const letters = String.raw`[^\r\n\p{L}\p{N}]?\p{L}+`;
  const gpt2 = String.raw`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+`;
  const rules: Record<string, string[]> = {
    qwen2: [`${contraction}|${letters}|\\p{N}|${marks}`],
    'gpt-2': [gpt2],
    falcon: ['[\\p{P}$+<=>^~|`]+', gpt2, '[0-9]{3}'],
  };

  it.each(Object.keys(rules))('%s gives the ids of a plain BPE on words cut by its rules', (pre) => {
    const tokenizer = llama3Tokenizer({ pre });
    const reference = plainBpe(rules[pre]!.map((rule) => new RegExp(rule, 'gu')));
    for (const text of sampleTexts(samples(300), 3)) {
      expect(tokenizer.encode(text), JSON.stringify(text)).toEqual(reference(wellFormed(text)));
    }
  });

  it('cut numbers each in their own way', () => {
    expect(pieces('llama-bpe', '12345')).toEqual(['123', '45']);
    expect(pieces('falcon3', '12345')).toEqual(['123', '45']);
    expect(pieces('qwen2', '12345')).toEqual(['1', '2', '3', '4', '5']);
  });

  it('count U+0085 as a space and U+FEFF as a mark, as Unicode does and JavaScript does not', () => {
    const tokenizer = llama3Tokenizer({ pre: 'qwen2' });
    const reference = plainBpe([new RegExp(rules.qwen2![0]!, 'gu')]);
    for (const text of ['a\u0085\u0085b', 'a \uFEFFb', '\uFEFF\uFEFF !']) {
      expect(tokenizer.encode(text)).toEqual(reference(text));
    }
  });
});

describe('the vocabulary of Llama 2', () => {
  const tokenizer = new Tokenizer(llama2Spec());

  it('gives the ids of an independent encoder for many texts, and their text back', () => {
    for (const text of sampleTexts(samples(2000), 5, 12)) {
      const expected = wellFormed(text);
      const ids = tokenizer.encode(text);
      expect(ids, JSON.stringify(text)).toEqual(llama.encode(expected, false, true));
      expect(tokenizer.decode(ids, { trimSpacePrefix: true })).toBe(expected);
      expect(tokenizer.decode(ids)).toBe(` ${expected}`);
      expect(streamed(tokenizer, ids)).toBe(` ${expected}`);
    }
  });

  it('puts no space in front if the file says so', () => {
    const bare = new Tokenizer({ ...llama2Spec(), addSpacePrefix: false });
    expect(bare.encode('Hello world')).toEqual(llama.encode('Hello world', false, false));
  });

  it('makes neither control nor byte tokens of their spelling', () => {
    const ids = tokenizer.encode('<s></s><unk><0x0A>');
    expect(ids.filter((id) => id < 259)).toEqual([]);
    expect(tokenizer.encode('<s>', { parseSpecial: true })).toEqual([1]);
  });

  it('encodes 100 kB, even without a space in it', () => {
    for (const unit of ['The quick brown fox, 1234. ', ...ADVERSARIAL]) {
      const text = unit.repeat(100_000 / unit.length);
      expect(tokenizer.decode(tokenizer.encode(text), { trimSpacePrefix: true })).toBe(text);
    }
  });
});

function pieces(pre: string, text: string): string[] {
  const tokenizer = llama3Tokenizer({ pre });
  return tokenizer.encode(text).map((id) => tokenizer.decode([id]));
}

/**
 * The published vocabulary of Llama 2: 3 special tokens, 256 bytes, then pieces in the order of their scores, but for runs
 * of spaces, which all have the same score below any other.
 */
function llama2Spec(): TokenizerSpec {
  const tokens = llama.vocabById;
  const types = tokens.map((_, id) => (id === 0 ? 2 : id < 3 ? 3 : id < 259 ? 6 : 1));
  const metadata = new Map<string, unknown>([
    ['tokenizer.ggml.model', 'llama'],
    ['tokenizer.ggml.tokens', tokens],
    ['tokenizer.ggml.token_type', types],
    ['tokenizer.ggml.scores', Float32Array.from(tokens, llama2Score)],
  ]);
  return tokenizerSpecFromGguf((key) => metadata.get(key));
}

function llama2Score(text: string, id: number): number {
  if (id < 259) return 0;
  return /^\u2581{2,}$/.test(text) ? -1e9 : 259 - id;
}

/** BPE from its definition: merge the best-ranked neighbours until none are left, word by word. */
function plainBpe(patterns: readonly RegExp[]): (text: string) => number[] {
  const ranks = new Map(llama3Merges().map((pair, rank) => [pair, rank]));
  const ids = new Map(llama3Tokens().map((text, id) => [text, id]));
  return (text) =>
    patterns
      .reduce((words, pattern) => words.flatMap((word) => isolate(word, pattern)), [text])
      .flatMap((word) => mergeWord(spellBytes(word), ranks))
      .map((piece) => ids.get(piece)!);
}

function isolate(text: string, pattern: RegExp): string[] {
  const words: string[] = [];
  let end = 0;
  for (const match of text.matchAll(pattern)) {
    words.push(text.slice(end, match.index), match[0]);
    end = match.index + match[0].length;
  }
  return [...words, text.slice(end)].filter((word) => word !== '');
}

function isPrintable(byte: number): boolean {
  return (byte > 32 && byte < 127) || (byte > 160 && byte !== 173);
}

/** The bytes of a word in the alphabet of byte-level BPE: printable Latin-1 as it is, the others from U+0100 on. */
function spellBytes(word: string): string[] {
  const others = Array.from({ length: 256 }, (_, byte) => byte).filter((byte) => !isPrintable(byte));
  return Array.from(new TextEncoder().encode(word), (byte) =>
    String.fromCharCode(isPrintable(byte) ? byte : 256 + others.indexOf(byte)),
  );
}

function mergeWord(symbols: string[], ranks: ReadonlyMap<string, number>): string[] {
  for (;;) {
    const rankAt = symbols.slice(1).map((right, i) => ranks.get(`${symbols[i]} ${right}`) ?? Infinity);
    const best = Math.min(...rankAt);
    if (best === Infinity) return symbols;
    const at = rankAt.indexOf(best);
    symbols = [...symbols.slice(0, at), symbols[at]! + symbols[at + 1]!, ...symbols.slice(at + 2)];
  }
}
