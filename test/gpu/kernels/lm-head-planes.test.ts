// LM head with int8 rows in two planes: the same logits as the int8 head's to the bit, of all rows or of those that can be the best.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { boundFactor, ditherOf, PLANE_STEP, splitCode } from '../../../src/formats/planes';
import type { GpuContext, PipelineSpec } from '../../../src/gpu/context';
import { createInt8Matrix } from '../../../src/kernels/int8-rows';
import {
  exactLmHeadInt8,
  headCandidates,
  lmHeadInt8,
  type HeadVariant,
} from '../../../src/kernels/lm-head-int8';
import { exactLmHeadPlanes, lmHeadPlanes } from '../../../src/kernels/lm-head-planes';
import { checkPlanesHead } from '../../../src/kernels/lm-head-planes-check';
import type { Int8Matrix, PlaneMatrix, QuantizedRows } from '../../../src/kernels/matrices';
import { rmsNormQuantize } from '../../../src/kernels/rms-norm-quantize';
import { openContext } from '../../support/engine';
import { largestError, normals } from '../../support/reference';
import {
  filled,
  planeShards,
  readFloats,
  readInt8,
  readWords,
  run,
  writeInt8,
} from '../../support/reference-gpu';

let gpu: GpuContext;
beforeAll(async () => {
  gpu = await openContext();
});
afterAll(() => gpu.destroy());

const PORTABLE: readonly HeadVariant[] = [
  { blocks: 2, split: 1, broadcast: false },
  { blocks: 1, split: 8, broadcast: false },
];
let variants: readonly HeadVariant[];
beforeAll(() => {
  const broadcast = { blocks: 1, split: 1, broadcast: true };
  variants = gpu.capabilities.subgroups ? [...PORTABLE, broadcast] : PORTABLE;
});

/** The same numbers in both forms; in planes in shards of so many rows. */
interface Heads {
  int8: Int8Matrix;
  planes: PlaneMatrix;
}

async function make(rows: number, cols: number, cuts: readonly number[] = [rows]): Promise<Heads> {
  const elements = normals(rows * cols, rows + cols);
  const [int8, planes] = [createInt8Matrix(gpu, 'head', rows, cols, 'work'), planeShards(gpu, cols, cuts)];
  for (const matrix of [int8, planes]) await writeInt8(gpu, matrix, elements, { stagingBytes: 3 * cols * 2 });
  return { int8, planes };
}

interface Input {
  q: QuantizedRows;
  codes: Int8Array;
  inverse: number;
}

/** A row as the norm before the head gives it, whose codes lean towards those of `towards`. */
async function input({ int8, planes }: Heads, towards: number): Promise<Input> {
  const { rows, cols } = planes;
  const { codes } = await readInt8(gpu, int8);
  const row = codes.subarray((towards % rows) * cols).subarray(0, cols);
  const x = normals(cols, cols + towards).map((value, col) => value + row[col]! / 300);
  const padded = Math.ceil(cols / 64) * 64;
  const q = { padded, values: filled(gpu, 'q', padded / 4), scales: planes.scratch.sums };
  const state = gpu.upload('state', Uint32Array.of(0, 1, 0, 0));
  const ones = gpu.upload('weight', new Float32Array(cols).fill(1));
  const shape = { cols, eps: 1e-5, threads: 8, packing: 'bytes', bound: planes.scratch.bound } as const;
  run(gpu, [await rmsNormQuantize(gpu, 'norm', shape, gpu.upload('x', x), ones, q, state)]);
  const bytes = new Int8Array((await readWords(gpu, q.values, padded / 4)).buffer);
  return { q, codes: bytes.subarray(0, cols), inverse: (await readFloats(gpu, q.scales, 1))[0]! };
}

/** What the upper plane says of each logit, and how far off it can be, in float64. */
async function known({ int8 }: Heads, { codes: q, inverse }: Input) {
  const { rows, cols } = int8;
  const { codes, scales } = await readInt8(gpu, int8);
  const [about, bounds] = [new Float64Array(rows), new Float64Array(rows)];
  for (let row = 0; row < rows; row++) {
    let squares = 0;
    for (let col = 0; col < cols; col++) {
      const at = row * cols + col;
      const part = scales[at]! * q[col]! * inverse;
      const dither = ditherOf(col);
      about[row]! += part * (PLANE_STEP * splitCode(codes[at]!, dither).high + dither + 8);
      squares += part ** 2;
    }
    bounds[row] = boundFactor(cols) * Math.sqrt(squares);
  }
  return { about, bounds };
}

