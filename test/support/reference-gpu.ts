// Runs single kernels on the GPU: input up, dispatches, result down.
import { encodePass, type Dispatch, type GpuContext } from '../../src/gpu/context';
import { halfToFloat } from '../../src/formats/half';
import { createInt8Matrix, createPlaneMatrix, Int8RowWriter, pieceCount } from '../../src/kernels/int8-rows';
import type {
  ActivationPacking,
  HalfMatrix,
  Int8Matrix,
  PlaneMatrix,
  QuantizedRows,
  TernaryMatrix,
  TernaryTable,
} from '../../src/kernels/matrices';
import type { ScaleGroup } from '../../src/formats/canonical';
import {
  halves,
  inverseOf,
  packTernary,
  randomTernary,
  words,
  type PlainActivations,
  type PlainTernary,
} from './reference';

/** Submits `dispatches` in order, for `tokens` tokens from `position` on; `times` times over. */
export function run(
  gpu: GpuContext,
  dispatches: readonly Dispatch[],
  { tokens = 1, position = 0, times = 1 } = {},
): void {
  const encoder = gpu.device.createCommandEncoder();
  const all = Array.from({ length: times }, () => dispatches).flat();
  encodePass(encoder, all, tokens, position);
  gpu.device.queue.submit([encoder.finish()]);
}

/** A buffer of `count` words that all are `word`, so that what a kernel leaves alone shows. */
export function filled(gpu: GpuContext, label: string, count: number, word = 0xdeadbeef): GPUBuffer {
  return gpu.upload(label, new Uint32Array(count).fill(word));
}

export async function readFloats(gpu: GpuContext, buffer: GPUBuffer, count: number): Promise<Float32Array> {
  return new Float32Array(await gpu.read(buffer, 0, count * 4));
}

export async function readWords(gpu: GpuContext, buffer: GPUBuffer, count: number): Promise<Uint32Array> {
  return new Uint32Array(await gpu.read(buffer, 0, count * 4));
}

/** The state words: `count` tokens from `position`, `step` sampled before. */
export function uploadState(gpu: GpuContext, position: number, count: number, step = 0): GPUBuffer {
  return gpu.upload('state', Uint32Array.of(position, count, step, 0));
}

export function uploadTernary(gpu: GpuContext, matrix: PlainTernary): TernaryMatrix {
  const { codes, scales } = packTernary(matrix);
  return {
    rows: matrix.rows,
    cols: matrix.cols,
    codes: gpu.upload('codes', codes),
    scales: gpu.upload('scales', scales),
    scaleGroup: matrix.scaleGroup,
  };
}

/** int8 [rows, padded] as words: four a word, or two, as shaders/rms_norm_quantize.wgsl says. */
export function packActivations(
  bytes: Int8Array,
  packing: Exclude<ActivationPacking, 'floats'>,
): Uint32Array<ArrayBuffer> {
  if (packing === 'bytes') return new Uint32Array(bytes.slice().buffer);
  const pairs = new Int32Array(bytes.length / 2);
  for (let i = 0; i < bytes.length; i += 4) {
    const [a, b, c, d] = bytes.subarray(i, i + 4) as unknown as [number, number, number, number];
    pairs.set([(a << 16) + c, (b << 16) + d], i / 2);
  }
  return new Uint32Array(pairs.buffer);
}

/** Activations with room for `room` tokens, as rms_norm_quantize would have written them. */
export function uploadActivations(
  gpu: GpuContext,
  activations: PlainActivations,
  room: number,
  packing: ActivationPacking,
): QuantizedRows {
  const { tokens, cols, q, groups } = activations;
  const padded = Math.ceil(cols / 64) * 64;
  const width = groups ? 64 : padded;
  const bytes = new Int8Array(room * padded);
  const floats = new Float32Array(room * padded);
  const scales = new Float32Array((room * padded * 2) / width);
  for (let token = 0; token < tokens; token++) {
    for (let col = 0; col < cols; col++) {
      const value = q[token * cols + col]!;
      const inverse = inverseOf(activations, token, col);
      bytes[token * padded + col] = value;
      floats[token * padded + col] = value * inverse;
      const entry = Math.floor((token * padded + col) / width) * 2;
      scales[entry] = packing === 'floats' ? 1 : inverse;
      scales[entry + 1]! += packing === 'floats' ? 0 : value;
    }
  }
  const values = packing === 'floats' ? floats : packActivations(bytes, packing);
  return {
    padded,
    values: gpu.upload('activations', values),
    scales: gpu.upload('activation scales', scales),
    groups,
  };
}

