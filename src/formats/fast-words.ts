// Fast conversions to canonical words: sixteen codes at a time by arithmetic on whole words, no loop over codes.
// They need rows that are whole blocks (I2_S: a multiple of 32 columns). `plainWords` does the same for any row length.
//
// A canonical word has, in byte b at bits 2k+1..2k, the code of element 4k+b. Four source bytes as one word with codes
// in the same two bits of each byte are therefore elements 4k..4k+3 of some word, for one k.

import { bitIndex, chunkCount, rowStart, wordIndex } from './canonical';
import { CODE_READERS, type CodeReader } from './codes';
import type { TernaryEncoding } from './encodings';
import { asInt32, asUint16 } from './views';

/** Converts `rows` rows of `cols` codes at the beginning of `bytes`; padding in `out` is left as it is. */
export type WordConverter = (bytes: Uint8Array, rows: number, cols: number, out: Int32Array) => void;

/** The best way for an encoding and a row length. */
export function wordConverter(encoding: TernaryEncoding, cols: number): WordConverter {
  return fastConverter(encoding, cols) ?? plainWords(encoding);
}

/** The way by whole words, where there is one. */
export function fastConverter(encoding: TernaryEncoding, cols: number): WordConverter | undefined {
  return FAST.find((way) => way.encoding === encoding && cols % way.cols === 0)?.convert;
}

// `cols`: what the row length must be a multiple of.
const FAST: readonly { encoding: TernaryEncoding; cols: number; convert: WordConverter }[] = [
  { encoding: 'I2_S', cols: 128, convert: i2sWords },
  { encoding: 'I2_S', cols: 32, convert: i2sHalfChunks },
  { encoding: 'TQ1_0', cols: 256, convert: tq1Words },
  { encoding: 'TQ2_0', cols: 256, convert: tq2Words },
  { encoding: 'Q2_0', cols: 64, convert: (bytes, rows, cols, out) => q2Words(bytes, rows, cols, out, 9) },
  { encoding: 'Q2_0_128', cols: 128, convert: wideQ2Words },
  { encoding: 'PQ2_0', cols: 128, convert: wideQ2Words },
];

/** Q2_0 in blocks of 128. */
function wideQ2Words(bytes: Uint8Array, rows: number, cols: number, out: Int32Array): void {
  q2Words(bytes, rows, cols, out, 17);
}

/** Code by code, for rows of any length; blocks may begin anywhere in a row. */
export function plainWords(encoding: TernaryEncoding): WordConverter {
  const read = CODE_READERS[encoding];
  return (bytes, rows, cols, out) => convertPlainly(read, bytes, rows, cols, out);
}

function convertPlainly(
  read: CodeReader,
  bytes: Uint8Array,
  rows: number,
  cols: number,
  out: Int32Array,
): void {
  for (let row = 0; row < rows; row++) {
    for (let col = 0; col < cols; col++) {
      const at = wordIndex(row, col, cols);
      const bit = bitIndex(col);
      out[at] = (out[at]! & ~(3 << bit)) | (read(bytes, row * cols + col) << bit);
    }
  }
}

/**
 * Four words with the codes of field f (bits 2f+1..2f) of each belonging together become four words at `at0`…`at3`:
 * field k of the word at `at<f>` is field f of word k. A 4x4 transposition, in every byte, by two rounds of swaps.
 */
function transpose(
  out: Int32Array,
  at0: number,
  at1: number,
  at2: number,
  at3: number,
  s0: number,
  s1: number,
  s2: number,
  s3: number,
): void {
  const t0 = ((s0 >>> 2) ^ s1) & 0x33333333;
  const t1 = ((s2 >>> 2) ^ s3) & 0x33333333;
  const a = s0 ^ (t0 << 2);
  const b = s1 ^ t0;
  const c = s2 ^ (t1 << 2);
  const d = s3 ^ t1;
  const u0 = ((a >>> 4) ^ c) & 0x0f0f0f0f;
  const u1 = ((b >>> 4) ^ d) & 0x0f0f0f0f;
  out[at0] = a ^ (u0 << 4);
  out[at1] = b ^ (u1 << 4);
  out[at2] = c ^ u0;
  out[at3] = d ^ u1;
}

