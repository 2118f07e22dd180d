// Causal grouped-query attention, whole (prefill) and split over the context (decode), against the softmax in float64.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { GpuContext } from '../../../src/gpu/context';
import {
  attention,
  attentionAppends,
  attentionRoom,
  decodeAttention,
  type AttentionVariant,
} from '../../../src/kernels/attention';
import {
  cacheDim,
  type AttentionShape,
  type CacheFormat,
  type LayerCache,
} from '../../../src/kernels/kv-layout';
import { ropeAngles, type Rope } from '../../../src/kernels/rope';
import { ropeAppend } from '../../../src/kernels/rope-append';
import { halfToFloat } from '../../../src/formats/half';
import { combinations } from '../../support/effort';
import { openContext } from '../../support/engine';
import { halves, int8Heads, largestError, normals } from '../../support/reference';
import { filled, readFloats, readWords, run, uploadState } from '../../support/reference-gpu';

let gpu: GpuContext;
beforeAll(async () => {
  gpu = await openContext();
});
afterAll(() => gpu.destroy());

/** Positions in the cache: more than any test looks at. */
const CAPACITY = 208;

/** Keys and values as the cache holds them, [CAPACITY, kvHeads, headDim]. */
interface Cache {
  keys: Float64Array;
  values: Float64Array;
  buffers: LayerCache;
}

/** Heads as the cache stores them: the numbers that it holds, its words, and with int8 the scale of each head. */
interface StoredHeads {
  values: Float64Array;
  words: Uint32Array | Float32Array;
  scales: Float32Array;
}

/** `heads` with the room that the cache has behind each. */
function padded<Numbers extends Uint16Array | Int8Array>(
  heads: Numbers,
  headDim: number,
  out: Numbers,
): Numbers {
  for (let head = 0; head < heads.length / headDim; head++) {
    out.set(heads.subarray(head * headDim, (head + 1) * headDim), head * cacheDim(headDim));
  }
  return out;
}

function store(numbers: Float32Array, headDim: number, format: CacheFormat): StoredHeads {
  const room = (numbers.length / headDim) * cacheDim(headDim);
  if (format === 'int8') {
    const { codes, scales, values } = int8Heads(numbers, headDim);
    return { values, scales, words: new Uint32Array(padded(codes, headDim, new Int8Array(room)).buffer) };
  }
  const { bits, values } = halves(numbers);
  const all = padded(bits, headDim, new Uint16Array(room));
  const words = format === 'f16' ? new Uint32Array(all.buffer) : Float32Array.from(all, halfToFloat);
  return { values, words, scales: new Float32Array() };
}

/** A cache with these keys and values, [CAPACITY, kvHeads, headDim]. */
function cacheOf(
  keyNumbers: Float32Array,
  valueNumbers: Float32Array,
  headDim: number,
  format: CacheFormat,
): Cache {
  const keys = store(keyNumbers, headDim, format);
  const values = store(valueNumbers, headDim, format);
  const pairs = Float32Array.from({ length: 2 * keys.scales.length }, (_, i) => {
    return (i % 2 ? values : keys).scales[i >> 1]!;
  });
  const buffers = {
    keys: gpu.upload('keys', keys.words),
    values: gpu.upload('values', values.words),
    scales: format === 'int8' ? gpu.upload('scales', pairs) : undefined,
    format,
  };
  return { keys: keys.values, values: values.values, buffers };
}

function randomCache({ kvHeads, headDim }: AttentionShape, format: CacheFormat, scale = 1): Cache {
  const size = CAPACITY * kvHeads * headDim;
  return cacheOf(normals(size, 1, scale), normals(size, 2), headDim, format);
}

/** Queries of `tokens` tokens in rows that have keys and values behind them. */
function randomQueries({ heads, kvHeads, headDim }: AttentionShape, tokens: number): Float32Array {
  return normals(tokens * (heads + 2 * kvHeads) * headDim, 3);
}

/** The plain formula for the token at `position`, whose queries begin at `queries[0]`: [heads, headDim]. */
function reference(
  { heads, kvHeads, headDim }: AttentionShape,
  queries: Float32Array,
  cache: Cache,
  position: number,
): Float64Array {
  const out = new Float64Array(heads * headDim);
  for (let head = 0; head < heads; head++) {
    const kvHead = Math.floor(head / (heads / kvHeads));
    const row = (p: number): number => (p * kvHeads + kvHead) * headDim;
    const scores = Array.from({ length: position + 1 }, (_, p) => {
      let dot = 0;
      for (let d = 0; d < headDim; d++) dot += queries[head * headDim + d]! * cache.keys[row(p) + d]!;
      return dot / Math.sqrt(headDim);
    });
    const top = Math.max(...scores);
    const weights = scores.map((score) => Math.exp(score - top));
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    for (const [p, weight] of weights.entries()) {
      for (let d = 0; d < headDim; d++) {
        out[head * headDim + d]! += (weight / total) * cache.values[row(p) + d]!;
      }
    }
  }
  return out;
}

