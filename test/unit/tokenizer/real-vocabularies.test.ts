// Real vocabularies, against encoders that share no code with ours: packages of their own, and a plain BPE below.
import llama from 'llama-tokenizer-js';
import { describe, expect, it } from 'vitest';
import { Tokenizer, tokenizerSpecFromGguf, type TokenizerSpec } from '../../../src/tokenizer';
import { encodeIndependently, llama3Merges, llama3Tokenizer, llama3Tokens } from './llama3-vocabulary';
import { sampleTexts } from './samples';

describe('the vocabulary of Llama 3', () => {
  const tokenizer = llama3Tokenizer();

  it('gives the ids of an independent encoder for 2,000 texts, and their text back', () => {
    for (const text of sampleTexts(2000)) {
      const ids = tokenizer.encode(text);
      expect(ids, JSON.stringify(text)).toEqual(encodeIndependently(text));
      expect(tokenizer.decode(ids)).toBe(text.replace(/[\uD800-\uDFFF]/gu, '\uFFFD'));
    }
  });

  it('ends answers at every end token it has', () => {
    const texts = Array.from(tokenizer.endIds, (id) => tokenizer.tokenText(id));
    expect(texts.sort()).toEqual(['<|end_of_text|>', '<|eom_id|>', '<|eot_id|>']);
    expect(tokenizer.addBos).toBe(true);
  });

  it('encodes 100 kB in a moment, even without a space in it', () => {
    for (const text of [
      sampleTexts(2000, 7).join('').slice(0, 100_000),
      'ab'.repeat(50_000),
      ' '.repeat(100_000),
    ]) {
      const start = performance.now();
      expect(tokenizer.decode(tokenizer.encode(text))).toBe(text.replace(/[\uD800-\uDFFF]/gu, '\uFFFD'));
      expect(performance.now() - start).toBeLessThan(5000);
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
    for (const text of sampleTexts(300, 3)) {
      const wellFormed = text.replace(/[\uD800-\uDFFF]/gu, '\uFFFD');
      expect(tokenizer.encode(text), JSON.stringify(text)).toEqual(reference(wellFormed));
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

  it('gives the ids of an independent encoder for 2,000 texts, and their text back', () => {
    for (const text of sampleTexts(2000, 5, 12)) {
      const wellFormed = text.replace(/[\uD800-\uDFFF]/gu, '\uFFFD');
      const ids = tokenizer.encode(text);
      expect(ids, JSON.stringify(text)).toEqual(llama.encode(wellFormed, false, true));
      expect(tokenizer.decode(ids, { trimSpacePrefix: true })).toBe(wellFormed);
      expect(tokenizer.decode(ids)).toBe(` ${wellFormed}`);
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

  it('encodes 100 kB in a moment', () => {
    const text = 'The quick brown fox, 1234. '.repeat(4000);
    const start = performance.now();
    expect(tokenizer.decode(tokenizer.encode(text), { trimSpacePrefix: true })).toBe(text);
    expect(performance.now() - start).toBeLessThan(5000);
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
