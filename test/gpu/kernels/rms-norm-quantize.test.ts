// RMSNorm + int8 quantisation against the formula in float64.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { GpuContext } from '../../../src/gpu/context';
import type { ActivationPacking, QuantizedRows } from '../../../src/kernels/matrices';
import { rmsNormQuantize } from '../../../src/kernels/rms-norm-quantize';
import { combinations } from '../../support/effort';
import { openContext } from '../../support/engine';
import { largestError, normals, rmsNormRow } from '../../support/reference';
import { filled, readFloats, readWords, run, uploadState } from '../../support/reference-gpu';

const EPS = 1e-5;
/** How near to the middle between two integers f32 may fall to the other side: 127 times some units of 6e-8. */
const UNSURE = 1e-4;

/** What the kernel wrote for one token. */
interface Quantized {
  q: Int8Array;
  inverse: number;
  sum: number;
}

/** How to run the kernel: threads of a workgroup, packing of the result, and of which rows, if not of all. */
interface Setting {
  threads: number;
  packing?: ActivationPacking;
  /** Only the last of that many rows. */
  lastOf?: number;
  /** Without a norm; the weights are not used. */
  plain?: boolean;
  /** A scale for each group of 64 columns: the same for all of a token, or its own. */
  groups?: 'token' | 'group';
}

/** The bytes that words of two or four hold. */
function unpack(words: Uint32Array, packing: ActivationPacking): Int8Array {
  if (packing === 'bytes') return new Int8Array(words.buffer);
  const bytes = new Int8Array(words.length * 2);
  for (let i = 0; i < words.length; i += 2) {
    for (const odd of [0, 1]) {
      // The low half as a signed number; what is left is the high half.
      const low = (words[i + odd]! << 16) >> 16;
      bytes[i * 2 + 2 + odd] = low;
      bytes[i * 2 + odd] = (words[i + odd]! - low) >> 16;
    }
  }
  return bytes;
}

/** Quantises rows of x and returns them; `q` includes the padding. */
async function quantize(
  gpu: GpuContext,
  x: Float32Array,
  weight: Float32Array,
  setting: Setting,
): Promise<Quantized[]> {
  const { packing = 'bytes', groups } = setting;
  const { out, tokens } = await apply(gpu, x, weight, setting);
  const size = tokens * out.padded;
  const bytes = unpack(await readWords(gpu, out.values, size / (packing === 'bytes' ? 4 : 2)), packing);
  const width = groups ? 64 : out.padded;
  const scales = await readFloats(gpu, out.scales, (size / width) * 2);
  return Array.from({ length: size / width }, (_, i) => ({
    q: bytes.subarray(i * width, (i + 1) * width),
    inverse: scales[i * 2]!,
    sum: scales[i * 2 + 1]!,
  }));
}

/** Runs the kernel. */
async function apply(
  gpu: GpuContext,
  x: Float32Array,
  weight: Float32Array,
  { threads, packing = 'bytes', lastOf, plain = false, groups }: Setting,
): Promise<{ out: QuantizedRows; tokens: number }> {
  const cols = weight.length;
  const tokens = lastOf === undefined ? x.length / cols : 1;
  const padded = Math.ceil(cols / 64) * 64;
  const out = {
    padded,
    values: filled(gpu, 'q', tokens * padded),
    scales: filled(gpu, 'scales', (tokens * padded * 2) / 64),
    groups: groups !== undefined,
  };
  const dispatch = await rmsNormQuantize(
    gpu,
    'norm',
    { cols, eps: EPS, threads, packing, scalePer: groups },
    gpu.upload('x', x),
    plain ? undefined : gpu.upload('weight', weight),
    out,
    lastOf === undefined ? undefined : uploadState(gpu, 7, lastOf),
  );
  run(gpu, [dispatch], { tokens });
  return { out, tokens };
}