/** A matrix in f16, cut into shards of `rowsPerShard` rows; `values` are its elements as f16 holds them. */
export function uploadHalf(
  gpu: GpuContext,
  matrix: { rows: number; cols: number; elements: Float32Array },
  rowsPerShard: number,
): { matrix: HalfMatrix; values: Float64Array } {
  const { rows, cols } = matrix;
  const { bits, values } = halves(matrix.elements);
  const shards = Array.from({ length: Math.ceil(rows / rowsPerShard) }, (_, i) => {
    const firstRow = i * rowsPerShard;
    const count = Math.min(rowsPerShard, rows - firstRow);
    const part = bits.subarray(firstRow * cols, (firstRow + count) * cols);
    return { firstRow, rows: count, buffer: gpu.upload(`shard ${i}`, words(part)) };
  });
  return { matrix: { format: 'f16', rows, cols, shards }, values };
}

/** A matrix of int8 rows, cut into shards of given lengths, as if a device could not bind more. */
export function int8Shards(gpu: GpuContext, cols: number, lengths: readonly number[]): Int8Matrix {
  let firstRow = 0;
  const shards = lengths.map((rows) => {
    const [shard] = createInt8Matrix(gpu, 'shard', rows, cols, 'work').shards;
    const placed = { ...shard!, firstRow };
    firstRow += rows;
    return placed;
  });
  return { format: 'int8', rows: firstRow, cols, shards };
}

/** The same in two planes. */
export function planeShards(gpu: GpuContext, cols: number, lengths: readonly number[]): PlaneMatrix {
  const whole = createPlaneMatrix(
    gpu,
    'planes',
    lengths.reduce((sum, rows) => sum + rows, 0),
    cols,
    'work',
  );
  let firstRow = 0;
  const shards = lengths.map((rows) => {
    const placed = { ...createPlaneMatrix(gpu, 'shard', rows, cols, 'work').shards[0]!, firstRow };
    firstRow += rows;
    return placed;
  });
  return { ...whole, shards };
}

/** Fills an int8 matrix with numbers, first rounded to f16; `values` are these. */
export async function writeInt8(
  gpu: GpuContext,
  matrix: Int8Matrix | PlaneMatrix,
  elements: Float32Array,
  { stagingBytes, pieceElements = elements.length }: { stagingBytes?: number; pieceElements?: number } = {},
): Promise<Float64Array> {
  const { bits, values } = halves(elements);
  const writer = await Int8RowWriter.create(gpu, matrix, stagingBytes);
  for (let at = 0; at < bits.length; at += pieceElements) writer.write(bits.subarray(at, at + pieceElements));
  writer.free();
  return values;
}

/** Codes [rows, cols] and the scale of each, as they are on the GPU, the layout undone. */
export async function readInt8(
  gpu: GpuContext,
  { rows, cols, shards }: Int8Matrix,
): Promise<{ codes: Int8Array; scales: Float32Array }> {
  const pieces = pieceCount(cols);
  const codes = new Int8Array(rows * cols);
  const scales = new Float32Array(rows * cols);
  for (const shard of shards) {
    const padded = Math.ceil(shard.rows / 8) * 8;
    const bytes = new Int8Array((await readWords(gpu, shard.codes, padded * pieces * 16)).buffer);
    const bits = new Uint16Array((await readWords(gpu, shard.scales, padded * pieces)).buffer);
    for (let row = 0; row < shard.rows; row++) {
      for (let col = 0; col < cols; col++) {
        const to = (shard.firstRow + row) * cols + col;
        codes[to] = bytes[(((row >> 3) * pieces * 4 + (col >> 4)) * 8 + (row & 7)) * 16 + (col & 15)]!;
        const piece = ((row >> 3) * pieces + (col >> 6)) * 8 + (row & 7);
        scales[to] = halfToFloat(bits[piece * 2 + ((col >> 5) & 1)]!);
      }
    }
  }
  return { codes, scales };
}

/** A table of random ternary rows in shards of `rowsPerShard` rows, a multiple of 8. */
export function ternaryTable(
  gpu: GpuContext,
  rows: number,
  cols: number,
  scaleGroup: ScaleGroup,
  rowsPerShard: number,
): { table: TernaryTable; plain: PlainTernary } {
  const plain = randomTernary(rows, cols, rows + cols, scaleGroup);
  const perRow = plain.scales.length / rows;
  const shards = Array.from({ length: Math.ceil(rows / rowsPerShard) }, (_, i) => {
    const firstRow = i * rowsPerShard;
    const end = Math.min(rows, firstRow + rowsPerShard);
    const own: PlainTernary = {
      rows: end - firstRow,
      cols,
      codes: plain.codes.subarray(firstRow * cols, end * cols),
      scales: plain.scales.subarray(firstRow * perRow, end * perRow),
      scaleGroup,
    };
    return { firstRow, rows: own.rows, matrix: uploadTernary(gpu, own) };
  });
  return { table: { format: 'ternary', rows, cols, shards }, plain };
}
