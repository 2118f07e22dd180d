// Ternary matrix × int8 activations against the integer product, in every variant.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ScaleGroup } from '../../../src/formats/canonical';
import type { GpuContext } from '../../../src/gpu/context';
import { ternaryMatmul, type MatmulEpilogue, type MatmulVariant } from '../../../src/kernels/ternary-matmul';
import { combinations } from '../../support/effort';
import { openContext } from '../../support/engine';
import {
  largestError,
  normals,
  randomActivations,
  randomTernary,
  ternaryProduct,
  type PlainActivations,
  type PlainTernary,
} from '../../support/reference';
import { readWords, run, uploadActivations, uploadTernary } from '../../support/reference-gpu';

/** Variants for any device. */
const PORTABLE: readonly MatmulVariant[] = [
  { blocks: 2, tokens: 1, split: 8, products: 'bytes', broadcast: false },
  { blocks: 2, tokens: 4, split: 8, products: 'bytes', broadcast: false },
  { blocks: 2, tokens: 4, split: 1, products: 'pairs', broadcast: false },
];

/** Variants for devices with subgroups. */
const BROADCAST: readonly MatmulVariant[] = [
  { blocks: 4, tokens: 1, split: 1, products: 'pairs', broadcast: true },
  { blocks: 2, tokens: 4, split: 1, products: 'pairs', broadcast: true },
];

/** More of everything. Compilers take long for these: one epilogue has to do, for the products are the same. */
const OTHERS: readonly MatmulVariant[] = [
  { blocks: 1, tokens: 1, split: 1, products: 'bytes', broadcast: false },
  { blocks: 8, tokens: 1, split: 1, products: 'bytes', broadcast: false },
  { blocks: 8, tokens: 1, split: 1, products: 'pairs', broadcast: false },
  { blocks: 4, tokens: 1, split: 2, products: 'pairs', broadcast: false },
  { blocks: 4, tokens: 4, split: 2, products: 'bytes', broadcast: false },
  { blocks: 2, tokens: 8, split: 1, products: 'bytes', broadcast: false },
];
const OTHER_BROADCASTS: readonly MatmulVariant[] = [
  { blocks: 4, tokens: 1, split: 1, products: 'bytes', broadcast: true },
];

/** Activations in workgroup memory, for teams that have rows of their own. */
const SHARED: readonly MatmulVariant[] = [
  { blocks: 2, tokens: 8, split: 8, products: 'bytes', broadcast: false, shared: true },
  { blocks: 1, tokens: 4, split: 3, products: 'bytes', broadcast: false, shared: true },
  { blocks: 2, tokens: 2, split: 2, products: 'pairs', broadcast: false, shared: true },
];

/** Unrounded activations. */
const FLOATS: readonly MatmulVariant[] = [
  { blocks: 2, tokens: 1, split: 8, products: 'floats', broadcast: false },
  { blocks: 2, tokens: 4, split: 4, products: 'floats', broadcast: false },
  { blocks: 4, tokens: 1, split: 1, products: 'floats', broadcast: false },
];

/** How scales lie, beside one a row and one a token. */
const FORMS: readonly { name: string; groups: boolean; scaleGroup: ScaleGroup }[] = [
  { name: 'scales for groups of activations', groups: true, scaleGroup: 'row' },
  { name: 'scales for the same groups of weights', groups: true, scaleGroup: 64 },
  { name: 'scales for groups of 128 weights', groups: true, scaleGroup: 128 },
  { name: 'scales for groups of 256 weights', groups: true, scaleGroup: 256 },
];

/** Those that whole matrices have. */
type PlainEpilogue = Exclude<MatmulEpilogue, `${string}-times`>;

/**
 * Where not all are tried: by epilogue, which of PORTABLE, BROADCAST and SHARED have it. Each has one, and each is beside 'store' one of
 * one token or of several, of bytes or of pairs, and of a team or of one thread a row.
 */
const WITH_EPILOGUE: Record<PlainEpilogue, readonly number[]> = {
  store: [0, 1, 2, 3, 4],
  add: [0, 4],
  'relu2-gate': [1, 3],
  'silu-gate': [0, 2],
};

/** The same for FORMS, by index: which of PORTABLE, BROADCAST and FLOATS. */
const WITH_FORM: readonly (readonly number[])[] = [
  [0, 2, 4, 5],
  [1, 3, 6],
  [0, 2, 4, 7],
  [1, 3, 6],
];

