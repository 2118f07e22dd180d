// Rotary embedding and the write into the KV cache against the formula, and rounding to f16 and to int8 number by number.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { floatBitsToHalf, halfToFloat } from '../../../src/formats/half';
import type { GpuContext } from '../../../src/gpu/context';
import {
  cacheDim,
  type AttentionShape,
  type CacheFormat,
  type LayerCache,
} from '../../../src/kernels/kv-layout';
import { ropeAngles, type RopePairs } from '../../../src/kernels/rope';
import { ropeAppend } from '../../../src/kernels/rope-append';
import { openContext } from '../../support/engine';
import { largestError, normals, random, rmsNormRow, roundHalfEven } from '../../support/reference';
import { filled, readFloats, readWords, run, uploadState } from '../../support/reference-gpu';

let gpu: GpuContext;
beforeAll(async () => {
  gpu = await openContext();
});
afterAll(() => gpu.destroy());

interface Shape extends AttentionShape {
  rotary: number;
  pairs: RopePairs;
  format?: CacheFormat;
  /** Weights of norms over each head, [headDim]. */
  norms?: { q: Float32Array; k: Float32Array };
}

/** A step: `qkv` f32 [tokens, (heads + 2·kvHeads)·headDim] from `position` on. */
interface Step {
  position: number;
  qkv: Float32Array;
  factors?: Float32Array;
}

/** Positions that the cache has room for. */
const CAPACITY = 40;
const THETA = 10000;
const EPS = 1e-5;
/** What the cache holds before. */
const UNTOUCHED = 0xabcd;

/** theta^(−2j/rotary) / factors[j]. */
function frequenciesOf(rotary: number, factors?: Float32Array): number[] {
  return Array.from({ length: rotary / 2 }, (_, j) => THETA ** ((-2 * j) / rotary) / (factors?.[j] ?? 1));
}

/** Runs the kernel; resolves to what it leaves in `qkv`. */
async function appendTo(
  cache: LayerCache,
  shape: Shape,
  { position, qkv, factors }: Step,
): Promise<Float32Array> {
  const tokens = qkv.length / ((shape.heads + 2 * shape.kvHeads) * shape.headDim);
  const buffer = gpu.upload('qkv', qkv);
  const angles = gpu.upload('angles', ropeAngles(CAPACITY, frequenciesOf(shape.rotary, factors)));
  const state = uploadState(gpu, position, tokens);
  const norms = shape.norms && {
    q: gpu.upload('q norm', shape.norms.q),
    k: gpu.upload('k norm', shape.norms.k),
    eps: EPS,
  };
  const rope = { rotary: shape.rotary, pairs: shape.pairs, angles, norms };
  run(gpu, [await ropeAppend(gpu, shape, rope, state, buffer, cache)], { tokens, position });
  return readFloats(gpu, buffer, qkv.length);
}

async function append(shape: Shape, step: Step) {
  const { format = 'f16' } = shape;
  const count = CAPACITY * shape.kvHeads * cacheDim(shape.headDim);
  const untouched = (): GPUBuffer =>
    format === 'f16'
      ? filled(gpu, 'cache', count / 2, UNTOUCHED * 0x10001)
      : gpu.upload('cache', new Float32Array(count).fill(halfToFloat(UNTOUCHED)));
  const cache = { keys: untouched(), values: untouched(), scales: undefined, format };
  return {
    qkv: await appendTo(cache, shape, step),
    keys: await readHalves(cache.keys, count, format),
    values: await readHalves(cache.values, count, format),
  };
}

/** What a cache buffer holds, as bits of f16. In 32 bits it must hold nothing that f16 has not. */
async function readHalves(buffer: GPUBuffer, count: number, format: CacheFormat): Promise<Uint16Array> {
  if (format === 'f16') return new Uint16Array((await readWords(gpu, buffer, count / 2)).buffer);
  const floats = await readFloats(gpu, buffer, count);
  const bits = Uint16Array.from(floats, nearestHalf);
  expect([...floats]).toEqual(Array.from(bits, halfToFloat));
  return bits;
}

