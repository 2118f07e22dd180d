// LM head with int8 rows: how it is made from f16 rows, and its product with int8 activations.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { GpuContext } from '../../../src/gpu/context';
import {
  createInt8Matrix,
  lmHeadInt8,
  quantizeHead,
  type HeadVariant,
} from '../../../src/kernels/lm-head-int8';
import type { Int8Matrix } from '../../../src/kernels/matrices';
import { openContext } from '../../support/engine';
import { largestError, normals, randomActivations } from '../../support/reference';
import {
  filled,
  readFloats,
  readWords,
  run,
  uploadActivations,
  uploadHalf,
} from '../../support/reference-gpu';

let gpu: GpuContext;
beforeAll(async () => {
  gpu = await openContext();
});
afterAll(() => gpu.destroy());

/** Codes [rows, cols] and scales [rows] of an int8 matrix on the GPU, its layout undone. */
async function download({ rows, cols, shards }: Int8Matrix) {
  const codes = new Int8Array(rows * cols);
  const scales = new Float32Array(rows);
  // Whole groups of four chunks of 16 columns.
  const chunks = Math.ceil(cols / 64) * 4;
  for (const shard of shards) {
    const padded = Math.ceil(shard.rows / 8) * 8;
    const bytes = new Int8Array((await readWords(gpu, shard.codes, padded * chunks * 4)).buffer);
    scales.set(await readFloats(gpu, shard.scales, shard.rows), shard.firstRow);
    for (let row = 0; row < shard.rows; row++) {
      for (let col = 0; col < cols; col++) {
        const at = (((row >> 3) * chunks + (col >> 4)) * 8 + (row & 7)) * 16 + (col & 15);
        codes[(shard.firstRow + row) * cols + col] = bytes[at]!;
      }
    }
  }
  return { codes, scales };
}

/** An int8 matrix of random rows, made by quantize_head from shards of `rowsPerShard` rows; row 3 is zeros. */
async function make(rows: number, cols: number, rowsPerShard = rows, into?: Int8Matrix) {
  const elements = normals(rows * cols, rows + cols);
  elements.fill(0, 3 * cols, 4 * cols);
  const { matrix, values } = uploadHalf(gpu, { rows, cols, elements }, rowsPerShard);
  const result = into ?? createInt8Matrix(gpu, 'head', rows, cols);
  run(gpu, await quantizeHead(gpu, matrix, result));
  return { result, values };
}

/** Shards of given lengths, for a device that could not bind more. */
function shardsOf(cols: number, lengths: readonly number[]): Int8Matrix {
  let firstRow = 0;
  const shards = lengths.map((rows) => {
    const [shard] = createInt8Matrix(gpu, 'head', rows, cols).shards;
    const placed = { ...shard!, firstRow };
    firstRow += rows;
    return placed;
  });
  return { rows: firstRow, cols, shards };
}

function expectQuantized(
  { codes, scales }: Awaited<ReturnType<typeof download>>,
  values: Float64Array,
): void {
  const cols = values.length / scales.length;
  for (const [row, scale] of scales.entries()) {
    const own = values.subarray(row * cols, (row + 1) * cols);
    const largest = own.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    expect(scale).toBeCloseTo(largest / 127, 7);
    const wrong = [...own.keys()].filter((col) => {
      const exact = largest === 0 ? 0 : (own[col]! * 127) / largest;
      // Either neighbour of a half: f32 has 127 to some 1e-5.
      return Math.abs(codes[row * cols + col]! - exact) > 0.5 + 1e-4;
    });
    expect(wrong).toEqual([]);
  }
}

describe('quantising rows', () => {
  // Columns of no whole chunk of 16; rows of no whole block of 8 and of no whole workgroup of 64.
  test.each([
    [5, 8],
    [70, 72],
    [64, 256],
  ])('%i rows of %i columns', async (rows, cols) => {
    const { result, values } = await make(rows, cols);
    expectQuantized(await download(result), values);
  });

  test('from shards to other shards', async () => {
    const { result, values } = await make(70, 72, 30, shardsOf(72, [24, 40, 6]));
    expectQuantized(await download(result), values);
  });
});

describe('logits', () => {
  const PORTABLE: readonly HeadVariant[] = [
    { blocks: 4, split: 1, broadcast: false },
    { blocks: 1, split: 8, broadcast: false },
    { blocks: 2, split: 2, broadcast: false },
  ];
  let variants: readonly HeadVariant[];
  beforeAll(() => {
    const { subgroups } = gpu.capabilities;
    variants = subgroups ? [...PORTABLE, { blocks: 4, split: 1, broadcast: true }] : PORTABLE;
  });

  async function logitsOf(variant: HeadVariant, head: Int8Matrix): Promise<Float32Array> {
    const activations = randomActivations(1, head.cols, 1);
    const q = uploadActivations(gpu, activations, 1, 'bytes');
    const logits = filled(gpu, 'logits', head.rows + 1, 0);
    run(gpu, await lmHeadInt8(gpu, variant, head, q, logits));
    const out = await readFloats(gpu, logits, head.rows + 1);
    // Nothing is written behind the last row.
    expect(out[head.rows]).toBe(0);
    return out.subarray(0, head.rows);
  }

  async function expectedLogits(head: Int8Matrix): Promise<Float64Array> {
    const { codes, scales } = await download(head);
    const { q, inverse } = randomActivations(1, head.cols, 1);
    return Float64Array.from(scales, (scale, row) => {
      const own = codes.subarray(row * head.cols, (row + 1) * head.cols);
      return own.reduce((sum, code, col) => sum + code * q[col]!, 0) * scale * inverse[0]!;
    });
  }

  test.each([
    [5, 8],
    [70, 72],
    [136, 256],
  ])('of %i rows of %i columns are exact, and equal to the bit in every variant', async (rows, cols) => {
    const { result } = await make(rows, cols);
    const expected = await expectedLogits(result);
    const first = await logitsOf(variants[0]!, result);
    // Sums below 2^24 are exact in f32; then come two roundings of 6e-8.
    expect(largestError(first, expected)).toBeLessThan(3e-7);
    for (const variant of variants) expect(await logitsOf(variant, result)).toEqual(first);
  });

  test('of shards have no seam', async () => {
    const { result } = await make(70, 72, 70, shardsOf(72, [24, 40, 6]));
    const { result: whole } = await make(70, 72);
    for (const variant of variants) {
      expect(await logitsOf(variant, result)).toEqual(await logitsOf(variant, whole));
    }
  });

  test('of more workgroups than a dimension may have are folded into two', async () => {
    // One block of 8 rows a workgroup; a dimension holds 65,535, and the last line of the fold is not full.
    const rows = 65_540 * 8;
    const head = createInt8Matrix(gpu, 'head', rows, 64);
    const [shard] = head.shards;
    // All codes are 1, and the scale of a row is its number.
    gpu.device.queue.writeBuffer(shard!.codes, 0, new Uint8Array(rows * 64).fill(1));
    gpu.device.queue.writeBuffer(
      shard!.scales,
      0,
      Float32Array.from({ length: rows }, (_, row) => row),
    );
    const { q, inverse } = randomActivations(1, 64, 1);
    const factor = q.reduce((sum, value) => sum + value, 0) * inverse[0]!;
    const logits = await logitsOf({ blocks: 1, split: 1, broadcast: false }, head);
    expect(
      largestError(
        logits,
        Float64Array.from({ length: rows }, (_, row) => row * factor),
      ),
    ).toBeLessThan(3e-7);
  });
});
