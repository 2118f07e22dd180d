// Known answers for attention, together with the rotary embedding and the write into the cache that come before it.

import { floatsToHalves, halfToFloat } from '../formats/half';
import type { Dispatch, GpuContext } from '../gpu/context';
import {
  attention,
  attentionAppends,
  attentionRoom,
  decodeAttention,
  type AttentionVariant,
} from './attention';
import { isClose, run, sequence, withBuffers } from './known-answers';
import { cacheDim, type AttentionShape, type CacheFormat, type LayerCache } from './kv-layout';
import { ropeAngles, type RopePairs } from './rope';
import { ropeAppend } from './rope-append';

const NORM_EPS = 1e-5;
/**
 * Relative to the largest value: one number of the new key may fall on the other side of a step of f16; or of int8, whose
 * steps are up to 16 times as wide, but where that is hardly ever so near.
 */
const ATTENTION_TOLERANCE = { f16: 1e-3, f32: 1e-3, int8: 2e-3 };

/** Tokens of the prompt: more than share what a team or a workgroup reads, and no multiple of those. */
const PROMPT = 9;

/** Heads, how they turn, and whether they have norms before that. */
type TurnedShape = AttentionShape & { rotary: number; ropePairs: RopePairs; headNorms: boolean };

/**
 * Whether an attention variant is right for a model's heads, together with the rotary embedding and the write into the
 * cache that come before it: in prefill, and in decode with one split and with more.
 */
export async function checkAttention(
  gpu: GpuContext,
  shape: TurnedShape,
  variant: AttentionVariant,
  format: CacheFormat,
): Promise<boolean> {
  const { heads, kvHeads, headDim, rotary } = shape;
  const most = variant.split + 5;
  const width = (heads + 2 * kvHeads) * headDim;
  const random = sequence(4);
  // Numbers that f16 has exactly. Odd numerators: of a head's largest in 127 steps no other is a half, so int8 has no ties.
  const value = (): number => (2 * (random() % 512) - 511) / 256;
  const qkv = Float32Array.from({ length: PROMPT * width }, value);
  const cached = (): Float32Array => Float32Array.from({ length: most * kvHeads * headDim }, value);
  const asStored = (floats: Float32Array): StoredHeads => storeHeads(floats, headDim, format);
  const keys = asStored(cached());
  const values = asStored(cached());
  const frequencies = Array.from({ length: rotary / 2 }, (_, j) => 10000 ** ((-2 * j) / rotary));
  const table = ropeAngles(most, frequencies);
  const normWeights = {
    q: Float32Array.from({ length: headDim }, () => 1 + value() / 8),
    k: Float32Array.from({ length: headDim }, () => 1 + value() / 8),
  };
  const normed = shape.headNorms ? plainHeadNorms(shape, qkv, normWeights) : qkv;
  return withBuffers(gpu, async (scratch) => {
    const norms = { q: scratch(normWeights.q), k: scratch(normWeights.k), eps: NORM_EPS };
    const rope = {
      rotary,
      pairs: shape.ropePairs,
      angles: scratch(table),
      norms: shape.headNorms ? norms : undefined,
    };
    const rooms = attentionRoom(variant, most);
    const partial = {
      sums: scratch(new Float32Array(rooms * heads * headDim)),
      summary: scratch(new Float32Array(rooms * heads * 2)),
    };
    const check = async (
      tokens: number,
      length: number,
      attend: (state: GPUBuffer, input: GPUBuffer, cache: LayerCache, out: GPUBuffer) => Promise<Dispatch[]>,
    ): Promise<boolean> => {
      const first = length - tokens;
      const out = scratch(new Float32Array(tokens * heads * headDim));
      const scales = format === 'int8' ? scratch(pairwise(keys.scales, values.scales)) : undefined;
      const cache = { keys: scratch(keys.words), values: scratch(values.words), scales, format };
      const state = scratch(new Uint32Array([first, tokens, 0, 0]));
      const dispatches = await attend(state, scratch(qkv), cache, out);
      const rows = normed.subarray(0, tokens * width);
      const expected = plainSteps(shape, rows, keys.floats, values.floats, table, first, asStored);
      const result = await run(gpu, dispatches, out, tokens, first);
      return isClose(result, expected, ATTENTION_TOLERANCE[format]);
    };
    const append = (state: GPUBuffer, input: GPUBuffer, cache: LayerCache): Promise<Dispatch> =>
      ropeAppend(gpu, shape, rope, state, input, cache);
    const appends = attentionAppends(variant, rope);
    const decode = async (
      state: GPUBuffer,
      input: GPUBuffer,
      cache: LayerCache,
      out: GPUBuffer,
    ): Promise<Dispatch[]> => {
      const args = [gpu, shape, variant, state, input, cache, partial, out] as const;
      return [
        ...(appends ? [] : [await append(state, input, cache)]),
        ...(await decodeAttention(...args, appends ? rope : undefined)),
      ];
    };
    const checks = [
      await check(PROMPT, most, async (state, input, cache, out) => [
        await append(state, input, cache),
        await attention(gpu, shape, variant, state, input, cache, out),
      ]),
      await check(1, most, decode),
      await check(1, 5, decode),
    ];
    return checks.every((right) => right);
  });
}

/**
 * Attention of the tokens from position `first` on, whose `qkv` the matrix made: each is turned, joins keys and values `asStored`,
 * and sees those up to its own.
 */