/** The head `x`, turned for `position`. */
function turn(
  { rotary, pairs }: Shape,
  x: Float32Array | Float64Array,
  position: number,
  factors?: Float32Array,
) {
  const out = Float64Array.from(x);
  for (let j = 0; j < rotary / 2; j++) {
    const angle = (position * THETA ** ((-2 * j) / rotary)) / (factors?.[j] ?? 1);
    const [a, b] = pairs === 'neox' ? [j, j + rotary / 2] : [2 * j, 2 * j + 1];
    out[a] = x[a]! * Math.cos(angle) - x[b]! * Math.sin(angle);
    out[b] = x[b]! * Math.cos(angle) + x[a]! * Math.sin(angle);
  }
  return out;
}

/** The bits of the nearest f16, ties to even; what lies above 65504, its largest number, becomes that. */
function nearestHalf(value: number): number {
  const bits = floatBitsToHalf(new Int32Array(Float32Array.of(value).buffer)[0]!);
  return (bits & 0x7fff) === 0x7c00 ? bits - 1 : bits;
}

function expectAppended(
  shape: Shape,
  { position, qkv, factors }: Step,
  out: Awaited<ReturnType<typeof append>>,
) {
  const { heads, kvHeads, headDim } = shape;
  const row = (heads + 2 * kvHeads) * headDim;
  for (let token = 0; token < qkv.length / row; token++) {
    for (let head = 0; head < heads + 2 * kvHeads; head++) {
      const at = token * row + head * headDim;
      const x = qkv.subarray(at, at + headDim);
      const norm = head < heads ? shape.norms?.q : shape.norms?.k;
      const turned = turn(shape, norm ? rmsNormRow(x, norm, EPS) : x, position + token, factors);
      if (head < heads) {
        const query = out.qkv.subarray(at, at + headDim);
        // Two products and a sum in f32; a root, a quotient and a product more with norms.
        expect(largestError(query, turned)).toBeLessThan(norm ? 1e-6 : 3e-7);
        // Dimensions beyond the rotary ones are not touched at all.
        if (!norm) expect(query.subarray(shape.rotary)).toEqual(x.subarray(shape.rotary));
        continue;
      }
      const kvHead = (head - heads) % kvHeads;
      const slot = ((position + token) * kvHeads + kvHead) * cacheDim(headDim);
      if (head >= heads + kvHeads) {
        expect([...out.values.subarray(slot, slot + headDim)]).toEqual([...x].map(nearestHalf));
      } else {
        const key = Float64Array.from(out.keys.subarray(slot, slot + headDim), halfToFloat);
        // Half a unit in the last of f16's 11 bits is at most 2^-11 of a number.
        expect(largestError(key, turned)).toBeLessThan(2 ** -11);
      }
    }
  }
  const written = new Set(Array.from({ length: qkv.length / row }, (_, token) => position + token));
  for (const cache of [out.keys, out.values]) {
    const touched = [...cache.keys()].filter(
      (i) => !written.has(Math.floor(i / (kvHeads * cacheDim(headDim)))) && cache[i] !== UNTOUCHED,
    );
    expect(touched).toEqual([]);
  }
}

describe.each(['neox', 'normal'] as const)('%s pairs', (pairs) => {
  test.each([
    { heads: 4, kvHeads: 2, headDim: 64, rotary: 64 },
    { heads: 3, kvHeads: 1, headDim: 40, rotary: 20 },
    { heads: 2, kvHeads: 2, headDim: 128, rotary: 32 },
    { heads: 1, kvHeads: 1, headDim: 8, rotary: 4 },
    { heads: 2, kvHeads: 1, headDim: 100, rotary: 100 },
    { heads: 2, kvHeads: 2, headDim: 100, rotary: 96, format: 'f32' as const },
  ])(
    '$heads heads of $headDim over $kvHeads, $rotary dimensions turned',
    async (given: Omit<Shape, 'pairs'>) => {
      const shape: Shape = { ...given, pairs };
      const row = (shape.heads + 2 * shape.kvHeads) * shape.headDim;
      for (const [position, tokens] of [
        [0, 1],
        [7, 3],
        [CAPACITY - 5, 5],
      ] as const) {
        const step: Step = { position, qkv: normals(tokens * row, row + position) };
        expectAppended(shape, step, await append(shape, step));
      }
    },
  );
});

