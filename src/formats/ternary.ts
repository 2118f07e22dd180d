// Streams a ternary tensor of a file as canonical words and scales, piece by piece, in the order of the file.

import { TernionError, throwIfAborted } from '../errors';
import type { ByteSource, ReadOptions } from '../files/byte-source';
import {
  CHUNK,
  PAD_WORD,
  ROW_BLOCK,
  canonicalWords,
  groupCount,
  scaleCount,
  scaleIndex,
  uniformScales,
  type ScaleGroup,
} from './canonical';
import { SCALE_OFFSETS, scaleAt, type ScaledBlockEncoding } from './codes';
import { ENCODINGS, isTernary, type TernaryEncoding } from './encodings';
import { wordConverter } from './fast-words';
import type { TensorInfo } from './gguf';

/**
 * A part of a canonical matrix. `words` belong at `canonicalWords(firstRow, cols)`, `scales` at
 * `scaleCount(firstRow, cols, group)`; `firstRow` is a multiple of 8. Either may be empty: a piece of codes whose scale
 * comes later, or scales alone. The arrays are used again for the next piece: be done with them before asking for it.
 */
export interface TernaryPiece {
  firstRow: number;
  /** Rows of the matrix, padding not counted. */
  rows: number;
  words: Uint32Array;
  scales: Float32Array;
}

/** How to stream a tensor. */
export interface PieceOptions {
  signal?: AbortSignal | undefined;
  /** Most bytes of the file to hold at a time, though never less than whole row blocks need. Default 1 MiB. */
  pieceBytes?: number | undefined;
}

/** How to stream a ternary tensor. */
export interface TernaryOptions extends PieceOptions {
  /**
   * Columns that shall share a scale in the result. Default: those that do in the file, {@link scaleGroup}. A larger
   * group (or 'row') is possible where the file's scales inside it are the same, as in every TQ1_0 and TQ2_0 file of a
   * model with one scale a tensor; where they are not, reading fails with `unsupported-feature`.
   */
  group?: ScaleGroup | undefined;
}

/** What a matrix in a file needs to be read: see {@link TensorInfo}. */
export type TernaryTensor = Pick<TensorInfo, 'name' | 'shape' | 'encoding' | 'offset'>;

/** The rows and columns of a tensor seen as a matrix: all dimensions but the last are rows. */
export function matrixShape(shape: readonly number[]): { rows: number; cols: number } {
  const cols = shape.at(-1) ?? 1;
  return { rows: shape.slice(0, -1).reduce((product, extent) => product * extent, 1), cols };
}

/** The columns that share a scale in a file. */
export function scaleGroup(encoding: TernaryEncoding): ScaleGroup {
  return encoding === 'I2_S' ? 'row' : ENCODINGS[encoding].blockElements;
}

const DEFAULT_PIECE_BYTES = 1 << 20;
// A row block of the largest known models has some 60 KiB. Rows that make it larger than this come from no real model.
const MAX_STEP_BYTES = 32 << 20;

/**
 * Reads a ternary matrix [rows, cols] as canonical words (canonical.ts). Bytes are read once, from the first to the last,
 * so a download can feed it. The pieces cover whole row blocks in order. Scales come with their rows, except those of
 * I2_S: its one scale is behind the codes, so the last piece has all scales and no words.
 *
 * Rejects with `unsupported-feature` (scales that the wanted group cannot hold, rows of absurd length), `corrupt-file`,
 * `aborted`, `invalid-argument` (an encoding that is not ternary, a group that is no multiple of 64).
 */