// I2_S: byte m of a block has elements m, 32+m, 64+m, 96+m in fields 3, 2, 1, 0. Words 0-3 of the eight are m = 0..15,
// hence the first word of each 32 elements, and words 4-7 the second.
function i2sWords(bytes: Uint8Array, rows: number, cols: number, out: Int32Array): void {
  const source = asInt32(bytes);
  let s = 0;
  for (let row = 0; row < rows; row++) {
    let at = rowStart(row, cols);
    for (let col = 0; col < cols; col += 128, at += 64, s += 8) {
      transpose(
        out,
        at + 34,
        at + 32,
        at + 2,
        at,
        source[s]!,
        source[s + 1]!,
        source[s + 2]!,
        source[s + 3]!,
      );
      transpose(
        out,
        at + 35,
        at + 33,
        at + 3,
        at + 1,
        source[s + 4]!,
        source[s + 5]!,
        source[s + 6]!,
        source[s + 7]!,
      );
    }
  }
}

// I2_S where a row may begin inside a block, but at one of its quarters of 32 elements, which are two words.
function i2sHalfChunks(bytes: Uint8Array, rows: number, cols: number, out: Int32Array): void {
  const source = asInt32(bytes);
  let element = 0;
  for (let row = 0; row < rows; row++) {
    const start = rowStart(row, cols);
    for (let col = 0; col < cols; col += 32, element += 32) {
      const s = (element >> 7) * 8;
      const shift = 6 - ((element >> 5) & 3) * 2;
      const at = start + (col >> 6) * 32 + ((col >> 4) & 3);
      out[at] = gather(source, s, shift);
      out[at + 1] = gather(source, s + 4, shift);
    }
  }
}

/** One canonical word from the same field, at `shift`, of four source words. */
export function gather(source: Int32Array, s: number, shift: number): number {
  return (
    ((source[s]! >>> shift) & 0x03030303) |
    (((source[s + 1]! >>> shift) & 0x03030303) << 2) |
    (((source[s + 2]! >>> shift) & 0x03030303) << 4) |
    (((source[s + 3]! >>> shift) & 0x03030303) << 6)
  );
}

// TQ2_0: as I2_S, with the fields in the other order, and a scale (one of 33 shorts) after two groups of 128.
function tq2Words(bytes: Uint8Array, rows: number, cols: number, out: Int32Array): void {
  const source = asUint16(bytes);
  let s = 0;
  for (let row = 0; row < rows; row++) {
    let at = rowStart(row, cols);
    for (let col = 0; col < cols; col += 256, at += 128, s += 33) {
      tq2Quarter(source, s, out, at);
      tq2Quarter(source, s + 8, out, at + 1);
      tq2Quarter(source, s + 16, out, at + 64);
      tq2Quarter(source, s + 24, out, at + 65);
    }
  }
}

function tq2Quarter(source: Uint16Array, s: number, out: Int32Array, at: number): void {
  const s0 = source[s]! | (source[s + 1]! << 16);
  const s1 = source[s + 2]! | (source[s + 3]! << 16);
  const s2 = source[s + 4]! | (source[s + 5]! << 16);
  const s3 = source[s + 6]! | (source[s + 7]! << 16);
  transpose(out, at, at + 2, at + 32, at + 34, s0, s1, s2, s3);
}

// Q2_0: a scale, then four consecutive codes a byte. A word of four bytes has element 4k+b in byte k, field b: exchange
// byte and field, each a number of two bits, bit by bit. `shorts`: 16-bit numbers of a block.
function q2Words(bytes: Uint8Array, rows: number, cols: number, out: Int32Array, shorts: number): void {
  const source = asUint16(bytes);
  const chunks = chunkCount(cols);
  let s = 0;
  for (let row = 0; row < rows; row++) {
    let at = rowStart(row, cols);
    for (let chunk = 0; chunk < chunks; chunk++, at += 32) {
      if (s % shorts === 0) s++; // the scale
      for (let j = 0; j < 4; j++, s += 2) out[at + j] = exchange(source[s]! | (source[s + 1]! << 16));
    }
  }
}

