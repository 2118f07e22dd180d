// Small problems with known answers: drivers do miscompile, and a variant that is wrong here is never run on a model.

import { floatsToHalves, halfToFloat } from '../formats/half';
import {
  CHUNK,
  canonicalWords,
  bitIndex,
  scaleCount,
  scaleIndex,
  wordIndex,
  type ScaleGroup,
} from '../formats/canonical';
import { encodePass, type Dispatch, type GpuContext } from '../gpu/context';
import {
  attention,
  attentionAppends,
  attentionGroups,
  attentionRoom,
  decodeAttention,
  type AttentionShape,
  type AttentionVariant,
  type DecodeAttention,
} from './attention';
import { createInt8Matrix, lmHeadInt8, type HeadVariant } from './lm-head-int8';
import type { ActivationPacking } from './matrices';
import { rmsNormQuantize } from './rms-norm-quantize';
import {
  cacheDim,
  ropeAngles,
  ropeAppend,
  type LayerCache,
  type RopePairs,
  type CacheFormat,
} from './rope-append';
import { ternaryMatmul, type MatmulEpilogue, type MatmulVariant } from './ternary-matmul';

/** Relative to the largest value: what float32 in another order may differ by. */
const TOLERANCE = 1e-4;
const NORM_EPS = 1e-5;
/** A key may fall on the other side of a step of f16. */
const ATTENTION_TOLERANCE = 1e-3;

/** How the scales of a matrix and of its input lie. */
export interface MatmulForm {
  /** The input has a scale for each group of 64 columns. */
  groups: boolean;
  scaleGroup: ScaleGroup;
}

/** Whether a matmul variant is right with each of `epilogues` in each of `forms`. */
export async function checkMatmul(
  gpu: GpuContext,
  variant: MatmulVariant,
  epilogues: readonly MatmulEpilogue[],
  forms: readonly MatmulForm[],
): Promise<boolean> {
  for (const form of forms) if (!(await checkMatmulForm(gpu, variant, epilogues, form))) return false;
  return true;
}

/** At a size that no variant divides evenly. */
async function checkMatmulForm(
  gpu: GpuContext,
  variant: MatmulVariant,
  epilogues: readonly MatmulEpilogue[],
  { groups, scaleGroup }: MatmulForm,
): Promise<boolean> {
  // Gate and up: 36 row blocks each, so that the last workgroup of every variant has too many.
  const rows = 8 * 70;
  const cols = 5 * 64;
  const random = sequence(1);
  const codes = Uint8Array.from({ length: rows * cols }, () => random() % 3);
  const q = Int8Array.from({ length: variant.tokens * cols }, () => (random() % 256) - 128);
  const scales = Float32Array.from(
    { length: scaleCount(rows, cols, scaleGroup) },
    (_, i) => 0.001 * (1 + (i % 7)),
  );
  const inverses = Float32Array.from({ length: (variant.tokens * cols) / CHUNK }, (_, i) =>
    groups ? 0.25 * (1 + (i % 3)) : 0.5,
  );
  const products = plainProducts({ rows, cols, codes, scales, scaleGroup }, q, inverses);
  return withBuffers(gpu, async (scratch) => {
    const matrix = {
      rows,
      cols,
      codes: scratch(packCodes(codes, rows, cols)),
      scales: scratch(scales),
      scaleGroup,
    };
    const width = groups ? CHUNK : cols;
    const summary = Float32Array.from({ length: (q.length / width) * 2 }, (_, i) => {
      const own = q.subarray((i >> 1) * width, ((i >> 1) + 1) * width);
      if (variant.products === 'floats') return i % 2 ? 0 : 1;
      return i % 2 ? own.reduce((sum, x) => sum + x, 0) : inverses[((i >> 1) * width) / CHUNK]!;
    });
    const values =
      variant.products === 'floats'
        ? Float32Array.from(q, (value, i) => value * inverses[Math.floor(i / CHUNK)]!)
        : packActivations(q, variant.products);
    const quantized = { padded: cols, values: scratch(values), scales: scratch(summary), groups };
    for (const epilogue of epilogues) {
      const start = new Float32Array(variant.tokens * rows).fill(1);
      const y = scratch(start);
      const dispatch = await ternaryMatmul(gpu, 'check', matrix, epilogue, variant, quantized, y);
      const result = await run(gpu, [dispatch], y);
      const expected = applyEpilogue(products, epilogue, rows, variant.tokens);
      if (!isClose(result.subarray(0, expected.length), expected)) return false;
    }
    return true;
  });
}