/** The logits of both heads: those of int8, and of planes all of them and those within `window`. */
async function logitsOf(heads: Heads, { q }: Input, variant: HeadVariant, window: number) {
  const { int8, planes } = heads;
  const buffer = () => filled(gpu, 'logits', planes.rows, 0);
  const [expected, all, near] = [buffer(), buffer(), buffer()];
  gpu.write(planes.scratch.bound, 0, Uint32Array.of(0));
  gpu.write(planes.scratch.bound, 4, Float32Array.of(window));
  run(gpu, await lmHeadInt8(gpu, variant, int8, q, expected));
  run(gpu, (await lmHeadPlanes(gpu, variant, planes, q, near)).contenders);
  run(gpu, (await lmHeadPlanes(gpu, variant, planes, q, all)).all);
  return {
    expected: await readFloats(gpu, expected, planes.rows),
    all: await readFloats(gpu, all, planes.rows),
    near: await readFloats(gpu, near, planes.rows),
  };
}

const best = (logits: Float32Array): number =>
  logits.reduce((top, value, i) => (value > logits[top]! ? i : top), 0);

// Columns of no whole piece of 64, and of more than the eight pieces whose highest bits are together; rows of no whole block of 8.
const SHAPES = [
  [5, 8],
  [70, 72],
  [200, 1000],
] as const;

test.each(SHAPES)('%i rows of %i columns: all logits are those of the int8 head', async (rows, cols) => {
  const heads = await make(rows, cols);
  const x = await input(heads, 3);
  for (const variant of variants) {
    const { expected, all } = await logitsOf(heads, x, variant, 0);
    expect(all).toEqual(expected);
  }
});

test('rows that can be the best are exact, others about what they are, and few are read twice', async () => {
  const heads = await make(200, 1000, [64, 136]);
  for (const towards of [7, 130]) {
    const x = await input(heads, towards);
    const { about, bounds } = await known(heads, x);
    for (const window of [0, 3]) {
      const least =
        about.reduce((most, value, row) => Math.max(most, value - bounds[row]!), -Infinity) - window;
      const isNear = Array.from(about, (value, row) => value + bounds[row]! >= least);
      expect(isNear.filter(Boolean).length).toBeLessThan(window > 0 ? 200 : 20);
      for (const variant of variants) {
        const { expected, near } = await logitsOf(heads, x, variant, window);
        expect(best(near)).toBe(best(expected));
        expect(near.filter((_, row) => isNear[row])).toEqual(expected.filter((_, row) => isNear[row]));
        const rest = <T extends Float32Array | Float64Array>(values: T) =>
          values.filter((_, row) => !isNear[row]);
        // Some hundred additions in f32, whose units are 6e-8.
        expect(largestError(rest(near), rest(about))).toBeLessThan(2e-6);
        // The bound is one of probability, for which see src/formats/planes.ts.
        const within = expected.every((value, row) => Math.abs(value - about[row]!) <= bounds[row]!);
        expect(within).toBe(true);
      }
    }
  }
});

test('an unlimited window makes all of them exact', async () => {
  const heads = await make(70, 72);
  const { expected, near } = await logitsOf(heads, await input(heads, 3), PORTABLE[0]!, Infinity);
  expect(near).toEqual(expected);
});

test.each(SHAPES)(
  '%i rows of %i columns times what is not rounded are as of the int8 head',
  async (rows, cols) => {
    const heads = await make(rows, cols);
    const padded = new Float32Array(Math.ceil(cols / 64) * 64);
    padded.set(normals(cols, cols + 1));
    const x = gpu.upload('x', padded);
    const [ofInt8, ofPlanes] = [filled(gpu, 'logits', rows), filled(gpu, 'logits', rows)];
    run(gpu, await exactLmHeadInt8(gpu, heads.int8, x, ofInt8));
    run(gpu, await exactLmHeadPlanes(gpu, heads.planes, x, ofPlanes));
    expect(await readFloats(gpu, ofPlanes, rows)).toEqual(await readFloats(gpu, ofInt8, rows));
  },
);

describe('known answers', () => {
  test('all candidates of this device are right', async () => {
    for (const variant of [...headCandidates(gpu.capabilities), PORTABLE[1]!])
      expect(await checkPlanesHead(gpu, variant)).toBe(true);
  });

  test.each<[string, (spec: PipelineSpec) => PipelineSpec]>([
    ['bounds are nothing', (spec) => changed(spec, 'lm_head_planes', { FACTOR: 0 })],
    [
      'half of the rows are not looked at again',
      (spec) => changed(spec, 'lm_head_planes_exact', { ROW_BLOCKS: 4 }),
    ],
    ['the last columns are not summed', (spec) => changed(spec, 'rms_norm_quantize', { PADDED: 128 })],
  ])('are not given where %s', async (_name, change) => {
    const own = await openContext();
    const compile = own.pipeline.bind(own);
    own.pipeline = (spec) => compile(change(spec));
    expect(await checkPlanesHead(own, PORTABLE[1]!)).toBe(false);
    own.destroy();
  });
});

function changed(spec: PipelineSpec, shader: string, constants: Record<string, number>): PipelineSpec {
  return spec.shader === shader ? { ...spec, constants: { ...spec.constants, ...constants } } : spec;
}
