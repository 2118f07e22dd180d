// SentencePiece BPE as llama.cpp does it: merges neighbours by the score of the piece they make, falls back to bytes.
import type { TextModel } from './byte-level-bpe';
import { mergeSymbols } from './merging';
import { isTextType, TokenType, type TokenizerSpec } from './spec';

/** How SentencePiece writes a space. */
export const SPACE_MARK = '\u2581';

/** The value of a byte token's text (`<0x0A>`), or undefined for any other text. */
export function byteOfByteToken(text: string): number | undefined {
  const match = /^<0x([0-9A-Fa-f]{2})>$/.exec(text);
  return match ? Number.parseInt(match[1]!, 16) : undefined;
}

/**
 * A SentencePiece model. Control, byte and other odd tokens are no pieces: plain text cannot become one by its spelling.
 * (@huggingface/tokenizers merges by rank, and cannot say that pieces of equal score are merged from left to right.)
 */
export function createSentencePiece(spec: TokenizerSpec): TextModel {
  const pieces = new Map<string, number>();
  const byteIds = new Map<number, number>();
  spec.tokens.forEach((text, id) => {
    const type = spec.tokenTypes[id];
    const byte = type === TokenType.byte ? byteOfByteToken(text) : undefined;
    if (byte !== undefined) byteIds.set(byte, id);
    else if (isTextType(type)) pieces.set(text, id);
  });
  const scoreOf = (left: string, right: string): number | undefined => {
    const id = pieces.get(left + right);
    return id === undefined ? undefined : spec.scores[id];
  };
  const spell = (text: string): number[] => {
    const ids = Array.from(new TextEncoder().encode(text), (byte) => byteIds.get(byte) ?? spec.unknownId);
    return ids.filter((id) => id !== undefined);
  };
  return {
    encode(text) {
      const escaped = (spec.addSpacePrefix ? ' ' : '') + text;
      const merged = mergeSymbols(Array.from(escaped.replaceAll(' ', SPACE_MARK)), scoreOf);
      return merged.flatMap((piece) => pieces.get(piece) ?? spell(piece));
    },
  };
}