/** One way of quantising rows. */
export interface NormForm {
  packing: ActivationPacking;
  /** Without a norm. */
  plain: boolean;
  /** The result has a scale for each group of 64 columns; `scalePer` says whether they are the same along a row. */
  groups: boolean;
  scalePer: 'token' | 'group';
}

/** Whether RMSNorm and quantisation are right with `threads` threads, in each of `forms`. */
export async function checkNorm(
  gpu: GpuContext,
  threads: number,
  forms: readonly NormForm[],
): Promise<boolean> {
  const cols = 364;
  const random = sequence(2);
  const x = Float32Array.from({ length: cols }, () => (random() % 2001) / 1000 - 1);
  const weight = Float32Array.from({ length: cols }, () => 0.5 + (random() % 1000) / 1000);
  const rms = Math.sqrt(x.reduce((sum, v) => sum + v * v, 0) / cols + NORM_EPS);
  const normed = Float64Array.from(x, (v, i) => (v / rms) * weight[i]!);
  for (const form of forms) {
    const y = form.plain ? Float64Array.from(x) : normed;
    if (!(await checkNormForm(gpu, threads, form, { x, weight, y }))) return false;
  }
  return true;
}

async function checkNormForm(
  gpu: GpuContext,
  threads: number,
  { packing, plain, groups, scalePer }: NormForm,
  { x, weight, y }: { x: Float32Array; weight: Float32Array; y: Float64Array },
): Promise<boolean> {
  const cols = x.length;
  const padded = Math.ceil(cols / CHUNK) * CHUNK;
  return withBuffers(gpu, async (scratch) => {
    const out = {
      padded,
      values: scratch(new Uint32Array(padded)),
      scales: scratch(new Float32Array((padded / CHUNK) * 2)),
      groups,
    };
    const shape = { cols, eps: NORM_EPS, threads, packing, scalePer };
    const weights = plain ? undefined : scratch(weight);
    const dispatch = await rmsNormQuantize(gpu, 'check', shape, scratch(x), weights, out);
    const result = await run(gpu, [dispatch], out.values);
    if (packing === 'floats') {
      const padding = new Float64Array(padded);
      padding.set(y);
      return isClose(result, padding);
    }
    const q = unpackActivations(new Uint32Array(result.buffer), padded, packing);
    const scales = new Float32Array(await gpu.read(out.scales));
    const width = groups ? CHUNK : padded;
    return Array.from({ length: padded / width }, (_, i) => i).every((i) => {
      const own = q.subarray(i * width, (i + 1) * width);
      const wanted = y.subarray(i * width, (i + 1) * width);
      const scaled = scalePer === 'group' ? wanted : y;
      const s = 127 / scaled.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
      // Rounding may fall to either side of a half.
      const rounded = own.every((value, j) => Math.abs(value - (wanted[j] ?? 0) * s) < 0.501);
      const sum = own.reduce((total, v) => total + v, 0);
      return rounded && scales[2 * i + 1] === sum && Math.abs(scales[2 * i]! * s - 1) < TOLERANCE;
    });
  });
}

