// LM head with int8 rows: its products with int8 activations, and with such as are not rounded.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { GpuContext } from '../../../src/gpu/context';
import { createInt8Matrix } from '../../../src/kernels/int8-rows';
import { exactLmHeadInt8, lmHeadInt8, type HeadVariant } from '../../../src/kernels/lm-head-int8';
import type { Int8Matrix } from '../../../src/kernels/matrices';
import { openContext } from '../../support/engine';
import { flushHalves } from '../../support/flushed-halves';
import { largestError, normals, randomActivations } from '../../support/reference';
import {
  filled,
  int8Shards,
  readFloats,
  readInt8,
  run,
  uploadActivations,
  writeInt8,
} from '../../support/reference-gpu';

let gpu: GpuContext;
beforeAll(async () => {
  gpu = await openContext();
});
afterAll(() => gpu.destroy());

/** Some hundred additions in f32, whose units are 6e-8. */
const ROUNDING = 2e-6;

const PORTABLE: readonly HeadVariant[] = [
  { blocks: 4, split: 1, broadcast: false },
  { blocks: 1, split: 8, broadcast: false },
  { blocks: 2, split: 2, broadcast: false },
];
let variants: readonly HeadVariant[];
beforeAll(() => {
  const { subgroups } = gpu.capabilities;
  const broadcast = [1, 4].map((blocks) => ({ blocks, split: 1, broadcast: true }));
  variants = subgroups ? [...PORTABLE, ...broadcast] : PORTABLE;
});

async function make(rows: number, cols: number, into?: Int8Matrix): Promise<Int8Matrix> {
  const matrix = into ?? createInt8Matrix(gpu, 'head', rows, cols, 'work');
  await writeInt8(gpu, matrix, normals(rows * cols, rows + cols));
  return matrix;
}

async function logitsOf(
  head: Int8Matrix,
  dispatch: (logits: GPUBuffer) => ReturnType<typeof lmHeadInt8>,
): Promise<Float32Array> {
  // Nothing is written behind the last row.
  const logits = filled(gpu, 'logits', head.rows + 1, 0);
  run(gpu, await dispatch(logits));
  const out = await readFloats(gpu, logits, head.rows + 1);
  expect(out[head.rows]).toBe(0);
  return out.subarray(0, head.rows);
}

function rounded(head: Int8Matrix, variant: HeadVariant): Promise<Float32Array> {
  const q = uploadActivations(gpu, randomActivations(1, head.cols, 1), 1, 'bytes');
  return logitsOf(head, (logits) => lmHeadInt8(gpu, variant, head, q, logits));
}

/** The matrix times `x`, in float64. */
async function product(head: Int8Matrix, x: readonly number[]): Promise<Float64Array> {
  const { codes, scales } = await readInt8(gpu, head);
  return Float64Array.from({ length: head.rows }, (_, row) =>
    x.reduce((sum, value, col) => {
      const at = row * head.cols + col;
      return sum + value * codes[at]! * scales[at]!;
    }, 0),
  );
}

// Columns of no whole piece of 64 and no whole group of 32; rows of no whole block of 8.
const SHAPES = [
  [5, 8],
  [70, 72],
  [136, 256],
  [24, 1000],
] as const;

describe('with int8 activations', () => {
  test.each(SHAPES)('%i rows of %i columns, in every variant', async (rows, cols) => {
    const head = await make(rows, cols);
    const { q, inverse } = randomActivations(1, cols, 1);
    const expected = await product(
      head,
      Array.from(q, (value) => value * inverse[0]!),
    );
    for (const variant of variants)
      expect(largestError(await rounded(head, variant), expected)).toBeLessThan(ROUNDING);
  });

  test('shards have no seam', async () => {
    const cut = await make(70, 72, int8Shards(gpu, 72, [24, 40, 6]));
    const whole = await make(70, 72);
    for (const variant of variants)
      expect(await rounded(cut, variant)).toEqual(await rounded(whole, variant));
  });

  test('more workgroups than a dimension may have are folded into two', async () => {
    // One block of 8 rows a workgroup; a dimension holds 65,535, and the last line of the fold is not full.
    const rows = 65_540 * 8;
    const head = createInt8Matrix(gpu, 'head', rows, 64, 'work');
    const [shard] = head.shards;
    // Codes are 1, 2 or 3, by the row, and all scales 1.
    const codes = new Uint8Array(rows * 64);
    for (let row = 0; row < rows; row++) {
      for (let chunk = 0; chunk < 4; chunk++) {
        const at = (((row >> 3) * 4 + chunk) * 8 + (row & 7)) * 16;
        codes.fill((row % 3) + 1, at, at + 16);
      }
    }
    gpu.write(shard!.codes, 0, new Uint32Array(codes.buffer));
    gpu.write(shard!.scales, 0, new Uint32Array(rows).fill(0x3c003c00));
    const { q, inverse } = randomActivations(1, 64, 1);
    const factor = q.reduce((sum, value) => sum + value, 0) * inverse[0]!;
    const logits = await rounded(head, { blocks: 1, split: 1, broadcast: false });
    const expected = Float64Array.from({ length: rows }, (_, row) => ((row % 3) + 1) * factor);
    expect(largestError(logits, expected)).toBeLessThan(ROUNDING);
  });
});

describe('with activations that are not rounded', () => {
  test.each(SHAPES)('%i rows of %i columns', async (rows, cols) => {
    const head = await make(rows, cols);
    const x = normals(cols, cols + 1);
    const padded = new Float32Array(Math.ceil(cols / 64) * 64);
    padded.set(x);
    const logits = await logitsOf(head, (out) => exactLmHeadInt8(gpu, head, gpu.upload('x', padded), out));
    expect(largestError(logits, await product(head, [...x]))).toBeLessThan(ROUNDING);
  });

  test('shards have no seam', async () => {
    const x = gpu.upload('x', normals(128, 9));
    const of = (head: Int8Matrix) => logitsOf(head, (out) => exactLmHeadInt8(gpu, head, x, out));
    expect(await of(await make(70, 72, int8Shards(gpu, 72, [24, 40, 6])))).toEqual(
      await of(await make(70, 72)),
    );
  });
});

test('scales that are subnormal halves count, also where unpacking makes zeros of these', async () => {
  const own = await openContext();
  flushHalves(own);
  const [rows, cols] = [24, 72];
  // Normal halves, none of which is more than 127 subnormal ones.
  const elements = normals(rows * cols, 8).map(
    (value) => Math.sign(value) * (1e-4 + Math.min(Math.abs(value), 5) * 1e-3),
  );
  const head = createInt8Matrix(own, 'head', rows, cols, 'work');
  const values = await writeInt8(own, head, elements);
  const { q, inverse } = randomActivations(1, cols, 1);
  const x = uploadActivations(own, randomActivations(1, cols, 1), 1, 'bytes');
  const logits = filled(own, 'logits', rows);
  run(own, await lmHeadInt8(own, PORTABLE[0]!, head, x, logits));
  const expected = Float64Array.from({ length: rows }, (_, row) =>
    q.reduce((sum, code, col) => sum + code * inverse[0]! * values[row * cols + col]!, 0),
  );
  // Codes of seven bits.
  expect(largestError(await readFloats(own, logits, rows), expected)).toBeLessThan(0.01);
  own.destroy();
});
