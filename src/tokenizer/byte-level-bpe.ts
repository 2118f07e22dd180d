// Byte-level BPE: turns plain text into ids for vocabularies of the GPT-2 kind.
import { SequencePreTokenizer } from '@huggingface/tokenizers';
import { mergeSymbols } from './merging';
import { isTextType, type TokenizerSpec } from './spec';
import { TextIndex } from './text-index';

/** Turns text without special tokens into ids. */
export interface TextModel {
  encode(text: string): number[];
}

/**
 * A byte-level BPE model. Control tokens are left out of its vocabulary, so that no plain text can become one, not even
 * where the model takes whole words that are tokens.
 *
 * Words are cut by @huggingface/tokenizers, which gives Unicode's meaning to `\s` and the like. It does not do the
 * merging: for the 280,000 merges of Llama 3 it holds 76 MB and needs 120 MB on the way, more than loading may take.
 * The merges as the file has them, with an index, come to a tenth of that.
 */
export function createByteLevelBpe(spec: TokenizerSpec): TextModel {
  const words = createWordSplitter(spec.wordPatterns);
  const ids = new TextIndex(spec.tokens, (id) => isTextType(spec.tokenTypes[id]), 'last');
  const ranks = new TextIndex(spec.merges);
  const priorityOf = (left: string, right: string): number | undefined => {
    const rank = ranks.get(`${left} ${right}`);
    return rank === undefined ? undefined : -rank;
  };
  const encodeWord = (word: string): number[] => {
    const whole = spec.ignoreMerges ? ids.get(word) : undefined;
    if (whole !== undefined) return [whole];
    const pieces = mergeSymbols(Array.from(word), priorityOf);
    // A byte that the vocabulary does not have is left out, as in llama.cpp.
    return pieces.map((piece) => ids.get(piece)).filter((id) => id !== undefined);
  };
  return { encode: (text) => words.pre_tokenize(text).flatMap(encodeWord) };
}

/** Cuts text into words and writes their bytes in the byte-level alphabet. */
function createWordSplitter(patterns: readonly string[]): SequencePreTokenizer {
  return new SequencePreTokenizer({
    type: 'Sequence',
    pretokenizers: [
      ...patterns.map((pattern) => ({
        type: 'Split' as const,
        pattern: { Regex: pattern },
        behavior: 'Isolated' as const,
      })),
      { type: 'ByteLevel', add_prefix_space: false, use_regex: false },
    ],
  });
}