/** Whether an int8 head variant is right. */
export async function checkHead(gpu: GpuContext, variant: HeadVariant): Promise<boolean> {
  const rows = 8 * 35;
  const cols = 3 * 64;
  const random = sequence(3);
  const codes = Int8Array.from({ length: rows * cols }, () => (random() % 255) - 127);
  const q = Int8Array.from({ length: cols }, () => (random() % 256) - 128);
  const expected = Float64Array.from({ length: rows }, (_, row) => {
    let sum = 0;
    for (let col = 0; col < cols; col++) sum += codes[row * cols + col]! * q[col]!;
    return sum * 0.5 * 0.25;
  });
  const interleaved = new Int8Array(rows * cols);
  for (let row = 0; row < rows; row++) {
    for (let col = 0; col < cols; col++) {
      const vector = ((row >> 3) * (cols / 16) + (col >> 4)) * 8 + (row & 7);
      interleaved[vector * 16 + (col & 15)] = codes[row * cols + col]!;
    }
  }
  const head = createInt8Matrix(gpu, 'check', rows, cols);
  const [shard] = head.shards;
  const { queue } = gpu.device;
  try {
    return await withBuffers(gpu, async (scratch) => {
      queue.writeBuffer(shard!.codes, 0, interleaved);
      queue.writeBuffer(shard!.scales, 0, new Float32Array(rows).fill(0.25));
      const values = scratch(packActivations(q, 'bytes'));
      const quantized = { padded: cols, values, scales: scratch(new Float32Array([0.5, 0])) };
      const logits = scratch(new Float32Array(rows));
      return isClose(
        await run(gpu, await lmHeadInt8(gpu, variant, head, quantized, logits), logits),
        expected,
      );
    });
  } finally {
    gpu.free(shard!.codes);
    gpu.free(shard!.scales);
  }
}

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
  const random = sequence(4);
  // Numbers that f16 has exactly.
  const value = (): number => ((random() % 1025) - 512) / 256;
  const qkv = Float32Array.from({ length: (heads + 2 * kvHeads) * headDim }, value);
  const cached = (): Float32Array => Float32Array.from({ length: most * kvHeads * headDim }, value);
  const keys = cached();
  const values = cached();
  const table = ropeAngles(most, rotary, 10000);
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
      length: number,
      attend: (state: GPUBuffer, input: GPUBuffer, cache: LayerCache, out: GPUBuffer) => Promise<Dispatch[]>,
    ): Promise<boolean> => {
      const out = scratch(new Float32Array(heads * headDim));
      const stored = (of: Float32Array): GPUBuffer => scratch(packCache(of, headDim, format));
      const cache = { keys: stored(keys), values: stored(values), format };
      const state = scratch(new Uint32Array([length - 1, 1, 0, 0]));
      const dispatches = await attend(state, scratch(qkv), cache, out);
      const expected = plainStep(shape, normed, keys, values, table, length);
      return isClose(await run(gpu, dispatches, out), expected, ATTENTION_TOLERANCE);
    };
    const append = (state: GPUBuffer, input: GPUBuffer, cache: LayerCache): Promise<Dispatch> =>
      ropeAppend(gpu, shape, rope, state, input, cache);
    const decode = async (
      state: GPUBuffer,
      input: GPUBuffer,
      cache: LayerCache,
      out: GPUBuffer,
    ): Promise<DecodeAttention & { before: Dispatch[] }> => {
      const appends = attentionAppends(variant, rope);
      const args = [gpu, shape, variant, state, input, cache, partial, out] as const;
      return {
        ...(await decodeAttention(...args, appends ? rope : undefined)),
        before: appends ? [] : [await append(state, input, cache)],
      };
    };
    const checks = [
      await check(most, async (state, input, cache, out) => [
        await append(state, input, cache),
        await attention(gpu, shape, variant, state, input, cache, out),
      ]),
      await check(most, async (...buffers) => {
        const { before, split, combine } = await decode(...buffers);
        split.workgroups[2] = attentionGroups(variant, most);
        return [...before, split, combine];
      }),
      await check(5, async (...buffers) => {
        const { before, alone } = await decode(...buffers);
        return [...before, alone];
      }),
    ];
    return checks.every((right) => right);
  });
}

// ---- Plain formulas ------------------------------------------------------------------------------------------------

interface PlainMatrix extends Pick<MatmulForm, 'scaleGroup'> {
  rows: number;
  cols: number;
  codes: Uint8Array;
  scales: Float32Array;
}

/** [tokens, rows]: Σ (code − 1) · scale · q · inverse, `inverses` being [tokens, cols / 64]. */
function plainProducts(
  { rows, cols, codes, scales, scaleGroup }: PlainMatrix,
  q: Int8Array,
  inverses: Float32Array,
): Float64Array {
  const tokens = q.length / cols;
  return Float64Array.from({ length: tokens * rows }, (_, i) => {
    const token = Math.floor(i / rows);
    const row = i % rows;
    let result = 0;
    for (let chunk = 0; chunk < cols / CHUNK; chunk++) {
      let sum = 0;
      for (let col = chunk * CHUNK; col < (chunk + 1) * CHUNK; col++)
        sum += (codes[row * cols + col]! - 1) * q[token * cols + col]!;
      const scale = scales[scaleIndex(row, chunk * CHUNK, cols, scaleGroup)]!;
      result += sum * scale * inverses[(token * cols) / CHUNK + chunk]!;
    }
    return result;
  });
}

function applyEpilogue(
  products: Float64Array,
  epilogue: MatmulEpilogue,
  rows: number,
  tokens: number,
): Float64Array {
  if (epilogue === 'store') return products;
  if (epilogue === 'add') return products.map((value) => value + 1);
  const half = rows / 2;
  return Float64Array.from({ length: tokens * half }, (_, i) => {
    const gate = products[Math.floor(i / half) * rows + (i % half)]!;
    const up = products[Math.floor(i / half) * rows + half + (i % half)]!;
    return (epilogue === 'relu2-gate' ? Math.max(gate, 0) ** 2 : gate / (1 + Math.exp(-gate))) * up;
  });
}