/** Attention of `tokens` tokens from `position` on, by the prefill kernel. */
async function whole(
  shape: AttentionShape,
  variant: AttentionVariant,
  { buffers }: Cache,
  queries: Float32Array,
  position: number,
  tokens: number,
): Promise<Float32Array> {
  const size = tokens * shape.heads * shape.headDim;
  const out = filled(gpu, 'out', size);
  const state = uploadState(gpu, position, tokens);
  const dispatch = await attention(gpu, shape, variant, state, gpu.upload('qkv', queries), buffers, out);
  run(gpu, [dispatch], { tokens, position });
  return readFloats(gpu, out, size);
}

/** Attention of one token at `position`, by the decode kernels: one of them alone, or splits that are joined. */
async function split(
  shape: AttentionShape,
  variant: AttentionVariant,
  { buffers }: { buffers: LayerCache },
  queries: Float32Array,
  position: number,
  rope?: Rope,
): Promise<Float32Array> {
  const size = shape.heads * shape.headDim;
  const most = attentionRoom(variant, CAPACITY);
  const partial = {
    sums: filled(gpu, 'sums', most * size),
    summary: filled(gpu, 'summary', most * shape.heads * 2),
  };
  const out = filled(gpu, 'out', size);
  const state = uploadState(gpu, position, 1);
  const qkv = gpu.upload('qkv', queries);
  const args = [gpu, shape, variant, state, qkv, buffers, partial, out] as const;
  run(gpu, await decodeAttention(...args, rope), { position });
  return readFloats(gpu, out, size);
}

// Sums of a few hundred products in f32, and exponentials of them.
const TOLERANCE = 1e-5;

const workgroup = (threads: number, tile: number, split: number, tokens = 1): AttentionVariant => ({
  kind: 'workgroup',
  threads,
  tile,
  tokens,
  split,
});
const lanes = (count: number, teams: number, split: number, tokens = 1, ahead = 1): AttentionVariant => ({
  kind: 'lanes',
  lanes: count,
  ahead,
  teams,
  tokens,
  split,
});

type Case = [AttentionShape, AttentionVariant, CacheFormat];

/** Each kind, format and number of tokens, teams and keys ahead; heads of one key, of several, and with room behind them. */
const SOME: readonly Case[] = [
  // One query head a KV head.
  [{ heads: 2, kvHeads: 2, headDim: 128 }, workgroup(32, 32, 64), 'f16'],
  // Fewer threads than query heads a KV head, and other tiles.
  [{ heads: 5, kvHeads: 1, headDim: 64 }, workgroup(4, 16, 16), 'f16'],
  // Several tokens a workgroup, of which 40 are no multiple, and tiles that only the last of them see.
  [{ heads: 4, kvHeads: 2, headDim: 96 }, workgroup(32, 16, 32, 3), 'f16'],
  [{ heads: 2, kvHeads: 2, headDim: 36 }, workgroup(32, 32, 64, 7), 'int8'],
  // A subgroup of four, the smallest there is here: several vectors a lane, and two teams a workgroup.
  [{ heads: 4, kvHeads: 2, headDim: 96 }, lanes(4, 2, 32), 'f16'],
  // Three tokens a team; 40 tokens are no multiple of six.
  [{ heads: 2, kvHeads: 2, headDim: 32 }, lanes(4, 2, 32, 3), 'f32'],
  // Values of f16 in 32 bits, and 100 dimensions, which the cache pads.
  [{ heads: 4, kvHeads: 2, headDim: 100 }, workgroup(8, 32, 64), 'f32'],
  // Codes in int8: pairs of dimensions that share a word, the widest heads, and four keys on their way at once.
  [{ heads: 2, kvHeads: 2, headDim: 128 }, workgroup(8, 16, 32), 'int8'],
  [{ heads: 1, kvHeads: 1, headDim: 256 }, lanes(4, 1, 64), 'int8'],
  [{ heads: 5, kvHeads: 1, headDim: 64 }, lanes(4, 2, 16, 1, 4), 'int8'],
];

