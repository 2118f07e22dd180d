// Puts together what the decoders of ternary tensors give in pieces.
import { expect } from 'vitest';
import { canonicalWords, scaleCount, type ScaleGroup } from '../../src/formats/canonical';
import type { TernaryPiece } from '../../src/formats/ternary';

/** A canonical matrix put together from its pieces, each word and scale exactly once. */
export async function collectPieces(
  pieces: AsyncIterable<TernaryPiece>,
  rows: number,
  cols: number,
  group: ScaleGroup,
): Promise<{ words: Uint32Array; scales: Float32Array }> {
  const words = new Uint32Array(canonicalWords(rows, cols));
  const scales = new Float32Array(scaleCount(rows, cols, group)).fill(NaN);
  const written = new Uint8Array(words.length);
  for await (const piece of pieces) {
    expect(piece.firstRow % 8).toBe(0);
    const at = canonicalWords(piece.firstRow, cols);
    expect(piece.words.length === 0 || piece.words.length === canonicalWords(piece.rows, cols)).toBe(true);
    words.set(piece.words, at);
    scales.set(piece.scales, scaleCount(piece.firstRow, cols, group));
    for (let i = at; i < at + piece.words.length; i++) written[i]!++;
  }
  expect(written.every((times) => times === 1)).toBe(true);
  return { words, scales };
}
