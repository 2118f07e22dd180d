// LM head in the blocks of a file: its products with int8 activations, and with such as are not rounded.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { BlockEncoding } from '../../../src/formats/encodings';
import type { Dispatch, GpuContext, PipelineSpec } from '../../../src/gpu/context';
import { exactLmHeadBlocks, lmHeadBlocks } from '../../../src/kernels/lm-head-blocks';
import { checkBlocksHead } from '../../../src/kernels/lm-head-blocks-check';
import type { HeadVariant } from '../../../src/kernels/lm-head-int8';
import type { BlockMatrix } from '../../../src/kernels/matrices';
import { openContext } from '../../support/engine';
import { BLOCK_ENCODINGS, blockShards } from '../../support/random-blocks';
import { normals, randomActivations } from '../../support/reference';
import { filled, readFloats, run, uploadActivations } from '../../support/reference-gpu';

let gpu: GpuContext;
beforeAll(async () => {
  gpu = await openContext();
});
afterAll(() => gpu.destroy());

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

async function logitsOf(
  head: BlockMatrix,
  dispatch: (logits: GPUBuffer) => Promise<Dispatch[]>,
): Promise<Float32Array> {
  // Nothing is written behind the last row.
  const logits = filled(gpu, 'logits', head.rows + 1, 0);
  run(gpu, await dispatch(logits));
  const out = await readFloats(gpu, logits, head.rows + 1);
  expect(out[head.rows]).toBe(0);
  return out.subarray(0, head.rows);
}

function rounded(head: BlockMatrix, variant: HeadVariant): Promise<Float32Array> {
  const q = uploadActivations(gpu, randomActivations(1, head.cols, 1), 1, 'bytes');
  return logitsOf(head, (logits) => lmHeadBlocks(gpu, variant, head, q, logits));
}

function exact(head: BlockMatrix, x: Float32Array): Promise<Float32Array> {
  const padded = new Float32Array(Math.ceil(head.cols / 64) * 64);
  padded.set(x);
  return logitsOf(head, (logits) => exactLmHeadBlocks(gpu, head, gpu.upload('x', padded), logits));
}

/**
 * Fails unless each logit is the product of its row and `x` in float64, to some hundred additions in f32, whose units are 6e-8, of
 * the magnitudes that are added; in Q4_K those are of the codes and of the minima, each several times their difference.
 */
function expectProducts(logits: Float32Array, weights: Float32Array, x: readonly number[]): void {
  const { length: cols } = x;
  const errors = Array.from(logits, (logit, row) => {
    const own = weights.subarray(row * cols, (row + 1) * cols);
    const product = own.reduce((sum, weight, col) => sum + weight * x[col]!, 0);
    const magnitude = own.reduce((sum, weight, col) => sum + Math.abs(weight * x[col]!), 0);
    return Math.abs(logit - product) / magnitude;
  });
  expect(Math.max(...errors)).toBeLessThan(2e-6);
}

// Rows of no whole block of 8; columns of no whole piece of 64, where the blocks of the file allow that; of one group of 256 and
// of several, so that parts of a split row have none, one and two pieces.
const SHAPES: readonly [BlockEncoding, rows: number, cols: number][] = [
  ['Q4_0', 5, 32],
  ['Q4_0', 70, 96],
  ['Q4_0', 24, 992],
  ...(['Q4_K', 'Q6_K'] as const).flatMap((encoding): [BlockEncoding, number, number][] => [
    [encoding, 5, 256],
    [encoding, 70, 768],
  ]),
];

describe('with int8 activations', () => {
  test.each(SHAPES)('%s, %i rows of %i columns, in every variant', async (encoding, rows, cols) => {
    const { matrix, values } = blockShards(gpu, encoding, cols, [rows]);
    const { q, inverse } = randomActivations(1, cols, 1);
    const x = Array.from(q, (value) => value * inverse[0]!);
    for (const variant of variants) expectProducts(await rounded(matrix, variant), values, x);
  });
});

describe('with activations that are not rounded', () => {
  test.each(SHAPES)('%s, %i rows of %i columns', async (encoding, rows, cols) => {
    const { matrix, values } = blockShards(gpu, encoding, cols, [rows]);
    const x = normals(cols, cols + 1);
    expectProducts(await exact(matrix, x), values, [...x]);
  });
});

describe.each(BLOCK_ENCODINGS)('%s', (encoding) => {
  test('shards have no seam', async () => {
    const { matrix: cut } = blockShards(gpu, encoding, 256, [24, 40, 6]);
    const { matrix: whole } = blockShards(gpu, encoding, 256, [70]);
    const variant = variants[0]!;
    expect(await rounded(cut, variant)).toEqual(await rounded(whole, variant));
    const x = normals(256, 9);
    expect(await exact(cut, x)).toEqual(await exact(whole, x));
  });

  test('subnormal scales are kept', async () => {
    // Halves are subnormal below 2^-14.
    const { matrix, values } = blockShards(gpu, encoding, 256, [70], 2 ** -14);
    const x = normals(256, 9);
    expectProducts(await exact(matrix, x), values, [...x]);
  });

  test('its known answers are right, and tell a kernel that is not', async () => {
    const variant = variants[0]!;
    expect(await checkBlocksHead(gpu, variant, encoding)).toBe(true);
    // As a driver might: planes of codes are looked for where they are not.
    const compile = gpu.pipeline.bind(gpu);
    const change = ({ constants = {}, ...spec }: PipelineSpec): PipelineSpec => {
      return { ...spec, constants: { ...constants, PLANES: 1 } };
    };
    gpu.pipeline = (spec) => compile(change(spec));
    try {
      expect(await checkBlocksHead(gpu, variant, encoding)).toBe(false);
    } finally {
      gpu.pipeline = compile;
    }
  });
});