/** The same with each other. */
const OTHERS: readonly Case[] = [
  // 48 pairs of dimensions are no multiple of 32 threads.
  [{ heads: 4, kvHeads: 2, headDim: 96 }, workgroup(32, 32, 64), 'f16'],
  // Fewer threads than positions of a tile and pairs of dimensions.
  [{ heads: 8, kvHeads: 2, headDim: 64 }, workgroup(8, 32, 64), 'f16'],
  [{ heads: 2, kvHeads: 2, headDim: 64 }, workgroup(32, 4, 32, 3), 'f32'],
  [{ heads: 2, kvHeads: 2, headDim: 128 }, lanes(4, 1, 64), 'f16'],
  [{ heads: 4, kvHeads: 2, headDim: 96 }, lanes(4, 1, 32, 2), 'f16'],
  [{ heads: 5, kvHeads: 1, headDim: 64 }, lanes(4, 2, 16, 1, 4), 'f16'],
  [{ heads: 4, kvHeads: 2, headDim: 100 }, workgroup(32, 32, 64), 'f16'],
  [{ heads: 4, kvHeads: 2, headDim: 96 }, lanes(4, 1, 32, 1, 2), 'f32'],
  [{ heads: 4, kvHeads: 2, headDim: 100 }, workgroup(32, 32, 64), 'int8'],
  [{ heads: 5, kvHeads: 1, headDim: 64 }, workgroup(4, 16, 16), 'int8'],
  [{ heads: 4, kvHeads: 2, headDim: 96 }, lanes(4, 2, 32, 2), 'int8'],
];

describe.each(combinations([...SOME, ...OTHERS], SOME))('%j with %j in %s', (shape, variant, format) => {
  // At and beside the edges of tiles and splits of 16, 32 and 64 positions.
  test.each([1, 31, 32, 33, 64, 65, 200])('sees a context of %i tokens', async (length) => {
    const cache = randomCache(shape, format);
    const queries = randomQueries(shape, 1);
    const expected = reference(shape, queries, cache, length - 1);
    const wholeOut = await whole(shape, variant, cache, queries, length - 1, 1);
    expect(largestError(wholeOut, expected)).toBeLessThan(TOLERANCE);
    const splitOut = await split(shape, variant, cache, queries, length - 1);
    expect(largestError(splitOut, expected)).toBeLessThan(TOLERANCE);
  });

  test('each token of a prompt sees itself and those before it', async () => {
    const tokens = 40;
    const position = 25;
    const cache = randomCache(shape, format);
    const queries = randomQueries(shape, tokens);
    const out = await whole(shape, variant, cache, queries, position, tokens);
    const size = shape.heads * shape.headDim;
    const row = size + 2 * shape.kvHeads * shape.headDim;
    for (let token = 0; token < tokens; token++) {
      const expected = reference(shape, queries.subarray(token * row), cache, position + token);
      expect(largestError(out.subarray(token * size, (token + 1) * size), expected)).toBeLessThan(TOLERANCE);
    }
  });

  test('scores of some hundreds neither overflow nor vanish', async () => {
    // Standard deviation 100, so the best and the second best are far apart, mostly; f32 has them to some 1e-4.
    const cache = randomCache(shape, format, 100);
    const queries = randomQueries(shape, 1);
    const expected = reference(shape, queries, cache, 99);
    expect(largestError(await whole(shape, variant, cache, queries, 99, 1), expected)).toBeLessThan(1e-3);
    expect(largestError(await split(shape, variant, cache, queries, 99), expected)).toBeLessThan(1e-3);
  });

  test('scores that all are far below zero still have a softmax', async () => {
    // All keys are nearly the same, and all queries opposite to them: scores near -200, where exp is 0 in f32.
    const { headDim } = shape;
    const strength = 200 / Math.sqrt(headDim);
    const size = CAPACITY * shape.kvHeads * headDim;
    const keys = normals(size, 4, 0.05).map((value) => 1 + value);
    const opposed = cacheOf(keys, normals(size, 2), headDim, format);
    const queries = randomQueries(shape, 1).map((value) => -strength + value);
    const expected = reference(shape, queries, opposed, 99);
    expect(largestError(await whole(shape, variant, opposed, queries, 99, 1), expected)).toBeLessThan(1e-3);
    expect(largestError(await split(shape, variant, opposed, queries, 99), expected)).toBeLessThan(1e-3);
  });
});

