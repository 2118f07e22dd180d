// The plain formulas that kernels are tested against, in float64, and the random input of those tests.
import {
  canonicalWords,
  bitIndex,
  CHUNK,
  groupCount,
  PAD_WORD,
  scaleCount,
  scaleIndex,
  wordIndex,
  type ScaleGroup,
} from '../../src/formats/canonical';
import { floatsToHalves, halfToFloat } from '../../src/formats/half';
import { random } from './random';

export { random };

/** `count` numbers of the standard normal distribution times `scale`, rounded to f32. */
export function normals(count: number, seed: number, scale = 1): Float32Array {
  const next = random(seed);
  // Box and Muller's transform.
  return Float32Array.from(
    { length: count },
    () => scale * Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next()),
  );
}

/** `count` integers from `low` to `high`, both included. */
export function integers(count: number, seed: number, low: number, high: number): number[] {
  const next = random(seed);
  return Array.from({ length: count }, () => low + Math.floor(next() * (high - low + 1)));
}

/** `values` rounded to f16: as bits, and as the numbers that those are. */
export function halves(values: Float32Array): { bits: Uint16Array; values: Float64Array } {
  const bits = new Uint16Array(values.length);
  floatsToHalves(values, bits);
  return { bits, values: Float64Array.from(bits, halfToFloat) };
}

/** The nearest integer, of two the even one. */
export function roundHalfEven(value: number): number {
  const rounded = Math.round(value);
  return rounded - value === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}

/** Heads of `headDim` values rounded to int8: codes, the f32 scale of each head, max|x| / 127, and what they stand for. */
export function int8Heads(
  values: Float32Array,
  headDim: number,
): { codes: Int8Array; scales: Float32Array; values: Float64Array } {
  const scales = Float32Array.from({ length: values.length / headDim }, (_, head) => {
    const own = values.subarray(head * headDim, (head + 1) * headDim);
    return Math.max(...own.map(Math.abs), 1e-30) / 127;
  });
  const scaleOf = (i: number): number => scales[Math.floor(i / headDim)]!;
  const codes = Int8Array.from(values, (value, i) => roundHalfEven(value / scaleOf(i)));
  return { codes, scales, values: Float64Array.from(codes, (code, i) => code * scaleOf(i)) };
}

/** 16-bit values, two a word. */
export function words(bits: Uint16Array): Uint32Array {
  return new Uint32Array(bits.slice().buffer);
}

/** A ternary matrix: codes (weight + 1) row by row, and a scale for each group of each row. */
export interface PlainTernary {
  rows: number;
  cols: number;
  codes: Uint8Array;
  /** [rows, groups of a row]. */
  scales: Float32Array;
  scaleGroup: ScaleGroup;
}

/** Random codes of 0 to 3 (3 is weight +2, which one encoding has) and random scales. */
export function randomTernary(
  rows: number,
  cols: number,
  seed: number,
  scaleGroup: ScaleGroup = 'row',
): PlainTernary {
  return {
    rows,
    cols,
    codes: Uint8Array.from(integers(rows * cols, seed, 0, 3)),
    scales: normals(rows * groupCount(cols, scaleGroup), seed + 1),
    scaleGroup,
  };
}

/** The scale of one weight. */
function scaleOf({ cols, scales, scaleGroup }: PlainTernary, row: number, col: number): number {
  const group = scaleGroup === 'row' ? 0 : Math.floor(col / scaleGroup);
  return scales[row * groupCount(cols, scaleGroup) + group]!;
}

/** The canonical layout of a matrix, element by element. */
export function packTernary(matrix: PlainTernary): { codes: Uint32Array; scales: Float32Array } {
  const { rows, cols, codes, scaleGroup } = matrix;
  const packed = new Uint32Array(canonicalWords(rows, cols)).fill(PAD_WORD);
  const packedScales = new Float32Array(scaleCount(rows, cols, scaleGroup));
  for (let row = 0; row < rows; row++) {
    for (let col = 0; col < cols; col++) {
      packedScales[scaleIndex(row, col, cols, scaleGroup)] = scaleOf(matrix, row, col);
      const word = wordIndex(row, col, cols);
      const bit = bitIndex(col);
      packed[word] = (packed[word]! & ~(3 << bit)) | (codes[row * cols + col]! << bit);
    }
  }
  return { codes: packed, scales: packedScales };
}

/** Int8 activations of some tokens, and 1/s of each, or of each group of 64 columns. */
export interface PlainActivations {
  tokens: number;
  cols: number;
  q: Int8Array;
  /** [tokens], or [tokens, groups]. */
  inverse: Float32Array;
  groups: boolean;
}

/** Random activations; the first token's are all -128 or 127. */
export function randomActivations(
  tokens: number,
  cols: number,
  seed: number,
  groups = false,
): PlainActivations {
  const q = Int8Array.from(integers(tokens * cols, seed, -128, 127), (value, i) =>
    i < cols ? (value < 0 ? -128 : 127) : value,
  );
  const inverses = tokens * (groups ? Math.ceil(cols / CHUNK) : 1);
  return { tokens, cols, q, inverse: normals(inverses, seed + 1, 0.01).map(Math.abs), groups };
}

/** 1/s of one activation. */
export function inverseOf({ cols, inverse, groups }: PlainActivations, token: number, col: number): number {
  return inverse[groups ? token * Math.ceil(cols / CHUNK) + Math.floor(col / CHUNK) : token]!;
}

/** Σ_c (code - 1) · scale · q / s: [tokens][rows]. */
export function ternaryProduct(matrix: PlainTernary, activations: PlainActivations): Float64Array {
  const { rows, cols, codes } = matrix;
  const { tokens, q } = activations;
  const out = new Float64Array(tokens * rows);
  for (let token = 0; token < tokens; token++) {
    for (let row = 0; row < rows; row++) {
      let sum = 0;
      for (let col = 0; col < cols; col++) {
        const weight = (codes[row * cols + col]! - 1) * scaleOf(matrix, row, col);
        sum += weight * q[token * cols + col]! * inverseOf(activations, token, col);
      }
      out[token * rows + row] = sum;
    }
  }
  return out;
}

/** x / sqrt(mean(x²) + eps) · weight, for one row. */
export function rmsNormRow(x: Float32Array, weight: Float32Array, eps: number): Float64Array {
  const meanSquare = x.reduce((sum, value) => sum + value ** 2, 0) / x.length;
  return Float64Array.from(x, (value, i) => (value / Math.sqrt(meanSquare + eps)) * weight[i]!);
}

/** How far `actual` is from `expected`: the largest difference over the largest magnitude. */
export function largestError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (actual.length !== expected.length) throw new Error(`${actual.length} values, not ${expected.length}`);
  let difference = 0;
  let magnitude = 0;
  for (let i = 0; i < expected.length; i++) {
    // A NaN must not get lost in the comparison.
    if (!(Math.abs(actual[i]! - expected[i]!) <= difference))
      difference = Math.abs(actual[i]! - expected[i]!);
    magnitude = Math.max(magnitude, Math.abs(expected[i]!));
    if (Number.isNaN(difference)) return NaN;
  }
  return magnitude === 0 ? difference : difference / magnitude;
}
