// What the tests of src/formats share: repository files as sources, seeded random numbers, collected pieces.

import { readFileSync } from 'node:fs';
import { expect } from 'vitest';
import type { TernionErrorCode } from '../../../src/errors';
import { TernionError } from '../../../src/errors';
import { bytesSource, type ByteSource } from '../../../src/files/byte-source';
import { canonicalWords, scaleCount, type ScaleGroup } from '../../../src/formats/canonical';
import type { TernaryPiece } from '../../../src/formats/ternary';

/** A file of the repository. */
export function fileSource(path: string): ByteSource {
  return bytesSource(readFileSync(new URL(`../../../${path}`, import.meta.url)));
}

/** Expects a rejection with a `TernionError` of this code, whose message has `words` in it. */
export async function expectFailure(
  promise: Promise<unknown>,
  code: TernionErrorCode,
  words: string | RegExp = '',
): Promise<void> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(TernionError);
  expect((error as TernionError).code).toBe(code);
  expect((error as TernionError).message).toMatch(words);
}

/** Random numbers in [0, 1), the same for the same seed (mulberry32). */
export function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** `count` random codes below `codes`. */
export function randomCodes(count: number, seed: number, codes = 3): Uint8Array {
  const next = random(seed);
  return Uint8Array.from({ length: count }, () => Math.floor(next() * codes));
}

/** A canonical matrix put together from its pieces, each word and scale exactly once. */
export async function collect(
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
