// The canonical ternary layout: the one form in which ternary matrices lie in GPU memory, whatever file they come from.
//
// A matrix [rows, cols] is padded to whole blocks of 8 rows and whole chunks of 64 columns. A weight w is the code
// c = w + 1: 0, 1, 2 for -1, 0, +1 (3 for +2, which only Q2_0 has). Padding is code 1, weight 0.
//
//   word index = ((rowBlock * chunks + chunk) * 8 + rowInBlock) * 4 + j
//     rowBlock = row >> 3, rowInBlock = row & 7, chunk = col >> 6, chunks = paddedCols / 64, j = (col & 63) >> 4
//   in a word, element e = col & 15 = 4 k + b is in byte b, at bits 2k+1..2k of that byte
//
// So (word >> 2k) & 0x03030303 is the codes of columns 4k..4k+3 as four bytes, as dot4I8Packed takes them, and a chunk of
// eight rows is 128 bytes in one run: eight threads, a row each, read one vec4<u32> each.
//
// Scales are f32, [rowBlock][group][rowInBlock]; a group is the columns that share a scale. Padding rows have scale 0.

/** Rows that are stored together. */
export const ROW_BLOCK = 8;

/** Columns that are stored together, in four words. */
export const CHUNK = 64;

/** Sixteen codes of weight 0: what padding is made of. */
export const PAD_WORD = 0x55555555;

/** Columns that share a scale: all of a row, or a number of them, counted from column 0. */
export type ScaleGroup = 'row' | number;

/** `rows`, rounded up to whole row blocks. */
export function paddedRows(rows: number): number {
  return Math.ceil(rows / ROW_BLOCK) * ROW_BLOCK;
}

/** Chunks of a row of `cols` columns. */
export function chunkCount(cols: number): number {
  return Math.ceil(cols / CHUNK);
}

/** 32-bit words of a matrix [rows, cols]. */
export function canonicalWords(rows: number, cols: number): number {
  return paddedRows(rows) * chunkCount(cols) * 4;
}

/** Scales of one row. */
export function groupCount(cols: number, group: ScaleGroup): number {
  return group === 'row' ? 1 : Math.ceil(cols / group);
}

/** f32 scales of a matrix [rows, cols], padding rows included. */
export function scaleCount(rows: number, cols: number, group: ScaleGroup): number {
  return paddedRows(rows) * groupCount(cols, group);
}

/** Index of the first of the four words that hold chunk 0 of `row`; the next chunk's are 32 words on. */
export function rowStart(row: number, cols: number): number {
  return ((row >> 3) * chunkCount(cols) * 8 + (row & 7)) * 4;
}

/** Index of the word that holds (row, col) of a matrix with `cols` columns. */
export function wordIndex(row: number, col: number, cols: number): number {
  return rowStart(row, cols) + (col >> 6) * 32 + ((col & 63) >> 4);
}

/** Lowest bit, inside its word, of the code of a column. */
export function bitIndex(col: number): number {
  return (col & 3) * 8 + ((col & 15) >> 2) * 2;
}

/** The code at (row, col). */
export function codeAt(words: Uint32Array | Int32Array, row: number, col: number, cols: number): number {
  return (words[wordIndex(row, col, cols)]! >>> bitIndex(col)) & 3;
}

/** Index of the scale that (row, col) has. */
export function scaleIndex(row: number, col: number, cols: number, group: ScaleGroup): number {
  const inRow = group === 'row' ? 0 : Math.floor(col / group);
  return ((row >> 3) * groupCount(cols, group) + inRow) * ROW_BLOCK + (row & 7);
}

/** The scales (group `row`) of a matrix whose weights all have the same one: `rows` times `scale`, then padding. */
export function uniformScales(rows: number, scale: number): Float32Array {
  return new Float32Array(paddedRows(rows)).fill(scale, 0, rows);
}
