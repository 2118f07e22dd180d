// Embedding look-up against the table itself.
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { GpuContext } from '../../../src/gpu/context';
import { embed } from '../../../src/kernels/embed';
import { openContext } from '../../support/engine';
import { normals } from '../../support/reference';
import { filled, readFloats, run, uploadHalf } from '../../support/reference-gpu';

let gpu: GpuContext;
beforeAll(async () => {
  gpu = await openContext();
});
afterAll(() => gpu.destroy());

// Widths below, at and above two values for each of the kernel's 64 threads.
test.each([
  { cols: 8, rowsPerShard: 37, scale: undefined },
  { cols: 128, rowsPerShard: 16, scale: 12 },
  { cols: 200, rowsPerShard: 36, scale: 0.25 },
])('rows of $cols come out of shards of $rowsPerShard rows, times $scale', async (shape) => {
  const { cols, rowsPerShard, scale } = shape;
  const rows = 37;
  const { matrix, values } = uploadHalf(
    gpu,
    { rows, cols, elements: normals(rows * cols, cols) },
    rowsPerShard,
  );
  // First and last rows of the shards, one of them twice.
  const ids = [36, 0, 15, 16, 31, 32, 0];
  const x = filled(gpu, 'x', (ids.length + 1) * cols);
  const dispatches = await embed(gpu, matrix, gpu.upload('ids', Uint32Array.from(ids)), x, scale);
  run(gpu, dispatches, { tokens: ids.length });
  // Products of these numbers and halves are exact in f32.
  const expected = ids.flatMap((id) =>
    [...values.subarray(id * cols, (id + 1) * cols)].map((value) => value * (scale ?? 1)),
  );
  expect([...(await readFloats(gpu, x, ids.length * cols))]).toEqual(expected);
});
