// Rotary embedding and the write into the KV cache against the formula, and rounding to f16 bit by bit.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { floatBitsToHalf, halfToFloat } from '../../../src/formats/half';
import type { GpuContext } from '../../../src/gpu/context';
import { cacheDim, type AttentionShape, type CacheFormat } from '../../../src/kernels/kv-layout';
import { ropeAngles, type RopePairs } from '../../../src/kernels/rope';
import { ropeAppend } from '../../../src/kernels/rope-append';
import { openContext } from '../../support/engine';
import { largestError, normals, random, rmsNormRow } from '../../support/reference';
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

async function append(shape: Shape, { position, qkv, factors }: Step) {
  const row = (shape.heads + 2 * shape.kvHeads) * shape.headDim;
  const tokens = qkv.length / row;
  const { format = 'f16' } = shape;
  const count = CAPACITY * shape.kvHeads * cacheDim(shape.headDim);
  const untouched = (): GPUBuffer =>
    format === 'f16'
      ? filled(gpu, 'cache', count / 2, UNTOUCHED * 0x10001)
      : gpu.upload('cache', new Float32Array(count).fill(halfToFloat(UNTOUCHED)));
  const cache = { keys: untouched(), values: untouched(), format };
  const buffer = gpu.upload('qkv', qkv);
  const angles = gpu.upload('angles', ropeAngles(CAPACITY, frequenciesOf(shape.rotary, factors)));
  const state = uploadState(gpu, position, tokens);
  const norms = shape.norms && {
    q: gpu.upload('q norm', shape.norms.q),
    k: gpu.upload('k norm', shape.norms.k),
    eps: EPS,
  };
  const rope = { rotary: shape.rotary, pairs: shape.pairs, angles, norms };
  const dispatch = await ropeAppend(gpu, shape, rope, state, buffer, cache);
  run(gpu, [dispatch], { tokens, position });
  return {
    qkv: await readFloats(gpu, buffer, qkv.length),
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
    async ({ heads, kvHeads, headDim, rotary }) => {
      const shape: Shape = { heads, kvHeads, headDim, rotary, pairs };
      const row = (heads + 2 * kvHeads) * headDim;
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