describe.each(['neox', 'normal'] as const)('heads are normalised before %s pairs turn', (pairs) => {
  test.each([
    { heads: 4, kvHeads: 2, headDim: 128, rotary: 128 },
    { heads: 3, kvHeads: 1, headDim: 40, rotary: 20 },
    { heads: 2, kvHeads: 1, headDim: 256, rotary: 256 },
    { heads: 1, kvHeads: 1, headDim: 8, rotary: 8 },
    // A head of one subgroup, on drivers with subgroups of 8 and of 4.
    { heads: 2, kvHeads: 2, headDim: 32, rotary: 32 },
    { heads: 2, kvHeads: 2, headDim: 16, rotary: 16 },
  ])('$heads heads of $headDim over $kvHeads', async ({ heads, kvHeads, headDim, rotary }) => {
    const norms = { q: normals(headDim, 1), k: normals(headDim, 2) };
    const shape: Shape = { heads, kvHeads, headDim, rotary, pairs, norms };
    const row = (heads + 2 * kvHeads) * headDim;
    const step: Step = { position: 7, qkv: normals(3 * row, row, 3) };
    expectAppended(shape, step, await append(shape, step));
  });
});

test('frequency factors divide the frequencies', async () => {
  const shape: Shape = { heads: 4, kvHeads: 2, headDim: 64, rotary: 64, pairs: 'neox' };
  const factors = normals(32, 1).map((value) => 1 + Math.abs(value));
  const step: Step = { position: 20, qkv: normals(2 * 8 * 64, 2), factors };
  expectAppended(shape, step, await append(shape, step));
});

describe('rounding to f16', () => {
  const shape: Shape = { heads: 1, kvHeads: 1, headDim: 128, rotary: 4, pairs: 'normal' };

  /** Stores numbers as values of one position and gives back their f16 bits. */
  async function store(numbers: readonly number[]): Promise<number[]> {
    const stored: number[] = [];
    for (let at = 0; at < numbers.length; at += 128) {
      const qkv = new Float32Array(3 * 128);
      qkv.set(numbers.slice(at, at + 128), 2 * 128);
      stored.push(...(await append(shape, { position: 0, qkv })).values.subarray(0, 128));
    }
    return stored.slice(0, numbers.length);
  }

  async function expectNearest(numbers: readonly number[]): Promise<void> {
    const stored = await store(numbers);
    const wrong = numbers.flatMap((value, i) =>
      stored[i] === nearestHalf(value) ? [] : [{ value, stored: stored[i], nearest: nearestHalf(value) }],
    );
    expect(wrong).toEqual([]);
  }

  /** The f32 numbers just below, at and above `value`, of either sign. */
  function around(value: number): number[] {
    const bits = new Int32Array(Float32Array.of(value).buffer)[0]!;
    return [-1, 0, 1].flatMap((step) => {
      const [near] = new Float32Array(Int32Array.of(bits + step).buffer);
      return [near!, -near!];
    });
  }

  test('takes the nearest number, and of two the even one', async () => {
    // Ties between neighbours: just above 1, 2 and 1000, the largest two, and across powers of two.
    const ties = [1 + 2 ** -11, 1 + 3 * 2 ** -11, 2 + 2 ** -10, 1000.25, 1000.75, 65488, 2 - 2 ** -11];
    await expectNearest(ties.flatMap(around));
  });

  test('takes the nearest subnormal number, and of two the even one', async () => {
    const unit = 2 ** -24;
    const ties = [0.5, 1.5, 2.5, 100.5, 511.5, 1022.5, 1023.5].map((units) => units * unit);
    const others = [unit, 1023 * unit, 2 ** -14, 2 ** -26, 1e-20];
    await expectNearest([0, ...[...ties, ...others].flatMap(around)]);
  });

  test('takes the largest number for anything above it', async () => {
    await expectNearest([65504, 65519, 65520, 65536, 1e6, 3e38].flatMap(around));
  });

  test('is right for numbers of every magnitude', async () => {
    const next = random(1);
    await expectNearest(
      Array.from({ length: 2048 }, () => (next() < 0.5 ? -1 : 1) * 2 ** (next() * 45 - 28)),
    );
  });
});

