// Rows of Q4_0, Q4_K and Q6_K as they lie in GPU memory: the numbers of the file, in an order that suits the kernels.
//
// A matrix [rows, cols] is padded to whole blocks of 8 rows and whole pieces of 64 columns. A weight is a small signed
// integer n times a scale; in Q4_K, whose codes are n + 8, a minimum is taken off:
//
//   Q4_0  w = d n                     d f16 for 32 columns                                    n of 4 bits
//   Q4_K  w = d a (n + 8) - m b       d, m f16 for 256 columns, a, b of 6 bits for 32 of them n of 4 bits
//   Q6_K  w = d a n                   d f16 for 256 columns, a int8 for 16 of them            n of 6 bits
//
// Codes are vectors of four words, [row blocks, pieces, planes, 8 rows], so that eight threads, a row each, read 128 bytes in
// one run. Column c of a piece is in chunk k = c >> 4, at byte b = c & 3 of word j = (c & 15) >> 2:
//
//   planes 0, 1  the upper four bits of n: chunks 0 and 1 in plane 0, 2 and 3 in plane 1, the even chunk in the lower half of
//                each byte. So `(word << 4) & 0xf0f0f0f0` and `word & 0xf0f0f0f0` are 16 n of four columns as signed bytes, as
//                dot4I8Packed takes them
//   plane 2      in Q6_K: the lower two bits of n, chunk k at bits 2k+1..2k of each byte. Moved to bits 3..2, beside the upper
//                four at bits 7..4, they make 4 n
//
// Scales are words, [row blocks, pieces, 8 rows] in Q4_0: d of the first 32 columns, and d of the others from bit 16 on. In the
// other two they are [row blocks, groups of 256 columns, 5, 8 rows]: four words, one for each piece of the group, and one with d,
// and m from bit 16 on. A piece's word has, from bit 0 on, (a, b) of its first 32 columns and (a, b) of the others in 6 bits each
// (Q4_K), or a of its four chunks as bytes (Q6_K). So a number takes 4.5, 4.625 and 6.625 bits. Padding is n = 0, d = 0.

import { throwIfAborted } from '../errors';
import type { ByteSource } from '../files/byte-source';
import { ROW_BLOCK, paddedRows } from './canonical';
import { ENCODINGS, type BlockEncoding } from './encodings';
import { q4kMinimum, q4kScale } from './floats';
import { areFiniteHalves } from './half';
import { matrixShape, type PieceOptions, type TernaryTensor } from './ternary';

/** Columns that lie together. */
const PIECE = 64;

/** Vectors of four words that hold a piece of a row. */
export const PLANES: Readonly<Record<BlockEncoding, number>> = { Q4_0: 2, Q4_K: 2, Q6_K: 3 };

/** How much a row takes. */
export interface BlockRowSize {
  /** Pieces of 64 columns. */
  pieces: number;
  /** Words of codes. */
  codes: number;
  /** Words of scales. */
  scales: number;
}

/** How much a row of `cols` columns takes, which are whole blocks of the encoding. */
export function blockRowSize(encoding: BlockEncoding, cols: number): BlockRowSize {
  const pieces = Math.ceil(cols / PIECE);
  return {
    pieces,
    codes: pieces * PLANES[encoding] * 4,
    scales: encoding === 'Q4_0' ? pieces : (pieces / 4) * 5,
  };
}

/** Bytes of a row of `cols` columns, scales included. */
export function blockRowBytes(encoding: BlockEncoding, cols: number): number {
  const { codes, scales } = blockRowSize(encoding, cols);
  return 4 * (codes + scales);
}

/**
 * A part of a matrix in this layout: `codes` belong at `firstRow` times the words of a row, and so do `scales`. `firstRow` is a
 * multiple of 8. The arrays are used again for the next piece: be done with them before asking for it.
 */
export interface BlockPiece {
  firstRow: number;
  /** Rows of the matrix, padding not counted. */
  rows: number;
  codes: Uint32Array;
  scales: Uint32Array;
}