/** Attention of the token whose `qkv` the matrix made, at position length - 1: it is turned, and joins keys and values. */
function plainStep(
  shape: TurnedShape,
  qkv: Float32Array,
  keys: Float32Array,
  values: Float32Array,
  angles: Float32Array,
  length: number,
): Float64Array {
  const { heads, kvHeads, headDim } = shape;
  const turned = plainRope(shape, qkv, angles.subarray((length - 1) * shape.rotary));
  const slot = (length - 1) * kvHeads * headDim;
  const width = kvHeads * headDim;
  const withNew = (cached: Float32Array, from: Float32Array): Float32Array => {
    const all = cached.slice(0, length * width);
    all.set(from, slot);
    return all;
  };
  const first = heads * headDim;
  const allKeys = withNew(keys, halfPrecision(turned.slice(first, first + width)));
  return plainAttention(shape, turned, allKeys, withNew(values, qkv.slice(first + width)), length);
}

/** Queries and keys of `qkv` divided by the root of their head's mean square, times the weights; values as they are. */
function plainHeadNorms(
  { heads, kvHeads, headDim }: AttentionShape,
  qkv: Float32Array,
  weights: { q: Float32Array; k: Float32Array },
): Float32Array {
  return qkv.map((value, i) => {
    const head = Math.floor(i / headDim);
    if (head >= heads + kvHeads) return value;
    const own = qkv.subarray(head * headDim, (head + 1) * headDim);
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

// ---- Packing -------------------------------------------------------------------------------------------------------

function packCodes(codes: Uint8Array, rows: number, cols: number): Uint32Array {
  const words = new Uint32Array(canonicalWords(rows, cols));
  for (let row = 0; row < rows; row++) {
    for (let col = 0; col < cols; col++)
      words[wordIndex(row, col, cols)]! |= codes[row * cols + col]! << bitIndex(col);
  }
  return words;
}

function packActivations(q: Int8Array, packing: ActivationPacking): Uint32Array {
  if (packing === 'bytes') return new Uint32Array(q.slice().buffer);
  return Uint32Array.from({ length: q.length / 2 }, (_, i) => {
    const first = (i >> 1) * 4 + (i & 1);
    return (q[first]! << 16) + q[first + 2]!;
  });
}

function unpackActivations(words: Uint32Array, count: number, packing: ActivationPacking): Int32Array {
  if (packing === 'bytes') return Int32Array.from(new Int8Array(words.buffer).subarray(0, count));
  const q = new Int32Array(count);
  for (let i = 0; i < count / 2; i++) {
    const first = (i >> 1) * 4 + (i & 1);
    const low = (words[i]! << 16) >> 16;
    q[first + 2] = low;
    q[first] = (words[i]! - low) >> 16;
  }
  return q;
}

/** `values` as f16 would have them. */
function halfPrecision(values: Float32Array): Float32Array {
  const halves = new Uint16Array(values.length);
  floatsToHalves(values, halves);
  return Float32Array.from(halves, halfToFloat);
}

/** Heads of `headDim` values, which f16 has exactly, as the cache stores them. */
function packCache(values: Float32Array, headDim: number, format: CacheFormat): Uint32Array | Float32Array {
  const padded = new Float32Array((values.length / headDim) * cacheDim(headDim));
  for (let head = 0; head < values.length / headDim; head++) {
    padded.set(values.subarray(head * headDim, (head + 1) * headDim), head * cacheDim(headDim));
  }
  return format === 'f32' ? padded : packHalves(padded);
}

function packHalves(values: Float32Array): Uint32Array {
  const halves = new Uint16Array(values.length);
  floatsToHalves(values, halves);
  return new Uint32Array(halves.buffer);
}

// ---- Running -------------------------------------------------------------------------------------------------------

/** Whole numbers that look random and are always the same (Numerical Recipes' generator, its upper bits). */
function sequence(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 8;
  };
}

type Scratch = (data: Uint32Array | Float32Array) => GPUBuffer;

/** Gives `use` a way to make buffers, and frees them after it. */
async function withBuffers(gpu: GpuContext, use: (scratch: Scratch) => Promise<boolean>): Promise<boolean> {
  const made: GPUBuffer[] = [];
  try {
    return await use((data) => {
      const buffer = gpu.upload('check', data);
      made.push(buffer);
      return buffer;
    });
  } finally {
    for (const buffer of made) gpu.free(buffer);
  }
}

async function run(
  gpu: GpuContext,
  dispatches: readonly Dispatch[],
  result: GPUBuffer,
): Promise<Float32Array> {
  const encoder = gpu.device.createCommandEncoder();
  encodePass(encoder, dispatches);
  gpu.device.queue.submit([encoder.finish()]);
  return new Float32Array(await gpu.read(result));
}

function isClose(result: Float32Array, expected: Float64Array, tolerance = TOLERANCE): boolean {
  const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return expected.every((value, i) => Math.abs(result[i]! - value) <= tolerance * largest);
}
