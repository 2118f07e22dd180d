// Norm, quantisation and matrix in one dispatch against the formula in float64, and against the two dispatches that it stands for.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { GpuContext } from '../../../src/gpu/context';
import { checkNormMatmul } from '../../../src/kernels/norm-matmul-check';
import { fusesNorm, normMatmul } from '../../../src/kernels/norm-matmul';
import { rmsNormQuantize } from '../../../src/kernels/rms-norm-quantize';
import {
  ternaryMatmul,
  type MatmulEpilogue,
  type MatmulPart,
  type MatmulVariant,
} from '../../../src/kernels/ternary-matmul';
import { openContext } from '../../support/engine';
import {
  integers,
  largestError,
  normals,
  randomTernary,
  ternaryProduct,
  type PlainTernary,
} from '../../support/reference';
import { filled, readFloats, run, uploadTernary } from '../../support/reference-gpu';

const EPS = 1e-5;
/** Of the largest result. Integer sums are exact; a dozen roundings of 6e-8 each follow, and those of the mean square. */
const ROUNDED = 2e-6;

const fused = (blocks: number, split: number, products: 'bytes' | 'pairs' = 'bytes'): MatmulVariant => {
  return { blocks, tokens: 1, split, products, broadcast: false, fused: true };
};
/** As GPUs have them, and with fewer threads: other numbers of trips, pieces and rounds of the reduction. */
const VARIANTS = [fused(2, 32), fused(2, 32, 'pairs'), fused(1, 16), fused(4, 8, 'pairs')];
/** What compiles soonest. */
const SMALL = fused(1, 8);

/** A row of activations of which it is known what they are rounded to. */
interface KnownRow {
  x: Float32Array;
  /** Undefined: there is no norm. */
  weight: Float32Array | undefined;
  q: Int8Array;
  /** What a code stands for. */
  inverse: number;
}

/** Codes are those of no value near a half; the largest one is in the last column. `step` is what a code is before the norm. */
function knownRow(cols: number, seed: number, normed: boolean, step: number): KnownRow {
  const q = Int8Array.from(integers(cols, seed, -126, 126));
  q[cols - 1] = 127;
  const factors = normals(cols, seed + 1).map((value) => 0.5 + Math.abs(value));
  const beside = normals(cols, seed + 2, 0.1).map((value) => Math.max(-0.3, Math.min(0.3, value)));
  beside[cols - 1] = 0;
  const x = Float32Array.from(q, (code, i) => ((code + beside[i]!) * step) / (normed ? factors[i]! : 1));
  const meanSquare = x.reduce((sum, value) => sum + value * value, 0) / cols;
  const rms = normed ? Math.sqrt(meanSquare + EPS) : 1;
  return { x, weight: normed ? factors : undefined, q, inverse: step / rms };
}

/** What y holds before. */
const before = (width: number): Float32Array => normals(width, 9);

const activate = (epilogue: MatmulEpilogue, gate: number): number =>
  epilogue.startsWith('relu2-') ? Math.max(gate, 0) ** 2 : gate / (1 + Math.exp(-gate));

function reference(matrix: PlainTernary, { q, inverse }: KnownRow, epilogue: MatmulEpilogue): Float64Array {
  const activations = { tokens: 1, cols: matrix.cols, q, inverse: Float32Array.of(1), groups: false };
  const product = ternaryProduct(matrix, activations).map((value) => value * inverse);
  const old = before(matrix.rows);
  if (epilogue === 'store') return product;
  if (epilogue === 'add') return product.map((value, i) => value + old[i]!);
  if (epilogue.endsWith('-times')) return product.map((value, i) => old[i]! * activate(epilogue, value));
  const half = matrix.rows / 2;
  return product.subarray(0, half).map((gate, i) => activate(epilogue, gate) * product[half + i]!);
}

/** What the kernel makes of it. */
async function multiply(
  gpu: GpuContext,
  plain: PlainTernary,
  { x, weight }: KnownRow,
  epilogue: MatmulEpilogue,
  variant: MatmulVariant,
  part?: MatmulPart,
): Promise<Float32Array> {
  const matrix = uploadTernary(gpu, plain);
  const width = part?.stride ?? (epilogue.endsWith('-gate') ? plain.rows / 2 : plain.rows);
  const y = gpu.upload('y', before(width));
  const input = { x: gpu.upload('x', x), weight: weight && gpu.upload('weight', weight), eps: EPS };
  run(gpu, [await normMatmul(gpu, 'norm + matmul', matrix, epilogue, variant, input, y, part)]);
  return readFloats(gpu, y, width);
}

