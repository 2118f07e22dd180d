// Text to ids and back with the embedded model's byte-level vocabulary.
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Tokenizer } from '../../../src/tokenizer';
import { fixture, tinySpec, tinyTokenizer } from '../../support/tiny-tokenizer';

const tokenizer = tinyTokenizer();
const goldenIds = fixture('tokenize.json') as { text: string; ids: number[] }[];
const [BOS, EOS, EOT] = [1533, 1534, 1535];

describe('encode', () => {
  // Ids of an independent llama.cpp build.
  it.each(goldenIds)('gives the ids of llama.cpp for $text', (c) => {
    expect(tokenizer.encode(c.text)).toEqual(c.ids);
  });

  it('takes special tokens in plain text for text, unless told to parse them', () => {
    expect(tokenizer.encode('a<|eot_id|>')).not.toContain(EOT);
    expect(tokenizer.decode(tokenizer.encode('a<|eot_id|>'))).toBe('a<|eot_id|>');
    expect(tokenizer.encode('<|eot_id|>a<|eot_id|><|eot_id|>', { parseSpecial: true })).toEqual([
      EOT,
      64,
      EOT,
      EOT,
    ]);
  });

  it('puts the begin-of-text token in front on demand', () => {
    expect(tokenizer.encode('a', { addBos: true })).toEqual([BOS, 64]);
    expect(tokenizer.encode('', { addBos: true })).toEqual([BOS]);
    expect(tokenizer.encode('')).toEqual([]);
  });

  it('takes an unpaired surrogate for U+FFFD', () => {
    const replaced = tokenizer.encode('a\uFFFDb');
    expect(tokenizer.encode('a\uD800b')).toEqual(replaced);
    expect(tokenizer.encode('a\uDC00b')).toEqual(replaced);
    expect(tokenizer.decode(tokenizer.encode('\u{1F600}'))).toBe('\u{1F600}');
  });

  it('makes control tokens of no plain text, even if the model takes whole words', () => {
    const spec = tinySpec();
    const forged = new Tokenizer({ ...spec, tokens: spec.tokens.with(EOT, 'hello'), ignoreMerges: true });
    expect(forged.encode('hello')).not.toContain(EOT);
    expect(forged.encode('hello', { parseSpecial: true })).toEqual([EOT]);
  });

  it('always recognises user-defined tokens', () => {
    const spec = tinySpec();
    const tokenTypes = Array.from(spec.tokenTypes).with(EOT, 4);
    const defined = new Tokenizer({ ...spec, tokenTypes, tokens: spec.tokens.with(EOT, '<think>') });
    expect(defined.encode('a<think>')).toEqual([64, EOT]);
    expect(defined.decode([64, EOT])).toBe('a<think>');
    expect(defined.isSpecial(EOT)).toBe(false);
  });
});

describe('decode', () => {
  it('gives back any text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
      }),
    );
  });

  it('gives control tokens no text unless they are to be rendered', () => {
    expect(tokenizer.decode([BOS, 64, EOT])).toBe('a');
    expect(tokenizer.decode([BOS, 64, EOT], { renderSpecial: true })).toBe('<|begin_of_text|>a<|eot_id|>');
  });

  it('keeps a byte order mark', () => {
    expect(tokenizer.decode(tokenizer.encode('\uFEFFa'))).toBe('\uFEFFa');
  });

  it('refuses an id outside the vocabulary', () => {
    expect(() => tokenizer.decode([1536])).toThrow(expect.objectContaining({ code: 'invalid-argument' }));
  });
});

describe('the vocabulary', () => {
  it('knows its size and its special tokens', () => {
    expect(tokenizer.vocabularySize).toBe(1536);
    expect(tokenizer.bosId).toBe(BOS);
    expect(tokenizer.endIds).toEqual(new Set([EOS, EOT]));
    expect([BOS, EOS, EOT, 64].map((id) => tokenizer.isSpecial(id))).toEqual([true, true, true, false]);
    expect(tokenizer.specialId('<|eot_id|>')).toBe(EOT);
    expect(tokenizer.specialId('a')).toBeUndefined();
  });

  it('covers every byte: the first 256 tokens are the bytes', () => {
    const bytes = Array.from({ length: 256 }, (_, id) => tokenizer.tokenBytes(id)).flatMap((b) =>
      Array.from(b),
    );
    expect(new Set(bytes).size).toBe(256);
  });
});