/** Two caches of int8 have the same scales, but that a new key's may be off by what the fusing of a product does. */
async function expectSameScales(mine: LayerCache, theirs: LayerCache, count: number): Promise<void> {
  if (!mine.scales || !theirs.scales) return;
  const actual = await readFloats(gpu, mine.scales, 2 * count);
  const expected = await readFloats(gpu, theirs.scales, 2 * count);
  const ofValues = (scales: Float32Array): Float32Array => scales.filter((_, i) => i % 2 === 1);
  expect(ofValues(actual)).toEqual(ofValues(expected));
  expect(actual.every((scale, i) => Math.abs(scale - expected[i]!) <= 1e-6 * expected[i]!)).toBe(true);
}

interface FusedCase {
  shape: AttentionShape;
  variant: AttentionVariant;
  /** All dimensions of a head, or some. */
  rotary: number;
  format: CacheFormat;
}
const WIDE = { shape: { heads: 4, kvHeads: 2, headDim: 96 }, rotary: 96 };
const PARTLY = { shape: { heads: 5, kvHeads: 1, headDim: 64 }, variant: lanes(4, 1, 16), rotary: 32 };

/** Each format, with all dimensions turning and with some, with one team and with two. */
const SOME_FUSED: readonly FusedCase[] = [
  { ...PARTLY, format: 'f16' },
  { ...WIDE, variant: lanes(4, 1, 32), format: 'f32' },
  { ...WIDE, variant: lanes(4, 2, 32), format: 'int8' },
];
const OTHER_FUSED: readonly FusedCase[] = [
  { ...WIDE, variant: lanes(4, 2, 32), format: 'f16' },
  { shape: { heads: 2, kvHeads: 2, headDim: 128 }, variant: lanes(4, 1, 64), rotary: 8, format: 'f16' },
  { ...PARTLY, format: 'int8' },
];

describe.each(combinations([...SOME_FUSED, ...OTHER_FUSED], SOME_FUSED))(
  '$shape with $variant and $rotary rotary dimensions in $format',
  ({ shape, variant, rotary, format }) => {
    // In the first split, at its end, at the beginning of the second (whose team may share a workgroup), and beyond.
    test.each(['neox', 'normal'] as const)(
      'turns %s pairs and appends as the kernels apart do',
      async (pairs) => {
        const angles = gpu.upload(
          'angles',
          ropeAngles(
            CAPACITY,
            Array.from({ length: rotary / 2 }, (_, j) => 10000 ** ((-2 * j) / rotary)),
          ),
        );
        const rope = { rotary, pairs, angles };
        expect(attentionAppends(variant, rope)).toBe(true);
        for (const position of [0, 3, variant.split - 1, variant.split, 130]) {
          const queries = randomQueries(shape, 1);
          const apart = randomCache(shape, format).buffers;
          const together = randomCache(shape, format).buffers;
          const turned = gpu.upload('qkv', queries);
          const append = await ropeAppend(gpu, shape, rope, uploadState(gpu, position, 1), turned, apart);
          run(gpu, [append], { position });
          const expected = await split(
            shape,
            variant,
            { buffers: apart },
            await readFloats(gpu, turned, queries.length),
            position,
          );
          const out = await split(shape, variant, { buffers: together }, queries, position, rope);
          // Compilers may fuse a product and a sum in one kernel and not in the other; a key may then round the other way,
          // which in int8 is a step 16 times as wide at most.
          const tolerance = format === 'int8' ? 5e-3 : 1e-3;
          expect(largestError(out, Float64Array.from(expected))).toBeLessThan(tolerance);
          const perWord = { f16: 2, f32: 1, int8: 4 }[format];
          const words = (CAPACITY * shape.kvHeads * shape.headDim) / perWord;
          const width = shape.kvHeads * shape.headDim;
          expect(await readWords(gpu, together.values, words)).toEqual(
            await readWords(gpu, apart.values, words),
          );
          const [mine, theirs] = await Promise.all(
            [together.keys, apart.keys].map((buffer) => readWords(gpu, buffer, words)),
          );
          const bits = (keys: Uint32Array): Int8Array | Uint16Array | Uint32Array => {
            if (format === 'int8') return new Int8Array(keys.slice().buffer);
            return format === 'f16' ? new Uint16Array(keys.slice().buffer) : keys;
          };
          // f32 has 13 bits of mantissa more.
          const unit = format === 'f16' ? 1 : 1 << 13;
          const expectedBits = bits(theirs!);
          const steps = [...bits(mine!)].map((half, i) => Math.abs(half - expectedBits[i]!));
          // No key but the new one changes, and that by at most a unit in its last place.
          expect(
            steps.every((step, i) => step === 0 || (Math.floor(i / width) === position && step <= unit)),
          ).toBe(true);
          await expectSameScales(together, apart, CAPACITY * shape.kvHeads);
        }
      },
    );
  },
);