export async function* ternaryPieces(
  source: ByteSource,
  tensor: TernaryTensor,
  options: TernaryOptions = {},
): AsyncGenerator<TernaryPiece, void, undefined> {
  const layout = layoutOf(tensor, options);
  const { rows, cols, encoding, group } = layout;
  const convert = wordConverter(encoding, cols);
  const buffer = new Int32Array(canonicalWords(layout.step, cols));
  const inBlocks = hasScalesInBlocks(layout);
  const scales = new Float32Array(inBlocks ? scaleCount(layout.step, cols, group) : 0);
  for await (const { firstRow, count, bytes } of readSteps(source, tensor, layout, options.signal)) {
    const words = buffer.subarray(0, canonicalWords(count, cols));
    if (cols % CHUNK !== 0 || count % ROW_BLOCK !== 0) words.fill(PAD_WORD);
    convert(bytes, count, cols, words);
    if (inBlocks) writeScales(bytes, count, layout, scales);
    yield {
      firstRow,
      rows: count,
      words: new Uint32Array(words.buffer, 0, words.length),
      scales: scales.subarray(0, inBlocks ? scaleCount(count, cols, group) : 0),
    };
  }
  if (inBlocks) return;
  const scale = await readI2sScale(source, tensor, { signal: options.signal });
  yield { firstRow: 0, rows, words: new Uint32Array(0), scales: uniformScales(rows, scale) };
}

/**
 * Whether all scales of a tensor are the same, so that `group: 'row'` would do. Reads the tensor up to the first that
 * differs; all of it, if none does (nothing, for I2_S). Rejects like {@link ternaryPieces}.
 */
export async function hasUniformScale(
  source: ByteSource,
  tensor: TernaryTensor,
  options: PieceOptions = {},
): Promise<boolean> {
  const layout = layoutOf(tensor, options);
  if (!hasScalesInBlocks(layout)) return true;
  const { blockBytes } = ENCODINGS[layout.encoding];
  let first: number | undefined;
  for await (const { bytes } of readSteps(source, tensor, layout, options.signal)) {
    for (let at = SCALE_OFFSETS[layout.encoding]; at < bytes.length; at += blockBytes) {
      const scale = scaleAt(bytes, at);
      first ??= scale;
      if (scale !== first) return false;
    }
  }
  return true;
}

/**
 * The scale of an I2_S tensor: an f32 behind its codes. Reads the 32 bytes there, `ahead` where the codes are read
 * afterwards. Rejects with `corrupt-file` if it is no finite number.
 */
export async function readI2sScale(
  source: ByteSource,
  tensor: TernaryTensor,
  options?: ReadOptions,
): Promise<number> {
  const { rows, cols } = matrixShape(tensor.shape);
  const bytes = await source.read(tensor.offset + (rows * cols) / 4, 32, options);
  const scale = new DataView(bytes.buffer, bytes.byteOffset).getFloat32(0, true);
  if (Number.isFinite(scale)) return scale;
  throw new TernionError('corrupt-file', `Tensor '${tensor.name}' has the scale ${scale}.`);
}

/** A tensor as it is streamed. */
interface Layout<Encoding = TernaryEncoding> {
  rows: number;
  cols: number;
  encoding: Encoding;
  group: ScaleGroup;
  /** Rows of a piece: whole row blocks that are whole blocks of the encoding, too. */
  step: number;
}

function layoutOf({ name, shape, encoding }: TernaryTensor, options: TernaryOptions): Layout {
  if (!isTernary(encoding)) throw invalid(`Tensor '${name}' (${encoding}) is not ternary.`);
  const group = options.group ?? scaleGroup(encoding);
  if (group !== 'row' && !(group > 0 && group % CHUNK === 0)) {
    throw invalid(`A scale group of ${group} columns is no multiple of ${CHUNK}.`);
  }
  const { rows, cols } = matrixShape(shape);
  const { blockElements, blockBytes } = ENCODINGS[encoding];
  if ((rows * cols) % blockElements !== 0) {
    throw new TernionError(
      'corrupt-file',
      `Tensor '${name}' is no whole blocks of ${blockElements} elements.`,
    );
  }
  // cols * unit is a multiple of both 8 rows and a block; a last, shorter piece ends with the tensor, also at a block.
  const unit = Math.max(ROW_BLOCK, blockElements / powerOf2In(cols, blockElements));
  const unitBytes = (unit * cols * blockBytes) / blockElements;
  if ((Math.min(unit, rows) * cols * blockBytes) / blockElements > MAX_STEP_BYTES) throw tooLong(name, cols);
  const units = Math.max(1, Math.floor((options.pieceBytes ?? DEFAULT_PIECE_BYTES) / unitBytes));
  return { rows, cols, encoding, group, step: Math.min(units * unit, rows) };
}

