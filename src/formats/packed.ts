// Streams the packed ternary layout of Hugging Face safetensors (uint8 [out/4, in]) as canonical words.

import { TernionError, throwIfAborted } from '../errors';
import type { ByteSource } from '../files/byte-source';
import { PAD_WORD, ROW_BLOCK, bitIndex, canonicalWords, rowStart, wordIndex } from './canonical';
import { gather } from './fast-words';
import type { PieceOptions, TernaryPiece } from './ternary';
import { aligned, asInt32 } from './views';

/** Where a packed tensor is: `shape` is [out / 4, in] as the file has it, `offset` bytes from the file's beginning. */
export interface PackedTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly offset: number;
}

/**
 * Reads a packed matrix as canonical words of [out, in]. Byte (r, c) of the file has, from its low bits up, the codes of
 * rows r, r + out/4, r + 2 out/4 and r + 3 out/4 (transformers: `pack_weights` in integrations/bitnet.py). Bytes are read
 * once, in order; each step gives pieces of four places of the matrix, in no order of rows, and every row block once.
 * `scales` is always empty: the scale is another tensor of the file; make them of it with `uniformScales`.
 *
 * Rejects with `corrupt-file` (a shape that is no matrix, bytes past the end), `unsupported-feature` (rows of absurd
 * length), `aborted`.
 */
export async function* packedTernaryPieces(
  source: ByteSource,
  tensor: PackedTensor,
  options: PieceOptions = {},
): AsyncGenerator<TernaryPiece, void, undefined> {
  const { signal } = options;
  const { quarter, cols, step } = makePlan(tensor, options);
  const blocks = new BlockAssembler(quarter * 4, cols, step);
  for (let first = 0; first < quarter; first += step) {
    throwIfAborted(signal);
    const count = Math.min(step, quarter - first);
    const bytes = aligned(await source.read(tensor.offset + first * cols, count * cols, { signal }), 4);
    for (let q = 0; q < 4; q++) {
      const piece = blocks.add(q * quarter + first, count, (out, base) =>
        convertQuarter(bytes, count, cols, q, out, base),
      );
      if (piece) yield piece;
    }
  }
}

const MAX_COLS = 1 << 20;

function makePlan({ name, shape }: PackedTensor, { pieceBytes = 1 << 20 }: PieceOptions) {
  const [quarter, cols] = shape;
  if (shape.length !== 2 || !quarter || !cols) {
    throw new TernionError(
      'corrupt-file',
      `Packed tensor '${name}' has shape [${shape.join(', ')}], no matrix.`,
    );
  }
  if (cols > MAX_COLS) {
    throw new TernionError(
      'unsupported-feature',
      `Tensor '${name}' has rows of ${cols} columns, too long to convert.`,
    );
  }
  const step = Math.max(1, Math.floor(pieceBytes / (cols * ROW_BLOCK))) * ROW_BLOCK;
  return { quarter, cols, step: Math.min(step, quarter) };
}

/** Writes the rows of quarter `q` of `count` byte rows to `out`, as rows `base` and on. */
function convertQuarter(
  bytes: Uint8Array,
  count: number,
  cols: number,
  q: number,
  out: Int32Array,
  base: number,
): void {
  if (cols % 16 === 0) gatherRows(asInt32(bytes), count, cols, q, out, base);
  else plainRows(bytes, count, cols, q, out, base);
}

function gatherRows(
  source: Int32Array,
  count: number,
  cols: number,
  q: number,
  out: Int32Array,
  base: number,
): void {
  let s = 0;
  for (let row = 0; row < count; row++) {
    const start = rowStart(base + row, cols);
    for (let word = 0; word < cols / 16; word++, s += 4) {
      out[start + (word >> 2) * 32 + (word & 3)] = gather(source, s, q * 2);
    }
  }
}

function plainRows(
  bytes: Uint8Array,
  count: number,
  cols: number,
  q: number,
  out: Int32Array,
  base: number,
): void {
  for (let row = 0; row < count; row++) {
    for (let col = 0; col < cols; col++) {
      const at = wordIndex(base + row, col, cols);
      const bit = bitIndex(col);
      out[at] = (out[at]! & ~(3 << bit)) | (((bytes[row * cols + col]! >> (q * 2)) & 3) << bit);
    }
  }
}

/**
 * Makes whole row blocks of runs of rows that begin and end anywhere. Blocks that lack rows wait here: at the borders of
 * the quarters when those are no multiple of 8, so seven blocks at most.
 */
class BlockAssembler {
  private readonly waiting = new Map<number, { words: Int32Array; rows: number }>();
  private readonly buffer: Int32Array;
  private readonly blockWords: number;

  constructor(
    private readonly rows: number,
    cols: number,
    longestRun: number,
  ) {
    this.blockWords = canonicalWords(ROW_BLOCK, cols);
    // A run may begin and end inside a block.
    this.buffer = new Int32Array(canonicalWords(longestRun + 2 * ROW_BLOCK, cols));
  }

  /** Takes rows `first` to `first + count`, written by `write` (row `base` being the first); gives blocks now complete. */
  add(
    first: number,
    count: number,
    write: (out: Int32Array, base: number) => void,
  ): TernaryPiece | undefined {
    let from = first >> 3;
    let to = (first + count + 7) >> 3;
    const words = this.buffer.subarray(0, (to - from) * this.blockWords).fill(PAD_WORD);
    this.restore(from, words);
    if (to - 1 > from) this.restore(to - 1, words.subarray((to - 1 - from) * this.blockWords));
    write(words, first & 7);
    const origin = from;
    if (
      to - 1 > from &&
      !this.complete(to - 1, first, count, words.subarray((to - 1 - from) * this.blockWords))
    )
      to--;
    if (!this.complete(from, first, count, words)) from++;
    if (from >= to) return undefined;
    const part = words.subarray((from - origin) * this.blockWords, (to - origin) * this.blockWords);
    return {
      firstRow: from * ROW_BLOCK,
      rows: Math.min(to * ROW_BLOCK, this.rows) - from * ROW_BLOCK,
      words: new Uint32Array(part.buffer, part.byteOffset, part.length),
      scales: new Float32Array(0),
    };
  }

  /** Puts what is there of a block at the beginning of `words`. */
  private restore(block: number, words: Int32Array): void {
    const waiting = this.waiting.get(block);
    if (waiting) words.set(waiting.words);
  }

  /** Counts the rows of a run in a block; keeps a copy of the block, at the beginning of `words`, if some still lack. */
  private complete(block: number, first: number, count: number, words: Int32Array): boolean {
    const begin = block * ROW_BLOCK;
    const end = Math.min(begin + ROW_BLOCK, this.rows);
    const added = Math.min(first + count, end) - Math.max(first, begin);
    const rows = (this.waiting.get(block)?.rows ?? 0) + added;
    if (rows === end - begin) {
      this.waiting.delete(block);
      return true;
    }
    this.waiting.set(block, { words: words.slice(0, this.blockWords), rows });
    return false;
  }
}