function exchange(word: number): number {
  const t = (word ^ (word >>> 6)) & 0x00cc00cc;
  const half = word ^ t ^ (t << 6);
  const u = (half ^ (half >>> 12)) & 0x0000f0f0;
  return half ^ u ^ (u << 12);
}

// TQ1_0: five trits a byte, a fraction in base 3: times 3, the carry out of the byte is the next trit. Bytes 0-31 have
// elements 32n + m, bytes 32-47 have 160 + 16n + m, bytes 48-51 have 240 + 4n + m; then the scale (27 shorts in all).
function tq1Words(bytes: Uint8Array, rows: number, cols: number, out: Int32Array): void {
  const source = asUint16(bytes);
  let s = 0;
  for (let row = 0; row < rows; row++) {
    let at = rowStart(row, cols);
    for (let col = 0; col < cols; col += 256, at += 128, s += 27) {
      tq1Sixteen(source, s, out, at, 0, 2);
      tq1Sixteen(source, s + 8, out, at, 1, 2);
      tq1Sixteen(source, s + 16, out, at, 10, 1);
      out[at + 99] = tq1Last(source, s + 24);
    }
  }
}

const BYTES = 0x00ff00ff;
const LOW_CARRIES = 0x00030003;
const HIGH_CARRIES = 0x03000300;

/**
 * The five words that 16 bytes hold: words `word`, `word + step`, … of the sixteen of a block, whose first is at `at`.
 * Four bytes are computed in two registers, the even and the odd ones, each in 16 bits so that a carry has room.
 */
function tq1Sixteen(
  source: Uint16Array,
  s: number,
  out: Int32Array,
  at: number,
  word: number,
  step: number,
): void {
  let e0 = evenBytes(source[s]!, source[s + 1]!);
  let o0 = oddBytes(source[s]!, source[s + 1]!);
  let e1 = evenBytes(source[s + 2]!, source[s + 3]!);
  let o1 = oddBytes(source[s + 2]!, source[s + 3]!);
  let e2 = evenBytes(source[s + 4]!, source[s + 5]!);
  let o2 = oddBytes(source[s + 4]!, source[s + 5]!);
  let e3 = evenBytes(source[s + 6]!, source[s + 7]!);
  let o3 = oddBytes(source[s + 6]!, source[s + 7]!);
  for (let n = 0; n < 5; n++, word += step) {
    e0 = (e0 & BYTES) * 3;
    o0 = (o0 & BYTES) * 3;
    e1 = (e1 & BYTES) * 3;
    o1 = (o1 & BYTES) * 3;
    e2 = (e2 & BYTES) * 3;
    o2 = (o2 & BYTES) * 3;
    e3 = (e3 & BYTES) * 3;
    o3 = (o3 & BYTES) * 3;
    out[at + (word >> 2) * 32 + (word & 3)] =
      codes(e0, o0) | (codes(e1, o1) << 2) | (codes(e2, o2) << 4) | (codes(e3, o3) << 6);
  }
}

/** The last sixteen elements of a block: four bytes of four trits, trit n being field n. */
function tq1Last(source: Uint16Array, s: number): number {
  let even = evenBytes(source[s]!, source[s + 1]!);
  let odd = oddBytes(source[s]!, source[s + 1]!);
  let word = 0;
  for (let n = 0; n < 4; n++) {
    even = (even & BYTES) * 3;
    odd = (odd & BYTES) * 3;
    word |= codes(even, odd) << (2 * n);
  }
  return word;
}

function evenBytes(low: number, high: number): number {
  return (low & 255) | ((high & 255) << 16);
}

function oddBytes(low: number, high: number): number {
  return (low >> 8) | ((high >> 8) << 16);
}

/** Four codes as bytes, from the carries of the even and the odd bytes. */
function codes(even: number, odd: number): number {
  return ((even >>> 8) & LOW_CARRIES) | (odd & HIGH_CARRIES);
}