/** Room for 9 tokens rounded up to the most that a variant takes at once. */
const ROOM = 16;
const TOKENS = 9;

interface Shape {
  rows: number;
  cols: number;
}

/** Rows of the result: rows of the matrix, or half of them. */
const widthOf = (epilogue: MatmulEpilogue, rows: number): number =>
  epilogue.endsWith('-gate') ? rows / 2 : rows;

/** What y holds before. */
const before = (width: number): Float32Array => normals(ROOM * width, 9);

/** The result of one variant, its bits as words: [tokens, width]. */
async function multiply(
  gpu: GpuContext,
  matrix: PlainTernary,
  activations: PlainActivations,
  epilogue: MatmulEpilogue,
  variant: MatmulVariant,
): Promise<Uint32Array> {
  const width = widthOf(epilogue, matrix.rows);
  const y = gpu.upload('y', before(width));
  const q = uploadActivations(gpu, activations, ROOM, variant.products);
  const dispatch = await ternaryMatmul(gpu, 'matmul', uploadTernary(gpu, matrix), epilogue, variant, q, y);
  run(gpu, [dispatch], { tokens: activations.tokens });
  return readWords(gpu, y, activations.tokens * width);
}

const ACTIVATIONS = {
  'relu2-gate': (gate: number) => Math.max(gate, 0) ** 2,
  'silu-gate': (gate: number) => gate / (1 + Math.exp(-gate)),
  'relu2-times': (gate: number) => Math.max(gate, 0) ** 2,
  'silu-times': (gate: number) => gate / (1 + Math.exp(-gate)),
};

function reference(
  matrix: PlainTernary,
  activations: PlainActivations,
  epilogue: PlainEpilogue,
): Float64Array {
  const product = ternaryProduct(matrix, activations);
  if (epilogue === 'store') return product;
  if (epilogue === 'add') {
    const old = before(matrix.rows);
    return product.map((value, i) => value + old[i]!);
  }
  const width = matrix.rows / 2;
  return Float64Array.from({ length: activations.tokens * width }, (_, i) => {
    const at = Math.floor(i / width) * matrix.rows + (i % width);
    return ACTIVATIONS[epilogue](product[at]!) * product[at + width]!;
  });
}

/** Runs all variants on one matrix: all are right, and all are equal to the bit. */
async function checkVariants(
  gpu: GpuContext,
  { rows, cols }: Shape,
  epilogue: PlainEpilogue,
  variants: readonly MatmulVariant[],
): Promise<void> {
  const matrix = randomTernary(rows, cols, rows + cols);
  const activations = randomActivations(TOKENS, cols, cols);
  const expected = reference(matrix, activations, epilogue);
  let first: Uint32Array | undefined;
  for (const variant of variants) {
    const bits = await multiply(gpu, matrix, activations, epilogue, variant);
    // Sums are below 2^24, exact in f32; then come a few roundings of 6e-8 each.
    expect(largestError(new Float32Array(bits.buffer), expected), JSON.stringify(variant)).toBeLessThan(1e-6);
    first ??= bits;
    expect(bits, `${JSON.stringify(variant)} and ${JSON.stringify(variants[0])}`).toEqual(first);
  }
}

/** Rows of no whole row block, rows of no whole workgroup, columns of no whole chunk, and a shape that fits all. */
const PLAIN_SHAPES: readonly Shape[] = [
  { rows: 1, cols: 4 },
  { rows: 44, cols: 100 },
  { rows: 72, cols: 64 },
  { rows: 64, cols: 512 },
];

/** Gate and up have whole row blocks each, but 1, 5 or 8 of them: not always a whole workgroup. */
const GATED_SHAPES: readonly Shape[] = [
  { rows: 16, cols: 4 },
  { rows: 80, cols: 200 },
  { rows: 128, cols: 64 },
];

/** Workgroups that have rows too many, and more chunks than they hold at a time: 37, no multiple of it, the last of them not full. */
const LONG_SHAPES: readonly Shape[] = [
  { rows: 44, cols: 100 },
  { rows: 304, cols: 36 * 64 + 36 },
];