/** What the bytes of codes that are not written stay. */
const UNTOUCHED_CODE = 0x55;

/** What is in a cache of int8 after a step: [CAPACITY, kvHeads, cacheDim] codes, and (key, value) scales. */
async function appendCodes(shape: Shape, step: Step) {
  const heads = CAPACITY * shape.kvHeads;
  const count = heads * cacheDim(shape.headDim);
  const untouched = (): GPUBuffer => filled(gpu, 'cache', count / 4, UNTOUCHED_CODE * 0x01010101);
  const scales = gpu.upload('scales', new Float32Array(2 * heads).fill(-1));
  const cache = { keys: untouched(), values: untouched(), scales, format: 'int8' } as const;
  const qkv = await appendTo(cache, shape, step);
  const codesOf = async (buffer: GPUBuffer): Promise<Int8Array> =>
    new Int8Array((await readWords(gpu, buffer, count / 4)).buffer);
  return {
    qkv,
    keys: await codesOf(cache.keys),
    values: await codesOf(cache.values),
    scales: await readFloats(gpu, scales, 2 * heads),
  };
}

/** `codes` and `scale` are what the head `exact` is in int8, if f32 may have been off by `error` of its largest before. */
function expectCodes(codes: Int8Array, scale: number, exact: ArrayLike<number>, error: number): void {
  const numbers = Array.from(exact);
  const largest = Math.max(...numbers.map(Math.abs));
  // One division in f32.
  expect(Math.abs(scale - largest / 127)).toBeLessThanOrEqual((error + 3e-7) * (largest / 127));
  // Half a step to the nearest code, and in steps what f32 was off before and in the quotient.
  const off = numbers.map((value, d) => Math.abs(codes[d]! - (value / largest) * 127));
  expect(Math.max(...off)).toBeLessThanOrEqual(0.5 + 127 * (2 * error + 1e-6));
}

function expectCodesAppended(
  shape: Shape,
  { position, qkv }: Step,
  out: Awaited<ReturnType<typeof appendCodes>>,
): void {
  const { heads, kvHeads, headDim } = shape;
  const row = (heads + 2 * kvHeads) * headDim;
  const room = cacheDim(headDim);
  const tokens = qkv.length / row;
  for (let token = 0; token < tokens; token++) {
    for (let head = 0; head < heads + 2 * kvHeads; head++) {
      const at = token * row + head * headDim;
      const x = qkv.subarray(at, at + headDim);
      const norm = head < heads ? shape.norms?.q : shape.norms?.k;
      const turned = turn(shape, norm ? rmsNormRow(x, norm, EPS) : x, position + token);
      const error = norm ? 1e-6 : 3e-7;
      if (head < heads) {
        expect(largestError(out.qkv.subarray(at, at + headDim), turned)).toBeLessThan(error);
        continue;
      }
      const slot = (position + token) * kvHeads + ((head - heads) % kvHeads);
      const own = (codes: Int8Array): Int8Array => codes.subarray(slot * room, slot * room + headDim);
      if (head < heads + kvHeads) expectCodes(own(out.keys), out.scales[2 * slot]!, turned, error);
      else expectCodes(own(out.values), out.scales[2 * slot + 1]!, x, 0);
    }
  }
  // Nothing else is written: neither other positions nor the room behind a head.
  const isWritten = (slot: number): boolean =>
    slot >= position * kvHeads && slot < (position + tokens) * kvHeads;
  for (const codes of [out.keys, out.values]) {
    const touched = [...codes.keys()].filter(
      (i) => !(isWritten(Math.floor(i / room)) && i % room < headDim) && codes[i] !== UNTOUCHED_CODE,
    );
    expect(touched).toEqual([]);
  }
  expect([...out.scales.keys()].filter((i) => !isWritten(i >> 1) && out.scales[i] !== -1)).toEqual([]);
}