// Compiling is what takes time, on SwiftShader seconds for each width, epilogue and variant: so only some of each meet.

/** Columns of no whole chunk, in two trips for the smallest workgroups. */
const COLS = 676;
/** No whole row block, no whole workgroup, and both. */
const ROWS = [1, 44, 72];
/** Gate and up have whole row blocks each: 1, 5 and 3. */
const GATED_ROWS = [16, 80, 48];

async function checkRows(
  gpu: GpuContext,
  epilogue: MatmulEpilogue,
  variant: MatmulVariant,
  cols: number,
  normed: boolean,
): Promise<void> {
  for (const rows of epilogue.endsWith('-gate') ? GATED_ROWS : ROWS) {
    const matrix = randomTernary(rows, cols, rows + cols);
    const row = knownRow(cols, cols, normed, 0.02);
    const actual = await multiply(gpu, matrix, row, epilogue, variant);
    const error = largestError(actual, reference(matrix, row, epilogue));
    expect(error, `${rows} × ${cols}`).toBeLessThan(ROUNDED);
  }
}

describe('with all that the device can', () => {
  let gpu: GpuContext;
  beforeAll(async () => {
    gpu = await openContext();
  });
  afterAll(() => gpu.destroy());

  test.for(VARIANTS)('%j is right', async (variant) => {
    await checkRows(gpu, 'store', variant, COLS, true);
  });

  test.for(['add', 'relu2-gate', 'silu-gate'] as const)('%s is right', async (epilogue) => {
    await checkRows(gpu, epilogue, SMALL, COLS, true);
  });

  test('is right without a norm', async () => {
    await checkRows(gpu, 'store', SMALL, COLS, false);
  });

  test('is right where a thread has several pieces of the row, and its rows several trips', async () => {
    await checkRows(gpu, 'store', SMALL, 1988, true);
  });

  test.for([1e6, 1e-3])('is right for rows of values around %d', async (size) => {
    const matrix = randomTernary(24, COLS, 5);
    const row = knownRow(COLS, 6, true, size / 64);
    const actual = await multiply(gpu, matrix, row, 'store', SMALL);
    expect(largestError(actual, reference(matrix, row, 'store'))).toBeLessThan(ROUNDED);
  });

  test('makes zeros of a row of zeros, and rounds what is nearly that as if its largest value were 1e-5', async () => {
    const matrix = randomTernary(24, COLS, 7);
    const nothing = { x: new Float32Array(COLS), weight: undefined, q: new Int8Array(COLS), inverse: 1 };
    expect(await multiply(gpu, matrix, nothing, 'add', SMALL)).toEqual(before(24));
    // With s = 127 / 1e-5 these are the codes 1 to 100.
    const q = Int8Array.from({ length: COLS }, (_, i) => 1 + (i % 100));
    const inverse = 1e-5 / 127;
    const small = { x: Float32Array.from(q, (code) => code * inverse), weight: undefined, q, inverse };
    const actual = await multiply(gpu, matrix, small, 'store', SMALL);
    expect(largestError(actual, reference(matrix, small, 'store'))).toBeLessThan(ROUNDED);
  });

  test.for([NaN, Infinity])('a row with %d in it has no result that is a number', async (odd) => {
    const matrix = randomTernary(24, COLS, 5);
    const row = knownRow(COLS, 6, true, 0.02);
    row.x[30] = odd;
    const actual = await multiply(gpu, matrix, row, 'store', SMALL);
    expect(actual.filter((value) => Number.isFinite(value))).toEqual(new Float32Array(0));
  });

  test.for(['bytes', 'pairs'] as const)(
    'the largest sums that there can be are exact, by %s',
    async (products) => {
      // Codes 3 (weight +2) times 127 all along: a chunk of 64 columns gives no larger sum.
      const matrix = { ...randomTernary(16, COLS, 1), codes: new Uint8Array(16 * COLS).fill(3) };
      const q = new Int8Array(COLS).fill(127);
      const row = { x: Float32Array.from(q), weight: undefined, q, inverse: 1 };
      const actual = await multiply(gpu, matrix, row, 'store', { ...SMALL, products });
      expect(largestError(actual, reference(matrix, row, 'store'))).toBeLessThan(ROUNDED);
    },
  );

  test.for(['store', 'relu2-times', 'silu-times'] as const)(
    '%s of some rows goes into its columns, and no others',
    async (epilogue) => {
      const part = { firstRow: 24, rows: 40, column: 9, stride: 52 };
      const { firstRow, rows, column, stride } = part;
      const plain = randomTernary(80, COLS, 3);
      const own = {
        ...plain,
        rows,
        codes: plain.codes.subarray(firstRow * plain.cols, (firstRow + rows) * plain.cols),
        scales: plain.scales.subarray(firstRow, firstRow + rows),
      };
      const row = knownRow(COLS, 4, true, 0.02);
      const result = reference(own, row, 'store');
      const expected = Float64Array.from(before(stride), (old, i) => {
        const value = result[i - column];
        if (value === undefined) return old;
        return epilogue === 'store' ? value : old * activate(epilogue, value);
      });
      const actual = await multiply(gpu, plain, row, epilogue, SMALL, part);
      expect(largestError(actual, expected)).toBeLessThan(ROUNDED);
    },
  );

  test('gives what norm and matrix give one after the other', async () => {
    const [rows, padded] = [136, Math.ceil(COLS / 64) * 64];
    const matrix = uploadTernary(gpu, randomTernary(rows, COLS, 11));
    const x = gpu.upload('x', knownRow(COLS, 12, true, 0.5).x);
    const weight = gpu.upload('weight', normals(COLS, 13));
    const q = { padded, values: filled(gpu, 'q', padded / 4), scales: filled(gpu, 'scales', 2) };
    const shape = { cols: COLS, eps: EPS, threads: 8, packing: 'bytes' } as const;
    const apart: MatmulVariant = { blocks: 2, tokens: 1, split: 8, products: 'bytes', broadcast: false };
    const y = { one: filled(gpu, 'one', rows), two: filled(gpu, 'two', rows) };
    run(gpu, [
      await rmsNormQuantize(gpu, 'norm', shape, x, weight, q),
      await ternaryMatmul(gpu, 'matmul', matrix, 'store', apart, q, y.two),
      await normMatmul(gpu, 'both', matrix, 'store', SMALL, { x, weight, eps: EPS }, y.one),
    ]);
    const [one, two] = [await readFloats(gpu, y.one, rows), await readFloats(gpu, y.two, rows)];
    // No code of these is so near a half that the two round it to different sides.
    expect(largestError(one, Float64Array.from(two))).toBeLessThan(ROUNDED);
  });

  /** As a model has it: 40 chunks. */
  const FORMS = [{ cols: 2560, plain: false, epilogue: 'store', eps: EPS }] as const;

  test('knows its answers, as the first candidate of GPUs has it', async () => {
    expect(await checkNormMatmul(gpu, fused(2, 32), FORMS)).toBe(true);
  });

  test('does not know them where a part of the row is left out', async () => {
    const compile = gpu.pipeline.bind(gpu);
    gpu.pipeline = (spec) => compile({ ...spec, constants: { ...spec.constants, COLS: 1984 } });
    expect(await checkNormMatmul(gpu, SMALL, [{ ...FORMS[0], cols: 2560 - 512 }])).toBe(false);
    gpu.pipeline = compile;
  });
});

