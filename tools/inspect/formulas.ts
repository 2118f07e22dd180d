// The plain formulas of a transformer layer in float64, as a textbook has them: what kernels are compared with.

import { floatBitsToHalf, halfToFloat } from '../../src/formats/half';
import type { AttentionShape } from '../../src/kernels/kv-layout';
import type { RopePairs } from '../../src/kernels/rope';
import type { Activation } from '../../src/model/config';

/** One row of numbers. */
export type Row = Float32Array | Float64Array;

/** x / sqrt(mean(x²) + eps) · weight. */
export function rmsNorm(x: Row, weight: Row, eps: number): Float64Array {
  let squares = 0;
  for (const value of x) squares += value ** 2;
  const rms = Math.sqrt(squares / x.length + eps);
  return Float64Array.from(x, (value, i) => (value / rms) * weight[i]!);
}

/** Σ a·b, of as many as `b` has. */
export function dot(a: Row, b: Row): number {
  let sum = 0;
  for (let i = 0; i < b.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

/** √Σx². */
export function lengthOf(x: Row): number {
  return Math.sqrt(dot(x, x));
}

/** max|x|. */
export function largest(x: Row): number {
  let most = 0;
  for (const value of x) most = Math.max(most, Math.abs(value));
  return most;
}

/** The matrix [rows, x.length], row by row, times `x`. */
export function multiply(matrix: Float32Array, x: Row): Float64Array {
  const cols = x.length;
  return Float64Array.from({ length: matrix.length / cols }, (_, row) =>
    dot(matrix.subarray(row * cols, (row + 1) * cols), x),
  );
}

/** A row that was rounded to int8. */
export interface RoundedRow {
  /** The numbers that the int8 stand for: q / s. */
  values: Float64Array;
  /** What was rounded: x · s. */
  scaled: Float64Array;
  /** 1 / s, for each column. */
  steps: Float64Array;
}

/** Columns that share a scale where scales are those of groups. */
const GROUP = 64;

/**
 * q = round(x · s), s = 127 / max|x|, with one scale for the row, which is a token's or a head's, or one for each group of
 * 64 columns. The maximum counts as no less than 1e-5 in a token's, which is how BitNet models are trained; else as no less
 * than 1e-30.
 */
export function roundToInt8(x: Row, scalePer: 'token' | 'head' | 'group'): RoundedRow {
  const width = scalePer === 'group' ? GROUP : x.length;
  const least = scalePer === 'token' ? 1e-5 : 1e-30;
  const steps = new Float64Array(x.length);
  for (let at = 0; at < x.length; at += width) {
    steps.fill(Math.max(largest(x.subarray(at, at + width)), least) / 127, at, at + width);
  }
  // A loop, because a whole LM head is rounded row by row.
  const scaled = new Float64Array(x.length);
  const values = new Float64Array(x.length);
  for (let i = 0; i < x.length; i++) {
    scaled[i] = x[i]! / steps[i]!;
    values[i] = Math.min(127, Math.max(-128, roundHalfEven(scaled[i]!))) * steps[i]!;
  }
  return { values, scaled, steps };
}

/** Columns of a row of the vocabulary that share a scale in int8. */
const VOCABULARY_GROUP = 32;

/** q = round(x / s), where s is the smallest f16 that is not below max|x| / 127 of 32 columns. */
export function roundVocabularyRow(x: Row): RoundedRow {
  const steps = new Float64Array(x.length);
  for (let at = 0; at < x.length; at += VOCABULARY_GROUP) {
    const most = largest(x.subarray(at, at + VOCABULARY_GROUP)) / 127;
    const step = f16Step(most);
    steps.fill(Math.ceil(most / step) * step, at, at + VOCABULARY_GROUP);
  }
  const scaled = new Float64Array(x.length);
  const values = new Float64Array(x.length);
  for (let i = 0; i < x.length; i++) {
    if (steps[i] === 0) continue;
    scaled[i] = x[i]! / steps[i]!;
    values[i] = roundHalfEven(scaled[i]!) * steps[i]!;
  }
  return { values, scaled, steps };
}

function roundHalfEven(value: number): number {
  const rounded = Math.round(value);
  return Math.abs(value - Math.trunc(value)) === 0.5 ? 2 * Math.round(value / 2) : rounded;
}

/** How the dimensions of a head turn. */
export interface Turning {
  pairs: RopePairs;
  /** Radians a position of each pair, [rotary / 2]. */
  frequencies: Row;
  /** What sines and cosines are multiplied by. */
  magnitude: number;
}

/** One head at `position`, each pair turned by pos · frequencies[j]. */
export function rotate(
  head: Row,
  position: number,
  { pairs, frequencies, magnitude }: Turning,
): Float64Array {
  const out = Float64Array.from(head);
  const half = frequencies.length;
  for (let j = 0; j < half; j++) {
    const cos = magnitude * Math.cos(position * frequencies[j]!);
    const sin = magnitude * Math.sin(position * frequencies[j]!);
    const [a, b] = pairs === 'normal' ? [2 * j, 2 * j + 1] : [j, j + half];
    out[a] = head[a]! * cos - head[b]! * sin;
    out[b] = head[b]! * cos + head[a]! * sin;
  }
  return out;
}

/** `make` of every head of `x`, put together again. */
export function mapHeads(x: Row, headDim: number, make: (head: Row) => Float64Array): Float64Array {
  const out = new Float64Array(x.length);
  for (let at = 0; at < x.length; at += headDim) out.set(make(x.subarray(at, at + headDim)), at);
  return out;
}

/** softmax(q · k / √headDim) · v over all `keys` and `values`, for every head of one token's `query`. */
export function attend(
  { heads, kvHeads, headDim }: AttentionShape,
  query: Row,
  keys: readonly Row[],
  values: readonly Row[],
): Float64Array {
  const out = new Float64Array(heads * headDim);
  for (let head = 0; head < heads; head++) {
    const own = Math.floor((head * kvHeads) / heads) * headDim;
    const q = query.subarray(head * headDim, (head + 1) * headDim);
    const scores = keys.map((key) => dot(key.subarray(own), q) / Math.sqrt(headDim));
    const most = scores.reduce((a, b) => Math.max(a, b));
    const exps = scores.map((score) => Math.exp(score - most));
    const total = exps.reduce((a, b) => a + b);
    for (const [position, exp] of exps.entries()) {
      const value = values[position]!;
      for (let d = 0; d < headDim; d++) out[head * headDim + d]! += (exp / total) * value[own + d]!;
    }
  }
  return out;
}

/** relu(gate)², or silu(gate). */
export function activate(gate: number, activation: Activation): number {
  return activation === 'relu2' ? Math.max(gate, 0) ** 2 : gate / (1 + Math.exp(-gate));
}

/** The number of f16 nearest to `value`. */
export function toF16(value: number): number {
  return halfToFloat(floatBitsToHalf(new Int32Array(Float32Array.of(value).buffer)[0]!));
}

/** The distance of the numbers of f16 around `value`. */
export function f16Step(value: number): number {
  return 2 ** (Math.max(-14, Math.floor(Math.log2(Math.abs(value)))) - 10);
}
