// RMSNorm of the last token against the formula.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { GpuContext } from '../../../src/gpu/context';
import { rmsNorm } from '../../../src/kernels/rms-norm';
import { openContext } from '../../support/engine';
import { largestError, normals, rmsNormRow } from '../../support/reference';
import { filled, readFloats, run, uploadState } from '../../support/reference-gpu';

describe.each([{ subgroups: undefined }, { subgroups: false }])(
  'with subgroups: $subgroups',
  ({ subgroups }) => {
    let gpu: GpuContext;
    beforeAll(async () => {
      gpu = await openContext(subgroups === undefined ? {} : { capabilities: { subgroups } });
    });
    afterAll(() => gpu.destroy());

    const EPS = 1e-5;

    test.each([4, 60, 64, 100, 1000])('the last of three rows of %i is normalised', async (cols) => {
      const x = normals(3 * cols, cols, 3);
      const weight = normals(cols, cols + 1);
      // The width that makes a workgroup one subgroup where there are any, and one that holds the row in registers.
      for (const threads of [gpu.device.adapterInfo.subgroupMaxSize ?? 8, 256]) {
        const y = filled(gpu, 'y', cols);
        const buffers = [gpu.upload('x', x), gpu.upload('weight', weight)] as const;
        run(gpu, [await rmsNorm(gpu, { cols, eps: EPS, threads }, uploadState(gpu, 7, 3), ...buffers, y)]);
        const expected = rmsNormRow(x.subarray(2 * cols), weight, EPS);
        // A few units in the last place of f32 (6e-8) for sum, root and quotient.
        expect(largestError(await readFloats(gpu, y, cols), expected)).toBeLessThan(1e-6);
      }
    });

    test.each([60, 200])('all of three rows of %i are', async (cols) => {
      const x = normals(3 * cols, cols, 3);
      const weight = normals(cols, cols + 1);
      const y = filled(gpu, 'y', 3 * cols);
      const buffers = [gpu.upload('x', x), gpu.upload('weight', weight), y] as const;
      run(gpu, [await rmsNorm(gpu, { cols, eps: EPS, threads: 8 }, undefined, ...buffers)], { tokens: 3 });
      const expected = [0, 1, 2].flatMap((row) => [
        ...rmsNormRow(x.subarray(row * cols, (row + 1) * cols), weight, EPS),
      ]);
      expect(largestError(await readFloats(gpu, y, 3 * cols), expected)).toBeLessThan(1e-6);
    });

    test('a row of zeros stays zeros', async () => {
      const y = filled(gpu, 'y', 64);
      const buffers = [filled(gpu, 'x', 64, 0), gpu.upload('weight', normals(64, 1))] as const;
      run(gpu, [
        await rmsNorm(gpu, { cols: 64, eps: EPS, threads: 8 }, uploadState(gpu, 0, 1), ...buffers, y),
      ]);
      expect((await readFloats(gpu, y, 64)).every((value) => value === 0)).toBe(true);
    });
  },
);

test('sums are right where a browser names a size of subgroups that the device does not have', async () => {
  // What Safari says of every GPU.
  const named = { subgroups: true, subgroupMinSize: 32, subgroupMaxSize: 32 };
  const gpu = await openContext({ capabilities: named });
  const [cols, eps] = [1000, 1e-5];
  const [x, weight, y] = [normals(cols, 5, 3), normals(cols, 6), filled(gpu, 'y', cols)];
  const buffers = [gpu.upload('x', x), gpu.upload('weight', weight), y] as const;
  run(gpu, [await rmsNorm(gpu, { cols, eps, threads: 32 }, undefined, ...buffers)]);
  expect(largestError(await readFloats(gpu, y, cols), rmsNormRow(x, weight, eps))).toBeLessThan(1e-6);
  gpu.destroy();
});