/** Every block has its scale; not so in I2_S, where one behind the codes is everybody's. */
function hasScalesInBlocks(layout: Layout): layout is Layout<ScaledBlockEncoding> {
  return layout.encoding !== 'I2_S';
}

function invalid(message: string): TernionError {
  return new TernionError('invalid-argument', message);
}

function tooLong(name: string, cols: number): TernionError {
  return new TernionError(
    'unsupported-feature',
    `Tensor '${name}' has rows of ${cols} columns, too long to convert.`,
  );
}

/** The largest power of two, up to `limit`, that divides `n`. */
function powerOf2In(n: number, limit: number): number {
  let power = 1;
  while (power < limit && n % (power * 2) === 0) power *= 2;
  return power;
}

async function* readSteps(
  source: ByteSource,
  tensor: TernaryTensor,
  { rows, cols, encoding, step }: Layout,
  signal: AbortSignal | undefined,
): AsyncGenerator<{ firstRow: number; count: number; bytes: Uint8Array }, void, undefined> {
  const { blockElements, blockBytes } = ENCODINGS[encoding];
  const bytesOf = (elements: number) => (elements / blockElements) * blockBytes;
  for (let firstRow = 0; firstRow < rows; firstRow += step) {
    throwIfAborted(signal);
    const count = Math.min(step, rows - firstRow);
    const offset = tensor.offset + bytesOf(firstRow * cols);
    yield { firstRow, count, bytes: await source.read(offset, bytesOf(count * cols), { signal }) };
  }
}

function writeScales(
  bytes: Uint8Array,
  count: number,
  layout: Layout<ScaledBlockEncoding>,
  out: Float32Array,
): void {
  const { blockElements } = ENCODINGS[layout.encoding];
  if (count % ROW_BLOCK !== 0) out.fill(0);
  if (layout.group === blockElements && layout.cols % blockElements === 0)
    copyScales(bytes, count, layout, out);
  else shareScales(bytes, count, layout, out);
}

/** Scales of rows that are whole blocks, one for each block. */
function copyScales(
  bytes: Uint8Array,
  count: number,
  { cols, encoding, group }: Layout<ScaledBlockEncoding>,
  out: Float32Array,
): void {
  const { blockBytes } = ENCODINGS[encoding];
  const groups = groupCount(cols, group);
  let at = SCALE_OFFSETS[encoding];
  for (let row = 0; row < count; row++) {
    let o = scaleIndex(row, 0, cols, group);
    for (let g = 0; g < groups; g++, at += blockBytes, o += ROW_BLOCK) out[o] = scaleAt(bytes, at);
  }
}

/** Scales of groups of any size: every group's, once it is sure that all blocks it touches have the same one. */
function shareScales(
  bytes: Uint8Array,
  count: number,
  { cols, encoding, group }: Layout<ScaledBlockEncoding>,
  out: Float32Array,
): void {
  const { blockElements, blockBytes } = ENCODINGS[encoding];
  const scaleOffset = SCALE_OFFSETS[encoding];
  const width = group === 'row' ? cols : group;
  for (let row = 0; row < count; row++) {
    for (let col = 0; col < cols; col += width) {
      const first = Math.floor((row * cols + col) / blockElements);
      const last = Math.floor((row * cols + Math.min(col + width, cols) - 1) / blockElements);
      const scale = scaleAt(bytes, first * blockBytes + scaleOffset);
      for (let block = first + 1; block <= last; block++) {
        if (scaleAt(bytes, block * blockBytes + scaleOffset) !== scale) throw unequalScales(encoding, width);
      }
      out[scaleIndex(row, col, cols, group)] = scale;
    }
  }
}

function unequalScales(encoding: TernaryEncoding, width: number): TernionError {
  return new TernionError(
    'unsupported-feature',
    `Scales of ${encoding} blocks differ inside a group of ${width} columns, which shall share one.`,
  );
}