describe('without packed dot products and subgroups', () => {
  let gpu: GpuContext;
  beforeAll(async () => {
    gpu = await openContext({ capabilities: { packedDot: false, subgroups: false } });
  });
  afterAll(() => gpu.destroy());

  test.for(VARIANTS.slice(1))('%j is right', async (variant) => {
    await checkRows(gpu, 'store', variant, COLS, true);
  });
});

describe('a norm goes into the matrix', () => {
  const matrix = (cols: number, scaleGroup: 'row' | number = 'row') => {
    return { rows: 8, cols, scaleGroup, codes: {} as GPUBuffer, scales: {} as GPUBuffer };
  };

  test('only with variants that say so, and where a row has one scale', () => {
    expect(fusesNorm(fused(2, 32), matrix(2560))).toBe(true);
    expect(fusesNorm({ ...fused(2, 32), fused: false }, matrix(2560))).toBe(false);
    expect(fusesNorm(fused(2, 32), matrix(2560, 256))).toBe(false);
  });

  test('if the row fits the workgroup memory and the registers that there are', () => {
    // Of 16 KiB the sums of parts take 4, and the reduction another 2.
    expect(fusesNorm(fused(2, 32), matrix(8192))).toBe(true);
    expect(fusesNorm(fused(2, 32), matrix(10240))).toBe(false);
    expect(fusesNorm(fused(2, 32, 'pairs'), matrix(4096))).toBe(true);
    expect(fusesNorm(fused(2, 32, 'pairs'), matrix(6912))).toBe(false);
    expect(fusesNorm(fused(2, 8), matrix(2560))).toBe(false);
  });
});
