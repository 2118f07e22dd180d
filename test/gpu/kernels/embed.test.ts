// Embedding look-up against the table itself, in each form that it is kept in.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { GpuContext } from '../../../src/gpu/context';
import { embed } from '../../../src/kernels/embed';
import type { VocabularyMatrix } from '../../../src/kernels/matrices';
import { openContext } from '../../support/engine';
import { flushHalves } from '../../support/flushed-halves';
import { BLOCK_ENCODINGS, blockShards } from '../../support/random-blocks';
import { normals } from '../../support/reference';
import {
  filled,
  int8Shards,
  planeShards,
  readFloats,
  readInt8,
  run,
  ternaryTable,
  uploadHalf,
  writeInt8,
} from '../../support/reference-gpu';

let gpu: GpuContext;
beforeAll(async () => {
  gpu = await openContext();
});
afterAll(() => gpu.destroy());

const ROWS = 37;
// First and last rows of the shards below, one of them twice.
const IDS = [36, 0, 15, 16, 31, 32, 0];

/** Looks up IDS, and compares with the rows of `values` times `scale`. */
async function expectRows(
  table: VocabularyMatrix,
  values: ArrayLike<number>,
  scale?: number,
  on = gpu,
): Promise<void> {
  const { cols } = table;
  const x = filled(on, 'x', (IDS.length + 1) * cols);
  const dispatches = await embed(on, table, on.upload('ids', Uint32Array.from(IDS)), x, scale);
  expect(dispatches).toHaveLength(table.shards.length);
  run(on, dispatches, { tokens: IDS.length });
  const expected = IDS.flatMap((id) =>
    Array.from({ length: cols }, (_, col) => values[id * cols + col]! * (scale ?? 1)),
  );
  const actual = await readFloats(on, x, IDS.length * cols);
  // Products of these numbers, of few digits each, are exact in f32; blocks of Q4_K have one difference, whose rounding shows.
  expect([...actual]).toEqual(expected.map((value) => Math.fround(value)));
}

// Widths below, at and above four values for each of the kernel's 64 threads.
const SHAPES = [
  { cols: 8, scale: undefined },
  { cols: 256, scale: 12 },
  { cols: 328, scale: 0.25 },
];

describe('f16', () => {
  test.each(SHAPES)('rows of $cols columns, times $scale', async ({ cols, scale }) => {
    for (const rowsPerShard of [37, 16, 36]) {
      const elements = normals(ROWS * cols, cols);
      const { matrix, values } = uploadHalf(gpu, { rows: ROWS, cols, elements }, rowsPerShard);
      await expectRows(matrix, values, scale);
    }
  });
});

describe('int8', () => {
  test.each(SHAPES)('rows of $cols columns, times $scale', async ({ cols, scale }) => {
    const matrix = int8Shards(gpu, cols, [16, 16, 5]);
    await writeInt8(gpu, matrix, normals(ROWS * cols, cols));
    const { codes, scales } = await readInt8(gpu, matrix);
    await expectRows(
      matrix,
      Float64Array.from(codes, (code, i) => code * scales[i]!),
      scale,
    );
  });
});

describe('int8 in planes', () => {
  test.each(SHAPES)('rows of $cols columns, times $scale', async ({ cols, scale }) => {
    const int8 = int8Shards(gpu, cols, [ROWS]);
    const planes = planeShards(gpu, cols, [16, 16, 5]);
    for (const matrix of [int8, planes]) await writeInt8(gpu, matrix, normals(ROWS * cols, cols));
    const { codes, scales } = await readInt8(gpu, int8);
    await expectRows(
      planes,
      Float64Array.from(codes, (code, i) => code * scales[i]!),
      scale,
    );
  });
});

test('int8, with scales that are subnormal halves where unpacking makes zeros of these', async () => {
  const own = await openContext();
  flushHalves(own);
  const matrix = int8Shards(own, 256, [16, 16, 5]);
  await writeInt8(own, matrix, normals(ROWS * 256, 4, 1e-3));
  const { codes, scales } = await readInt8(own, matrix);
  const values = Float64Array.from(codes, (code, i) => code * scales[i]!);
  expect(values.some((value) => value !== 0)).toBe(true);
  await expectRows(matrix, values, undefined, own);
  own.destroy();
});

describe('ternary', () => {
  test.each([
    { cols: 64, group: 'row', scale: undefined },
    { cols: 328, group: 'row', scale: 0.25 },
    { cols: 256, group: 64, scale: 4 },
    { cols: 384, group: 128, scale: undefined },
  ] as const)('rows of $cols columns, scales by $group, times $scale', async ({ cols, group, scale }) => {
    const { table, plain } = ternaryTable(gpu, ROWS, cols, group, 16);
    const perRow = group === 'row' ? 1 : cols / group;
    const values = Float64Array.from(plain.codes, (code, i) => {
      const [row, col] = [Math.floor(i / cols), i % cols];
      return (code - 1) * plain.scales[row * perRow + (group === 'row' ? 0 : Math.floor(col / group))]!;
    });
    await expectRows(table, values, scale);
  });
});

describe.each(BLOCK_ENCODINGS)('%s', (encoding) => {
  test.each([
    { cols: 256, scale: undefined },
    { cols: 768, scale: 12 },
  ])('rows of $cols columns, times $scale', async ({ cols, scale }) => {
    const { matrix, values } = blockShards(gpu, encoding, cols, [16, 16, 5]);
    await expectRows(matrix, values, scale);
  });

  test('subnormal scales, as most embeddings have them, are kept', async () => {
    // Halves are subnormal below 2^-14.
    const { matrix, values } = blockShards(gpu, encoding, 256, [16, 16, 5], 2 ** -14);
    await expectRows(matrix, values);
  });
});

test('Q4_0, rows of 96 columns, which are no whole pieces of 64', async () => {
  const { matrix, values } = blockShards(gpu, 'Q4_0', 96, [16, 16, 5]);
  await expectRows(matrix, values);
});