describe.each(['neox', 'normal'] as const)('into int8, with %s pairs', (pairs) => {
  const shapes = [
    { heads: 4, kvHeads: 2, headDim: 64, rotary: 64 },
    { heads: 3, kvHeads: 1, headDim: 96, rotary: 48 },
    { heads: 2, kvHeads: 1, headDim: 100, rotary: 100 },
    { heads: 2, kvHeads: 2, headDim: 128, rotary: 32 },
    { heads: 2, kvHeads: 1, headDim: 256, rotary: 256 },
    { heads: 1, kvHeads: 1, headDim: 8, rotary: 4 },
  ];
  test.each(shapes)('$heads heads of $headDim over $kvHeads, $rotary dimensions turned', async (given) => {
    const shape: Shape = { ...given, pairs };
    const row = (shape.heads + 2 * shape.kvHeads) * shape.headDim;
    for (const [position, tokens] of [
      [0, 1],
      [7, 3],
      [CAPACITY - 5, 5],
    ] as const) {
      const step: Step = { position, qkv: normals(tokens * row, row + position) };
      expectCodesAppended(shape, step, await appendCodes(shape, step));
    }
  });

  test.each([
    { heads: 4, kvHeads: 2, headDim: 128, rotary: 128 },
    { heads: 3, kvHeads: 1, headDim: 40, rotary: 20 },
    // A head of one subgroup, on drivers with subgroups of 8.
    { heads: 2, kvHeads: 2, headDim: 32, rotary: 32 },
  ])('$heads heads of $headDim over $kvHeads, normalised before', async (given) => {
    const norms = { q: normals(given.headDim, 1), k: normals(given.headDim, 2) };
    const shape: Shape = { ...given, pairs, norms };
    const row = (shape.heads + 2 * shape.kvHeads) * shape.headDim;
    const step: Step = { position: 7, qkv: normals(3 * row, row, 3) };
    expectCodesAppended(shape, step, await appendCodes(shape, step));
  });
});

describe('rounding to int8', () => {
  const shape: Shape = { heads: 1, kvHeads: 1, headDim: 16, rotary: 4, pairs: 'normal' };

  /** Stores 16 numbers as the value of a position. */
  async function store(numbers: readonly number[]): Promise<{ codes: number[]; scale: number }> {
    const qkv = new Float32Array(3 * 16);
    qkv.set(numbers, 2 * 16);
    const { values, scales } = await appendCodes(shape, { position: 0, qkv });
    return { codes: [...values.subarray(0, 16)], scale: scales[1]! };
  }

  test('takes the nearest code, and of two the even one', async () => {
    // The largest is 127, so that a code stands for 1.
    const numbers = [
      127, -127, 0.5, -0.5, 1.5, -1.5, 2.5, -2.5, 63.5, -64.5, 0.49, 0.51, 126.5, -125.5, 3.2, 0,
    ];
    const { codes, scale } = await store(numbers);
    expect(scale).toBe(1);
    expect(codes).toEqual(numbers.map((value) => roundHalfEven(value) + 0));
  });

  test('makes zeros of a head of zeros', async () => {
    const { codes, scale } = await store(new Array<number>(16).fill(0));
    expect(codes).toEqual(new Array(16).fill(0));
    // Finite, so that 0 times it is 0; too small to make anything of a code.
    expect(scale).toBeGreaterThanOrEqual(0);
    expect(scale).toBeLessThan(1e-30);
  });

  test.each([1e-20, 65504, 1e6, 3e38])('has a scale for numbers of up to %f', async (largest) => {
    const numbers = Array.from({ length: 16 }, (_, i) => Math.fround((largest * (i - 7)) / 8));
    const { codes, scale } = await store(numbers);
    expectCodes(Int8Array.from(codes), scale, numbers, 0);
  });
});