/** Nearest integer, halves to the even one. */
function roundEven(value: number): number {
  const floor = Math.floor(value);
  if (value - floor !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}

const largestOf = (y: Float64Array): number => y.reduce((most, value) => Math.max(most, Math.abs(value)), 0);

/** `actual` is a whole row of which the norm of x is known. */
function expectQuantized(actual: Quantized, x: Float32Array, weight: Float32Array): void {
  const y = rmsNormRow(x, weight, EPS);
  expectRounded(actual, y, 127 / Math.max(largestOf(y), 1e-5));
}

/** `actual` is y · s, rounded. */
function expectRounded(actual: Quantized, y: Float64Array, s: number): void {
  const wrong = [...y.keys()].filter((i) => {
    const scaled = y[i]! * s;
    const fraction = scaled - Math.floor(scaled);
    const allowed = new Set([Math.min(127, Math.max(-128, roundEven(scaled)))]);
    if (Math.abs(fraction - 0.5) < UNSURE) allowed.add(Math.floor(scaled)).add(Math.ceil(scaled));
    return !allowed.has(actual.q[i]!);
  });
  expect(wrong).toEqual([]);
  expect(actual.q.subarray(y.length).every((value) => value === 0)).toBe(true);
  expect(actual.sum).toBe(actual.q.reduce((sum, value) => sum + value, 0));
  expect(actual.inverse * s).toBeCloseTo(1, 5);
}

describe.each([{ subgroups: undefined }, { subgroups: false }])(
  'with subgroups: $subgroups',
  ({ subgroups }) => {
    let gpu: GpuContext;
    /** The width that makes a workgroup one subgroup where there are any, and another that holds rows in registers. */
    let widths: number[];
    beforeAll(async () => {
      gpu = await openContext(subgroups === undefined ? {} : { capabilities: { subgroups } });
      widths = [gpu.device.adapterInfo.subgroupMaxSize ?? 8, 64];
    });
    afterAll(() => gpu.destroy());

    // The widest is too much for the registers of 64 threads, and more than one vector for each of 256.
    const lengths = combinations([4, 60, 64, 100, 1000, 2564], [64, 100, 2564]);
    test.each(lengths)('three rows of %i are quantised', async (cols) => {
      const x = normals(3 * cols, cols, 2);
      const weight = normals(cols, cols + 1);
      for (const threads of cols > 1000 ? [...widths, 256] : widths) {
        const rows = await quantize(gpu, x, weight, { threads });
        for (const [token, row] of rows.entries()) {
          expectQuantized(row, x.subarray(token * cols, (token + 1) * cols), weight);
        }
      }
    });

    test('packed in pairs they are the same', async () => {
      for (const cols of combinations([60, 100, 512], [100])) {
        const x = normals(2 * cols, cols, 2);
        const weight = normals(cols, cols + 1);
        const bytes = await quantize(gpu, x, weight, { threads: widths[0]! });
        expect(await quantize(gpu, x, weight, { threads: widths[0]!, packing: 'pairs' })).toEqual(bytes);
      }
    });

    test.for([NaN, Infinity])('a row with %d in it has a scale that is no number either', async (odd) => {
      const cols = 100;
      const x = normals(2 * cols, 5, 2);
      x[cols + 30] = odd;
      for (const setting of [{}, { plain: true }, { groups: 'token' }, { groups: 'group' }] as const) {
        const rows = await quantize(gpu, x, normals(cols, 6), { threads: widths[0]!, ...setting });
        const finite = rows.map(({ inverse }) => Number.isFinite(inverse));
        // Of two rows the second one, in all of its groups.
        expect(finite, JSON.stringify(setting)).toEqual(rows.map((_, i) => i < rows.length / 2));
      }
    });

    describe.each([false, true])('in groups of 64 (without a norm: %s)', (plain) => {
      const rowsOf = (x: Float32Array, weight: Float32Array): Float64Array =>
        plain ? Float64Array.from(x) : rmsNormRow(x, weight, EPS);

      test.each(combinations([40, 64, 200, 1000], [40, 200]))(
        'each of %i columns has its own scale',
        async (cols) => {
          const x = normals(2 * cols, cols, 2);
          // Groups of very different size, one of them all zeros.
          for (let i = 0; i < x.length; i++) x[i]! *= 10 ** -Math.floor((i % cols) / 64);
          x.fill(0, cols, cols + Math.min(64, cols));
          const weight = normals(cols, cols + 1);
          for (const threads of cols === 200 ? [...widths, 256] : widths) {
            for (const packing of ['bytes', 'pairs'] as const) {
              const setting: Setting = { threads, packing, plain, groups: 'group' };
              const groups = await quantize(gpu, x, weight, setting);
              const perRow = groups.length / 2;
              for (const [i, group] of groups.entries()) {
                const token = Math.floor(i / perRow);
                const row = rowsOf(x.subarray(token * cols, (token + 1) * cols), weight);
                const own = row.subarray((i % perRow) * 64, ((i % perRow) + 1) * 64);
                expectRounded(group, own, 127 / Math.max(largestOf(own), 1e-30));
              }
            }
          }
        },
      );

      test('a common scale of the token is that of the whole row', async () => {
        const cols = 200;
        const x = normals(cols, 7, 2);
        const weight = normals(cols, 8);
        const row = rowsOf(x, weight);
        for (const threads of widths) {
          const groups = await quantize(gpu, x, weight, { threads, plain, groups: 'token' });
          for (const [i, group] of groups.entries()) {
            expectRounded(group, row.subarray(i * 64, (i + 1) * 64), 127 / largestOf(row));
          }
          expect(new Set(groups.map(({ inverse }) => inverse)).size).toBe(1);
        }
      });

      test('as f32 there is no rounding', async () => {
        const cols = 200;
        const x = normals(2 * cols, 9, 2);
        const weight = normals(cols, 10);
        for (const groups of [undefined, 'token'] as const) {
          const setting: Setting = { threads: widths[0]!, packing: 'floats', plain };
          const { out } = await apply(gpu, x, weight, groups ? { ...setting, groups } : setting);
          const y = await readFloats(gpu, out.values, 2 * 256);
          for (const token of [0, 1]) {
            const row = rowsOf(x.subarray(token * cols, (token + 1) * cols), weight);
            const padded = new Float64Array(256);
            padded.set(row);
            // A division, a product and a root in f32.
            expect(largestError(y.subarray(token * 256, (token + 1) * 256), padded)).toBeLessThan(1e-6);
          }
          const entries = groups ? 8 : 2;
          const scales = await readFloats(gpu, out.scales, entries * 2);
          expect([...scales]).toEqual(Array.from({ length: entries * 2 }, (_, i) => (i % 2 ? 0 : 1)));
        }
      });
    });

    test('a plain row has the scale of its largest value', async () => {
      const cols = 100;
      const x = normals(2 * cols, 11, 3);
      for (const packing of ['bytes', 'pairs'] as const) {
        const rows = await quantize(gpu, x, new Float32Array(cols), {
          threads: widths[0]!,
          packing,
          plain: true,
        });
        for (const [token, row] of rows.entries()) {
          const y = Float64Array.from(x.subarray(token * cols, (token + 1) * cols));
          expectRounded(row, y, 127 / largestOf(y));
        }
      }
    });

    test('the last of three rows alone is quantised', async () => {
      const cols = 100;
      const x = normals(3 * cols, 5);
      const weight = normals(cols, 6);
      for (const packing of ['bytes', 'pairs'] as const) {
        const [row] = await quantize(gpu, x, weight, { threads: widths[0]!, packing, lastOf: 3 });
        expectQuantized(row!, x.subarray(2 * cols), weight);
      }
    });

    test('rows of any magnitude are quantised', async () => {
      const cols = 100;
      const weight = normals(cols, 1);
      // From where squares vanish beside eps, or vanish altogether, to where a thousand of them nearly fill f32's range.
      for (const scale of [1e-30, 1e-9, 1e-4, 1e5, 1e15]) {
        const x = normals(cols, 2, scale);
        for (const threads of widths) {
          const [row] = await quantize(gpu, x, weight, { threads });
          expectQuantized(row!, x, weight);
        }
      }
    });

    test('a row of zeros gives zeros and a finite scale, beside others', async () => {
      const cols = 100;
      const weight = normals(cols, 3);
      const x = normals(3 * cols, 4).fill(0, cols, 2 * cols);
      const rows = await quantize(gpu, x, weight, { threads: widths[0]! });
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
      const [row] = await quantize(gpu, x, new Float32Array(cols).fill(1), {
        threads: widths[0]!,
      });
      expect([...row!.q]).toEqual([...new Array<number>(63).fill(0), -127]);
    });
  },
);
