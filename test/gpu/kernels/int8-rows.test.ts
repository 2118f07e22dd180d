// Rows of int8 with a scale for every 32 columns, made from f16 rows: against the definition.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { floatBitsToHalf, halfToFloat } from '../../../src/formats/half';
import { packPlanes } from '../../../src/formats/planes';
import type { GpuContext } from '../../../src/gpu/context';
import { createInt8Matrix } from '../../../src/kernels/int8-rows';
import type { Int8Matrix } from '../../../src/kernels/matrices';
import { openContext } from '../../support/engine';
import { normals } from '../../support/reference';
import { int8Shards, planeShards, readInt8, readWords, writeInt8 } from '../../support/reference-gpu';

let gpu: GpuContext;
beforeAll(async () => {
  gpu = await openContext();
});
afterAll(() => gpu.destroy());

const GROUP = 32;

/** The smallest half that is not below `value`. */
function halfAbove(value: number): number {
  const bits = floatBitsToHalf(new Int32Array(Float32Array.of(value).buffer)[0]!);
  return halfToFloat(halfToFloat(bits) < Math.fround(value) ? bits + 1 : bits);
}

/** Fails unless every code is the nearest to its value, and every scale the least that reaches the largest of a group. */
async function expectRounded(matrix: Int8Matrix, values: Float64Array): Promise<void> {
  const { codes, scales } = await readInt8(gpu, matrix);
  const wrong: string[] = [];
  for (let row = 0; row < matrix.rows; row++) {
    for (let col = 0; col < matrix.cols; col += GROUP) {
      const from = row * matrix.cols + col;
      const to = Math.min(from + GROUP, (row + 1) * matrix.cols);
      const largest = values.subarray(from, to).reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      // f32 divides by 127 with some ulps of error: the half may then be the next one.
      const allowed = [halfAbove((largest / 127) * (1 - 1e-6)), halfAbove((largest / 127) * (1 + 1e-6))];
      if (!allowed.includes(scales[from]!)) wrong.push(`scale of ${row}, ${col}`);
      for (let i = from; i < to; i++) {
        const exact = scales[i] === 0 ? 0 : values[i]! / scales[i]!;
        // Either neighbour of a half: f32 has 127 to some 1e-5.
        if (!(Math.abs(codes[i]! - exact) <= 0.5 + 1e-4)) wrong.push(`code of ${row}, ${i % matrix.cols}`);
      }
    }
  }
  expect(wrong.slice(0, 5)).toEqual([]);
}

// Columns of no whole piece of 64, of no whole group, of no whole chunk of 16; rows of no whole block of 8.
test.each([
  [5, 8],
  [70, 72],
  [64, 256],
  [19, 100],
])('%i rows of %i columns', async (rows, cols) => {
  const elements = normals(rows * cols, rows + cols);
  // A row of zeros has scales of zero.
  elements.fill(0, 3 * cols, 4 * cols);
  const matrix = createInt8Matrix(gpu, 'rows', rows, cols, 'work');
  await expectRounded(matrix, await writeInt8(gpu, matrix, elements));
  const { codes, scales } = await readInt8(gpu, matrix);
  expect(codes.subarray(3 * cols, 4 * cols).every((code) => code === 0)).toBe(true);
  expect(scales.subarray(3 * cols, 4 * cols).every((scale) => scale === 0)).toBe(true);
});

test('in planes are the same numbers, from pieces that end anywhere and in shards', async () => {
  // Of more than the eight pieces whose highest bits are together.
  const [rows, cols] = [37, 580];
  const elements = normals(rows * cols, 4);
  const int8 = createInt8Matrix(gpu, 'rows', rows, cols, 'work');
  await writeInt8(gpu, int8, elements);
  const planes = planeShards(gpu, cols, [16, 16, 5]);
  await writeInt8(gpu, planes, elements, { stagingBytes: 3 * cols * 2, pieceElements: 96 });
  const { codes } = await readInt8(gpu, int8);
  for (const { codes: high, low, firstRow, rows: own } of planes.shards) {
    const expected = packPlanes(codes.subarray(firstRow * cols, (firstRow + own) * cols), cols);
    expect(await readWords(gpu, high, expected.high.length)).toEqual(expected.high);
    expect(await readWords(gpu, low, expected.low.length)).toEqual(expected.low);
  }
});

test('come in pieces that end anywhere, and are staged a few at a time', async () => {
  const [rows, cols] = [70, 72];
  const elements = normals(rows * cols, 1);
  const whole = createInt8Matrix(gpu, 'rows', rows, cols, 'work');
  const values = await writeInt8(gpu, whole, elements);
  const cut = createInt8Matrix(gpu, 'rows', rows, cols, 'work');
  // Room for three rows at a time; pieces of one row and a third.
  await writeInt8(gpu, cut, elements, { stagingBytes: 3 * cols * 2, pieceElements: 96 });
  await expectRounded(cut, values);
  expect(await readInt8(gpu, cut)).toEqual(await readInt8(gpu, whole));
});

test('go to shards that begin and end within what is staged', async () => {
  const cols = 72;
  const matrix = int8Shards(gpu, cols, [24, 40, 6]);
  const values = await writeInt8(gpu, matrix, normals(70 * cols, 2), { stagingBytes: 30 * cols * 2 });
  await expectRounded(matrix, values);
});

test('of numbers so small that their scale is a subnormal half lose no more than f16 has lost', async () => {
  const cols = 64;
  const matrix = createInt8Matrix(gpu, 'rows', 8, cols, 'work');
  const values = await writeInt8(gpu, matrix, normals(8 * cols, 3, 1e-5));
  await expectRounded(matrix, values);
  const { codes, scales } = await readInt8(gpu, matrix);
  // Half a step of the smallest scale, 2^-24, and what is lost of 127 steps.
  for (const [i, value] of values.entries())
    expect(Math.abs(codes[i]! * scales[i]! - value)).toBeLessThanOrEqual(2 ** -22);
});

test('leave nothing behind of what was needed on the way', async () => {
  const before = gpu.bytes;
  const matrix = createInt8Matrix(gpu, 'rows', 8, 64, 'work');
  const bytes = gpu.bytes - before;
  await writeInt8(gpu, matrix, normals(8 * 64, 4));
  expect(gpu.bytes - before).toBe(bytes);
  // A byte for each number, and two for 32 of them.
  expect(bytes).toBe(8 * 64 + (8 * 64) / 16);
});