/** Whether all d and m are finite numbers, and so all weights. */
export function areFiniteScales(encoding: BlockEncoding, { scales }: Pick<BlockPiece, 'scales'>): boolean {
  const halves = new Uint16Array(scales.buffer, scales.byteOffset, scales.length * 2);
  if (encoding === 'Q4_0') return areFiniteHalves(halves);
  for (let at = 64; at < halves.length; at += 80)
    if (!areFiniteHalves(halves.subarray(at, at + 16))) return false;
  return true;
}

/** A tensor whose rows are whole blocks. */
export interface BlockTensor extends TernaryTensor {
  encoding: BlockEncoding;
}

const DEFAULT_PIECE_BYTES = 1 << 20;

/**
 * Reads a matrix [rows, cols], `cols` being whole blocks of its encoding, in the layout above: whole row blocks in order, bytes
 * once from the first to the last. Rejects with `corrupt-file` (bytes past the end) and `aborted`.
 */
export async function* blockPieces(
  source: ByteSource,
  { shape, encoding, offset }: BlockTensor,
  { signal, pieceBytes = DEFAULT_PIECE_BYTES }: PieceOptions = {},
): AsyncGenerator<BlockPiece, void, undefined> {
  const { rows, cols } = matrixShape(shape);
  const rowBytes = ENCODINGS[encoding].byteLength(cols);
  const step = Math.min(rows, Math.max(1, Math.floor(pieceBytes / (rowBytes * ROW_BLOCK))) * ROW_BLOCK);
  const size = blockRowSize(encoding, cols);
  const codes = new Uint32Array(paddedRows(step) * size.codes);
  const scales = new Uint32Array(paddedRows(step) * size.scales);
  for (let firstRow = 0; firstRow < rows; firstRow += step) {
    throwIfAborted(signal);
    const count = Math.min(step, rows - firstRow);
    const bytes = await source.read(offset + firstRow * rowBytes, count * rowBytes, { signal });
    const piece = {
      firstRow,
      rows: count,
      codes: codes.subarray(0, paddedRows(count) * size.codes),
      scales: scales.subarray(0, paddedRows(count) * size.scales),
    };
    arrangeBlocks(bytes, encoding, cols, piece);
    yield piece;
  }
}

/** Puts whole rows of `cols` columns, as a file has them, into a piece of the layout. */
export function arrangeBlocks(
  bytes: Uint8Array,
  encoding: BlockEncoding,
  cols: number,
  { rows, codes, scales }: Omit<BlockPiece, 'firstRow'>,
): void {
  // What is padding stays so; in Q4_0 and Q6_K parts of words are added one by one.
  codes.fill(0);
  scales.fill(0);
  const { pieces } = blockRowSize(encoding, cols);
  const { blockElements, blockBytes } = ENCODINGS[encoding];
  const arrange = ARRANGERS[encoding];
  const from = { bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length) };
  const out = { codes: signed(codes), scales: signed(scales), pieces };
  const blocks = cols / blockElements;
  for (let row = 0, at = 0; row < rows; row++) {
    for (let block = 0; block < blocks; block++, at += blockBytes) arrange(from, at, row, block, out);
  }
}

/** The same words as signed integers, which stay small integers in JavaScript engines. */
function signed(words: Uint32Array): Int32Array {
  return new Int32Array(words.buffer, words.byteOffset, words.length);
}

/** Where blocks come from. */
interface Source {
  bytes: Uint8Array;
  /** Of the same bytes. */
  view: DataView;
}

/** Where a block goes. */
interface Arranged {
  codes: Int32Array;
  scales: Int32Array;
  pieces: number;
}

/** Puts the block at byte `at`, number `block` of its row, into its place. Layouts of blocks: src/formats/floats.ts. */
type Arranger = (from: Source, at: number, row: number, block: number, out: Arranged) => void;

const ARRANGERS: Readonly<Record<BlockEncoding, Arranger>> = {
  Q4_0: arrangeQ4,
  Q4_K: arrangeQ4K,
  Q6_K: arrangeQ6K,
};

/** All codes of four bits from 0 to 15 less 8, as signed integers of four bits. */
const LESS_EIGHT = 0x88888888 | 0;
const LOW_HALVES = 0x0f0f0f0f;

