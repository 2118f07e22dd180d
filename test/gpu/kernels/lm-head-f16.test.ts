// LM head with f16 weights against the plain product.
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { GpuContext } from '../../../src/gpu/context';
import { exactLmHeadF16 } from '../../../src/kernels/lm-head-f16';
import { openContext } from '../../support/engine';
import { largestError, normals } from '../../support/reference';
import { filled, readFloats, run, uploadHalf } from '../../support/reference-gpu';

let gpu: GpuContext;
beforeAll(async () => {
  gpu = await openContext();
});
afterAll(() => gpu.destroy());

/** Computes logits of `rows` rows and compares them; returns the dispatches. */
async function check(
  { rows, cols }: { rows: number; cols: number },
  rowsPerShard: number,
  variant: { threads: number; rows: number },
) {
  const { matrix, values } = uploadHalf(
    gpu,
    { rows, cols, elements: normals(rows * cols, rows) },
    rowsPerShard,
  );
  const x = normals(cols, cols);
  // One more than the rows, to see that nothing is written behind them.
  const logits = filled(gpu, 'logits', rows + 1, 0);
  const dispatches = await exactLmHeadF16(gpu, variant, matrix, gpu.upload('x', x), logits);
  run(gpu, dispatches);
  const expected = Float64Array.from({ length: rows + 1 }, (_, row) =>
    row === rows ? 0 : x.reduce((sum, value, col) => sum + value * values[row * cols + col]!, 0),
  );
  // Some hundred additions in f32, whose units are 6e-8.
  expect(largestError(await readFloats(gpu, logits, rows + 1), expected)).toBeLessThan(2e-6);
  for (const { buffer } of matrix.shards) gpu.free(buffer);
  return dispatches;
}

test.each([
  { threads: 4, rows: 8 },
  { threads: 8, rows: 8 },
  { threads: 32, rows: 8 },
  { threads: 64, rows: 3 },
])('$threads threads and $rows rows a workgroup', async (variant) => {
  await check({ rows: 37, cols: 72 }, 37, variant);
});

test.each([8, 256, 1000])('rows of %i columns', async (cols) => {
  await check({ rows: 19, cols }, 19, { threads: 32, rows: 8 });
});

test('shards that end within a workgroup fill logits without a seam', async () => {
  expect(await check({ rows: 37, cols: 72 }, 14, { threads: 8, rows: 8 })).toHaveLength(3);
});

test('more workgroups than a dimension may have are folded into two', async () => {
  // One row a workgroup; a dimension holds 65,535, and the last line of the fold is not full.
  const [dispatch] = await check({ rows: 65_540, cols: 8 }, 65_540, { threads: 8, rows: 1 });
  expect(Math.max(...dispatch!.grid(1, 0)!)).toBeLessThanOrEqual(65_535);
});
