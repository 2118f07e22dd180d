import { describe, expect, it } from 'vitest';
import {
  bitIndex,
  canonicalWords,
  codeAt,
  groupCount,
  scaleCount,
  scaleIndex,
  uniformScales,
  wordIndex,
} from '../../../src/formats/canonical';

describe('the canonical layout', () => {
  it.each([
    // rows, cols, words: 4 words a row and chunk of 64, rows padded to 8.
    [1, 1, 32],
    [8, 64, 32],
    [9, 65, 128],
    [2560, 6912, 1_105_920], // 2560 * 108 * 4: ffn_down of BitNet b1.58 2B4T
  ])('of [%i, %i] has %i words', (rows, cols, words) => {
    expect(canonicalWords(rows, cols)).toBe(words);
  });

  it('gives every code of a matrix its own two bits, and fills all words with them', () => {
    const [rows, cols] = [16, 192];
    const words = new Uint32Array(canonicalWords(rows, cols));
    for (let row = 0; row < rows; row++) {
      for (let col = 0; col < cols; col++) words[wordIndex(row, col, cols)]! += 3 * 2 ** bitIndex(col);
    }
    expect(words.every((word) => word === 0xffffffff)).toBe(true);
  });

  it('has four consecutive columns as bytes under one mask', () => {
    const words = new Uint32Array(canonicalWords(8, 64));
    // Row 3, columns 20..23 (word 1 of its four, k = 1) get codes 0, 1, 2, 3 in bytes 0..3 at bits 3-2.
    words[3 * 4 + 1] = (0 << 2) | (1 << 10) | (2 << 18) | (3 << 26);
    expect([20, 21, 22, 23].map((col) => codeAt(words, 3, col, 64))).toEqual([0, 1, 2, 3]);
    expect((words[3 * 4 + 1]! >>> 2) & 0x03030303).toBe(0x03020100);
  });

  it('has the scales of eight rows together, group by group', () => {
    expect(groupCount(300, 128)).toBe(3);
    expect(scaleCount(9, 300, 128)).toBe(16 * 3);
    expect(scaleCount(9, 300, 'row')).toBe(16);
    expect(scaleIndex(2, 0, 300, 128)).toBe(2);
    expect(scaleIndex(2, 127, 300, 128)).toBe(2);
    expect(scaleIndex(2, 128, 300, 128)).toBe(10);
    expect(scaleIndex(8, 299, 300, 128)).toBe(24 + 16);
    expect(scaleIndex(9, 299, 300, 'row')).toBe(9);
  });

  it('gives padding rows the scale 0', () => {
    expect([...uniformScales(9, 0.5)]).toEqual([
      0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0, 0, 0, 0, 0, 0, 0,
    ]);
  });
});