/** Index of the first word of a vector of codes. */
function vectorAt(row: number, piece: number, plane: number, planes: number, pieces: number): number {
  return (((row >> 3) * pieces + piece) * planes + plane) * 32 + (row & 7) * 4;
}

/** Index of the word for the first piece of a group of 256 columns; those of others, and of d, follow eight words apart. */
function groupAt(row: number, group: number, pieces: number): number {
  return ((row >> 3) * (pieces >> 2) + group) * 40 + (row & 7);
}

/** Element i is in the lower half of byte i, element 16 + i in the upper: already the order of a plane. */
function arrangeQ4({ view }: Source, at: number, row: number, block: number, out: Arranged): void {
  const { codes, scales, pieces } = out;
  const to = vectorAt(row, block >> 1, block & 1, 2, pieces);
  for (let j = 0; j < 4; j++) codes[to + j] = view.getInt32(at + 2 + 4 * j, true) ^ LESS_EIGHT;
  const scale = ((row >> 3) * pieces + (block >> 1)) * 8 + (row & 7);
  scales[scale]! |= view.getUint16(at, true) << (16 * (block & 1));
}

/** A piece has 32 bytes: its columns 0 to 31 in their lower halves, 32 to 63 in the upper. */
function arrangeQ4K({ bytes, view }: Source, at: number, row: number, block: number, out: Arranged): void {
  const { codes, scales, pieces } = out;
  const group = groupAt(row, block, pieces);
  for (let p = 0; p < 4; p++) {
    const to = vectorAt(row, block * 4 + p, 0, 2, pieces);
    for (let j = 0; j < 4; j++) {
      const first = view.getInt32(at + 16 + 32 * p + 4 * j, true);
      const second = view.getInt32(at + 32 + 32 * p + 4 * j, true);
      codes[to + j] = ((first & LOW_HALVES) | ((second & LOW_HALVES) << 4)) ^ LESS_EIGHT;
      codes[to + 32 + j] = (((first >>> 4) & LOW_HALVES) | (second & ~LOW_HALVES)) ^ LESS_EIGHT;
    }
    scales[group + 8 * p] =
      q4kScale(bytes, at + 4, 2 * p) |
      (q4kMinimum(bytes, at + 4, 2 * p) << 6) |
      (q4kScale(bytes, at + 4, 2 * p + 1) << 12) |
      (q4kMinimum(bytes, at + 4, 2 * p + 1) << 18);
  }
  scales[group + 32] = view.getInt32(at, true);
}

/**
 * Each half of the block is two pieces; chunks 2g and 2g + 1 of them have low bits in words 8g and 8g + 4 of its 64 bytes, in the
 * lower halves of bytes for the first piece. All chunks share the 32 bytes of high bits.
 */
function arrangeQ6K({ view }: Source, at: number, row: number, block: number, out: Arranged): void {
  const { codes, scales, pieces } = out;
  const group = groupAt(row, block, pieces);
  for (let p = 0; p < 4; p++) {
    const low = at + (p >> 1) * 64;
    const high = at + 128 + (p >> 1) * 32;
    const to = vectorAt(row, block * 4 + p, 0, 3, pieces);
    for (let i = 0; i < 16; i++) {
      const [k, j] = [i >> 2, i & 3];
      const lower = (view.getInt32(low + 16 * k + 4 * j, true) >>> (4 * (p & 1))) & LOW_HALVES;
      const upper =
        (view.getInt32(high + 16 * (k & 1) + 4 * j, true) >>> (4 * (p & 1) + 2 * (k >> 1))) & 0x03030303;
      // Less 32: the uppermost of six bits is turned.
      const four = ((upper << 2) | ((lower >>> 2) & 0x03030303)) ^ 0x08080808;
      codes[to + 32 * (k >> 1) + j]! |= four << (4 * (k & 1));
      codes[to + 64 + j]! |= (lower & 0x03030303) << (2 * k);
    }
    scales[group + 8 * p] = view.getInt32(at + 192 + 4 * p, true);
  }
  scales[group + 32] = view.getUint16(at + 208, true);
}
