// RMSNorm + int8 quantisation against the formula in float64.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { GpuContext } from '../../../src/gpu/context';
import { rmsNormQuantize } from '../../../src/kernels/rms-norm-quantize';
import { openContext } from '../../support/engine';
import { normals, rmsNormRow } from '../../support/reference';
import { filled, readFloats, readWords, run } from '../../support/reference-gpu';

const EPS = 1e-5;
/** How near to the middle between two integers f32 may fall to the other side: 127 times some units of 6e-8. */
const UNSURE = 1e-4;

/** What the kernel wrote for one token. */
interface Quantized {
  q: Int8Array;
  inverse: number;
  sum: number;
}

/** Quantises rows of x and returns them; `q` includes the padding. */
async function quantize(
  gpu: GpuContext,
  x: Float32Array,
  weight: Float32Array,
  threads: number,
): Promise<Quantized[]> {
  const cols = weight.length;
  const tokens = x.length / cols;
  const padded = Math.ceil(cols / 64) * 64;
  const out = {
    padded,
    values: filled(gpu, 'q', (tokens * padded) / 4),
    scales: filled(gpu, 'scales', tokens * 2),
  };
  const shape = { cols, eps: EPS, threads };
  const dispatch = await rmsNormQuantize(
    gpu,
    'norm',
    shape,
    gpu.upload('x', x),
    gpu.upload('weight', weight),
    out,
  );
  dispatch.workgroups[0] = tokens;
  run(gpu, [dispatch]);
  const words = await readWords(gpu, out.values, (tokens * padded) / 4);
  const scales = await readFloats(gpu, out.scales, tokens * 2);
  return Array.from({ length: tokens }, (_, token) => ({
    q: new Int8Array(words.buffer, token * padded, padded),
    inverse: scales[token * 2]!,
    sum: scales[token * 2 + 1]!,
  }));
}

/** Nearest integer, halves to the even one. */
function roundEven(value: number): number {
  const floor = Math.floor(value);
  if (value - floor !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}

function expectQuantized(actual: Quantized, x: Float32Array, weight: Float32Array): void {
  const y = rmsNormRow(x, weight, EPS);
  const largest = y.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const s = 127 / Math.max(largest, 1e-5);
  const wrong = [...y.keys()].filter((i) => {
    const scaled = y[i]! * s;
    const fraction = scaled - Math.floor(scaled);
    const allowed = new Set([Math.min(127, Math.max(-128, roundEven(scaled)))]);
    if (Math.abs(fraction - 0.5) < UNSURE) allowed.add(Math.floor(scaled)).add(Math.ceil(scaled));
    return !allowed.has(actual.q[i]!);
  });
  expect(wrong).toEqual([]);
  expect(actual.q.subarray(x.length).every((value) => value === 0)).toBe(true);
  expect(actual.sum).toBe(actual.q.reduce((sum, value) => sum + value, 0));
  expect(actual.inverse * s).toBeCloseTo(1, 5);
}

describe.each([{ subgroups: undefined }, { subgroups: false }])(
  'with subgroups: $subgroups',
  ({ subgroups }) => {
    let gpu: GpuContext;
    /** The width that makes a workgroup one subgroup where there are any, and others. */
    let widths: number[];
    beforeAll(async () => {
      gpu = await openContext(subgroups === undefined ? {} : { capabilities: { subgroups } });
      widths = [gpu.device.adapterInfo.subgroupMaxSize ?? 8, 64];
    });
    afterAll(() => gpu.destroy());

    test.each([4, 60, 64, 100, 1000])('three rows of %i are quantised', async (cols) => {
      const x = normals(3 * cols, cols, 2);
      const weight = normals(cols, cols + 1);
      for (const threads of widths) {
        const rows = await quantize(gpu, x, weight, threads);
        for (const [token, row] of rows.entries()) {
          expectQuantized(row, x.subarray(token * cols, (token + 1) * cols), weight);
        }
      }
    });

    test('rows of any magnitude are quantised', async () => {
      const cols = 100;
      const weight = normals(cols, 1);
      // From where squares vanish beside eps, or vanish altogether, to where a thousand of them nearly fill f32's range.
      for (const scale of [1e-30, 1e-9, 1e-4, 1e5, 1e15]) {
        const x = normals(cols, 2, scale);
        for (const threads of widths) {
          const [row] = await quantize(gpu, x, weight, threads);
          expectQuantized(row!, x, weight);
        }
      }
    });

    test('a row of zeros gives zeros and a finite scale, beside others', async () => {
      const cols = 100;
      const weight = normals(cols, 3);
      const x = normals(3 * cols, 4).fill(0, cols, 2 * cols);
      const rows = await quantize(gpu, x, weight, widths[0]!);
      for (const [token, row] of rows.entries()) {
        expectQuantized(row, x.subarray(token * cols, (token + 1) * cols), weight);
      }
      expect(rows[1]!.sum).toBe(0);
      // 1/s at its floor.
      expect(rows[1]!.inverse).toBeCloseTo(1e-5 / 127, 12);
    });

    test('one value far above the rest takes the whole range, and the rest rounds to zero', async () => {
      const cols = 64;
      const x = new Float32Array(cols).fill(0.001);
      x[63] = -10;
      const [row] = await quantize(gpu, x, new Float32Array(cols).fill(1), widths[0]!);
      expect([...row!.q]).toEqual([...new Array<number>(63).fill(0), -127]);
    });
  },
);