function plainSteps(
  shape: TurnedShape,
  qkv: Float32Array,
  keys: Float32Array,
  values: Float32Array,
  angles: Float32Array,
  first: number,
  asStored: (heads: Float32Array) => StoredHeads,
): Float64Array {
  const { heads, kvHeads, headDim, rotary } = shape;
  const [queries, width] = [heads * headDim, kvHeads * headDim];
  const row = queries + 2 * width;
  const [allKeys, allValues] = [keys.slice(), values.slice()];
  const out = new Float64Array((qkv.length / row) * queries);
  for (let token = 0; token * row < qkv.length; token++) {
    const own = qkv.subarray(token * row, (token + 1) * row);
    const position = first + token;
    const turned = plainRope(shape, own, angles.subarray(position * rotary));
    allKeys.set(asStored(turned.slice(queries, queries + width)).floats, position * width);
    allValues.set(asStored(own.slice(queries + width)).floats, position * width);
    out.set(plainAttention(shape, turned, allKeys, allValues, position + 1), token * queries);
  }
  return out;
}

/** Queries and keys of rows of `qkv` divided by the root of their head's mean square, times the weights; values as they are. */
function plainHeadNorms(
  { heads, kvHeads, headDim }: AttentionShape,
  qkv: Float32Array,
  weights: { q: Float32Array; k: Float32Array },
): Float32Array {
  return qkv.map((value, i) => {
    const start = i - (i % headDim);
    const head = (start / headDim) % (heads + 2 * kvHeads);
    if (head >= heads + kvHeads) return value;
    const own = qkv.subarray(start, start + headDim);
    const rms = Math.sqrt(own.reduce((sum, x) => sum + x * x, 0) / headDim + NORM_EPS);
    return (value / rms) * (head < heads ? weights.q : weights.k)[i % headDim]!;
  });
}

/** All heads of `x` turned by (cos, sin) in `angles`. */
function plainRope(
  { headDim, rotary, ropePairs }: TurnedShape,
  x: Float32Array,
  angles: Float32Array,
): Float32Array {
  const out = x.slice();
  for (let head = 0; head < x.length; head += headDim) {
    for (let j = 0; j < rotary / 2; j++) {
      const [a, b] =
        ropePairs === 'neox' ? [head + j, head + j + rotary / 2] : [head + 2 * j, head + 2 * j + 1];
      const [cos, sin] = [angles[2 * j]!, angles[2 * j + 1]!];
      out[a] = x[a]! * cos - x[b]! * sin;
      out[b] = x[b]! * cos + x[a]! * sin;
    }
  }
  return out;
}

function plainAttention(
  { heads, kvHeads, headDim }: AttentionShape,
  qkv: Float32Array,
  keys: Float32Array,
  values: Float32Array,
  length: number,
): Float64Array {
  const out = new Float64Array(heads * headDim);
  for (let head = 0; head < heads; head++) {
    const at = (position: number): number =>
      (position * kvHeads + Math.floor((head * kvHeads) / heads)) * headDim;
    const scores = Float64Array.from({ length }, (_, position) => {
      let sum = 0;
      for (let d = 0; d < headDim; d++) sum += qkv[head * headDim + d]! * keys[at(position) + d]!;
      return sum / Math.sqrt(headDim);
    });
    const most = scores.reduce((a, b) => Math.max(a, b));
    const weights = scores.map((score) => Math.exp(score - most));
    const total = weights.reduce((a, b) => a + b);
    for (let d = 0; d < headDim; d++) {
      out[head * headDim + d] = weights.reduce(
        (sum, w, position) => sum + (w * values[at(position) + d]!) / total,
        0,
      );
    }
  }
  return out;
}

/** Keys or values of some heads: as the cache has them, and which numbers those are. */
interface StoredHeads {
  words: Uint32Array | Float32Array;
  /** One a head; without int8 there are none. */
  scales: Float32Array;
  /** Without the room that the cache has behind each head. */
  floats: Float32Array;
}

function storeHeads(values: Float32Array, headDim: number, format: CacheFormat): StoredHeads {
  if (format === 'int8') return storeCodes(values, headDim);
  const halves = new Uint16Array(values.length);
  floatsToHalves(values, halves);
  const floats = Float32Array.from(halves, halfToFloat);
  const padded = new Uint16Array(paddedLength(values, headDim));
  spread(halves, headDim, padded);
  const words = format === 'f32' ? Float32Array.from(padded, halfToFloat) : new Uint32Array(padded.buffer);
  return { words, scales: new Float32Array(), floats };
}

function storeCodes(values: Float32Array, headDim: number): StoredHeads {
  const scales = Float32Array.from({ length: values.length / headDim }, (_, head) => {
    const own = values.subarray(head * headDim, (head + 1) * headDim);
    return own.reduce((most, value) => Math.max(most, Math.abs(value)), 0) / 127;
  });
  const codes = Int8Array.from(values, (value, i) => Math.round(value / scales[Math.floor(i / headDim)]!));
  const floats = Float32Array.from(codes, (code, i) => code * scales[Math.floor(i / headDim)]!);
  const padded = new Int8Array(paddedLength(values, headDim));
  spread(codes, headDim, padded);
  return { words: new Uint32Array(padded.buffer), scales, floats };
}

function paddedLength({ length }: Float32Array, headDim: number): number {
  return (length / headDim) * cacheDim(headDim);
}

/** Puts heads of `headDim` numbers where the cache has them. */
function spread<Numbers extends Int8Array | Uint16Array>(
  heads: Numbers,
  headDim: number,
  into: Numbers,
): void {
  for (let head = 0; head < heads.length / headDim; head++) {
    into.set(heads.subarray(head * headDim, (head + 1) * headDim), head * cacheDim(headDim));
  }
}

/** `first` and `second` in turns. */
function pairwise(first: Float32Array, second: Float32Array): Float32Array {
  return Float32Array.from({ length: 2 * first.length }, (_, i) => (i % 2 ? second : first)[i >> 1]!);
}