/** Rows of one group, of whole groups of any size, and of a last group that is short. */
const GROUP_SHAPES: readonly Shape[] = [
  { rows: 20, cols: 40 },
  { rows: 64, cols: 512 },
  { rows: 44, cols: 328 },
];
const GATED_GROUP_SHAPES: readonly Shape[] = [{ rows: 80, cols: 328 }];

async function checkAll(
  gpu: GpuContext,
  epilogue: PlainEpilogue,
  variants: readonly MatmulVariant[],
): Promise<void> {
  const shapes = epilogue.endsWith('-gate') ? GATED_SHAPES : PLAIN_SHAPES;
  for (const shape of shapes) await checkVariants(gpu, shape, epilogue, variants);
}

/** What is done with some rows of a matrix; where not all are tried, each by the variant of PORTABLE at its place. */
const PARTS = ['store', 'relu2-times', 'silu-times'] as const;

const EPILOGUES: readonly PlainEpilogue[] = ['store', 'add', 'relu2-gate', 'silu-gate'];

describe('with all that the device can', () => {
  let gpu: GpuContext;
  let variants: readonly MatmulVariant[];
  let others: readonly MatmulVariant[];
  beforeAll(async () => {
    gpu = await openContext();
    const { subgroups } = gpu.capabilities;
    variants = subgroups ? [...PORTABLE, ...BROADCAST] : PORTABLE;
    others = subgroups ? [...OTHERS, ...OTHER_BROADCASTS] : OTHERS;
  });
  afterAll(() => gpu.destroy());

  test.each(EPILOGUES)('%s: all variants are right and equal to the bit', async (epilogue) => {
    const some = variants.filter((_, i) => WITH_EPILOGUE[epilogue].includes(i));
    const own = epilogue === 'store' ? [...variants, ...others] : combinations(variants, some);
    await checkAll(gpu, epilogue, own);
  });

  test.each(EPILOGUES)(
    '%s: activations in workgroup memory are right and equal to the bit',
    async (epilogue) => {
      const [plain] = PORTABLE as [MatmulVariant];
      const shapes = epilogue.endsWith('-gate') ? LONG_SHAPES.slice(1) : LONG_SHAPES;
      const some = SHARED.filter((_, i) => WITH_EPILOGUE[epilogue].includes(i));
      const own = epilogue === 'store' ? SHARED : combinations(SHARED, some);
      for (const shape of shapes) await checkVariants(gpu, shape, epilogue, [plain, ...own]);
    },
  );

  test.each(['bytes', 'pairs'] as const)(
    'the largest sums that there can be are exact, by %s',
    async (products) => {
      // Codes 3 (weight +2) times -128 or 127 all along: 64 columns give no larger sum.
      const cols = 128;
      const matrix: PlainTernary = {
        ...randomTernary(16, cols, 1),
        codes: new Uint8Array(16 * cols).fill(3),
      };
      for (const value of [-128, 127]) {
        const q = new Int8Array(cols).fill(value);
        const activations = { tokens: 1, cols, q, inverse: Float32Array.of(0.01), groups: false };
        const variant: MatmulVariant = { blocks: 2, tokens: 1, split: 1, products, broadcast: false };
        const bits = await multiply(gpu, matrix, activations, 'store', variant);
        const expected = reference(matrix, activations, 'store');
        expect(largestError(new Float32Array(bits.buffer), expected)).toBeLessThan(1e-6);
      }
    },
  );

  /** Up to 512 terms are summed in f32, of either sign. */
  const SUMMED_IN_F32 = 5e-6;

  async function checkForm(
    { groups, scaleGroup }: { groups: boolean; scaleGroup: ScaleGroup },
    epilogue: PlainEpilogue,
    shapes: readonly Shape[],
    variants: readonly MatmulVariant[],
  ): Promise<void> {
    for (const { rows, cols } of shapes) {
      const matrix = randomTernary(rows, cols, rows + cols, scaleGroup);
      const activations = randomActivations(TOKENS, cols, cols, groups);
      const expected = reference(matrix, activations, epilogue);
      for (const variant of variants) {
        const bits = await multiply(gpu, matrix, activations, epilogue, variant);
        const error = largestError(new Float32Array(bits.buffer), expected);
        expect(error, JSON.stringify(variant)).toBeLessThan(SUMMED_IN_F32);
      }
    }
  }

  test.each(FORMS)('with $name all variants are right', async (form) => {
    const all = [...variants, ...FLOATS];
    const some = all.filter((_, i) => WITH_FORM[FORMS.indexOf(form)]!.includes(i));
    await checkForm(form, 'store', GROUP_SHAPES, combinations(all, some));
  });

  test('with scales for groups activations in workgroup memory are right, too', async () => {
    await checkForm(FORMS[2]!, 'store', [...GROUP_SHAPES, LONG_SHAPES[1]!], SHARED);
  });

  test.each(['add', 'silu-gate'] as const)('with scales for groups %s is right, too', async (epilogue) => {
    const shapes = epilogue === 'add' ? GROUP_SHAPES : GATED_GROUP_SHAPES;
    await checkForm(FORMS[2]!, epilogue, shapes, [...PORTABLE.slice(1), FLOATS[1]!]);
  });

  test.each(['store', 'silu-gate'] as const)('f32 activations: %s is right', async (epilogue) => {
    const shapes = epilogue === 'store' ? PLAIN_SHAPES : GATED_SHAPES;
    const own = epilogue === 'store' ? FLOATS : combinations(FLOATS, FLOATS.slice(0, 1));
    await checkForm({ groups: false, scaleGroup: 'row' }, epilogue, shapes, own);
  });

  test.each(PARTS)('%s of some rows goes into its columns, and no others', async (epilogue) => {
    // 40 of 80 rows: 5 row blocks, which are no whole workgroup of any of the variants.
    const part = { firstRow: 24, rows: 40, column: 9, stride: 52 };
    const { firstRow, rows, column, stride } = part;
    const plain = randomTernary(80, 100, 3);
    const activations = randomActivations(TOKENS, plain.cols, 4);
    const own = {
      ...plain,
      rows,
      codes: plain.codes.subarray(firstRow * plain.cols, (firstRow + rows) * plain.cols),
      scales: plain.scales.subarray(firstRow, firstRow + rows),
    };
    const product = ternaryProduct(own, activations);
    const expected = Float64Array.from(before(stride).subarray(0, TOKENS * stride), (old, i) => {
      const row = (i % stride) - column;
      if (row < 0 || row >= rows) return old;
      const value = product[Math.floor(i / stride) * rows + row]!;
      return epilogue === 'store' ? value : ACTIVATIONS[epilogue](value) * old;
    });
    const some = PORTABLE.filter((_, i) => PARTS.indexOf(epilogue) === i);
    for (const variant of combinations(PORTABLE, some)) {
      const y = gpu.upload('y', before(stride));
      const q = uploadActivations(gpu, activations, ROOM, variant.products);
      const matrix = uploadTernary(gpu, plain);
      run(gpu, [await ternaryMatmul(gpu, 'matmul', matrix, epilogue, variant, q, y, part)], {
        tokens: TOKENS,
      });
      const actual = new Float32Array((await readWords(gpu, y, TOKENS * stride)).buffer);
      expect(largestError(actual, expected), JSON.stringify(variant)).toBeLessThan(1e-6);
    }
  });

  test('tokens that were not asked for are left alone', async () => {
    const y = gpu.upload('y', before(24));
    const [variant] = PORTABLE as [MatmulVariant];
    const q = uploadActivations(gpu, randomActivations(2, 64, 2), ROOM, variant.products);
    const matrix = uploadTernary(gpu, randomTernary(24, 64, 1));
    const dispatch = await ternaryMatmul(gpu, 'matmul', matrix, 'store', variant, q, y);
    run(gpu, [dispatch], { tokens: 2 });
    const rest = (await readWords(gpu, y, ROOM * 24)).subarray(2 * 24);
    expect(new Float32Array(rest.slice().buffer)).toEqual(before(24).subarray(2 * 24));
  });
});

describe('without packed dot products and subgroups', () => {
  let gpu: GpuContext;
  beforeAll(async () => {
    gpu = await openContext({ capabilities: { packedDot: false, subgroups: false } });
  });
  afterAll(() => gpu.destroy());

  test.each(EPILOGUES)('%s: all variants are right and equal to the bit', async (epilogue) => {
    const some = PORTABLE.filter((_, i) => WITH_EPILOGUE[epilogue].includes(i));
    await checkAll(gpu, epilogue, combinations(PORTABLE, some));
  });
});
