// How far a kernel's float32 may be from float64, value by value. A bound for a whole buffer would be that of its largest
// value, and residual streams have a few that are a thousand times the others.
//
// u = 2^-24 is what one operation of float32 may be off, relative to its result. Sums are long: when n products of random
// signs are added, partial sums are up to about |w|·|x| / √n, and √n·u of that is lost, so u·|w|·|x| in all; the bounds
// leave sixteen times that.

import { f16Step, largest, type Row } from './formulas';

/** Sixteen times what a float32 operation may lose. */
const SIXTEEN_ROUNDINGS = 2 ** -20;
/**
 * Relative, of what is divided by a root of a mean square: a thread adds up to some hundred squares of one sign, and WGSL
 * allows 2.5 units in the last place to each division and root.
 */
const NORM_ROUNDING = 2 ** -17;
/** Of a half: how near to one a value has to be before it may be rounded to the other side. */
const NEAR_A_HALF = 1e-3;
/** Numbers below the smallest normal one may count as 0 in WGSL. */
const SUBNORMAL_F32 = 2 ** -126;
const SUBNORMAL_F16 = 2 ** -14;

/** Of values that an RMSNorm made. */
export function normTolerance(expected: Row): Float64Array {
  return Float64Array.from(expected, (value) => NORM_ROUNDING * Math.abs(value) + SUBNORMAL_F32);
}

/**
 * Of a value that was rounded to a multiple of `step`: one step where `scaled`, the value in steps before rounding, is so
 * near to a half that float32 may see it on the other side; elsewhere what the scale may be off.
 */
export function roundedTolerance(scaled: number, step: number): number {
  const toHalf = Math.abs(Math.abs(scaled - Math.trunc(scaled)) - 0.5);
  return (toHalf < NEAR_A_HALF ? step : 0) + NORM_ROUNDING * Math.abs(scaled) * step;
}

/** Of a number that is kept in f16 and was `exact` before. */
export function f16Tolerance(exact: number, error: number): number {
  const step = f16Step(exact);
  const scaled = exact / step;
  const toHalf = Math.abs(Math.abs(scaled - Math.trunc(scaled)) - 0.5);
  return toHalf * step <= error ? step : 0;
}

/**
 * Of a number that is kept as a multiple of `step`, was `scaled` steps before, and may be off by `error`; the step is that
 * of its head, whose largest number may be off by as much.
 */
export function codeTolerance(scaled: number, step: number, error: number): number {
  const own = roundedTolerance(scaled, step);
  const toHalf = Math.abs(Math.abs(scaled - Math.trunc(scaled)) - 0.5);
  return Math.max(own, toHalf * step <= 2 * error ? step : 0) + error;
}

/** Of a number of f16 that was made f32. */
export function widenedTolerance(value: number): number {
  return Math.abs(value) < SUBNORMAL_F16 ? Math.abs(value) : 0;
}

/** Of w · x, by the lengths of both. */
export function dotTolerance(weightNorm: number, inputNorm: number): number {
  return SIXTEEN_ROUNDINGS * weightNorm * inputNorm + SUBNORMAL_F32;
}

/** Of `sum` = `before` + something. */
export function addTolerance(before: number, sum: number): number {
  return (SIXTEEN_ROUNDINGS / 4) * (Math.abs(before) + Math.abs(sum));
}

/** What is left of the errors of gate and up in activation(gate) · up. WGSL allows exp 3 + 2|x| units in the last place. */
export function gatedTolerance(
  [gate, gateError]: readonly [number, number],
  [up, upError]: readonly [number, number],
  activated: number,
): number {
  // Slopes: of relu², 2·gate at most; of silu, less than 1.1.
  const slope = Math.max(1.1, 2 * (Math.abs(gate) + gateError));
  const own = (8 + 4 * Math.abs(gate)) * 2 ** -23 * Math.abs(activated);
  return (slope * gateError + own) * (Math.abs(up) + upError) + Math.abs(activated) * upError + SUBNORMAL_F32;
}

/** Of a head that was turned (and normalised before): every dimension meets one other. */
export function turnTolerance(turned: Row): number {
  return 2 * NORM_ROUNDING * largest(turned) + SUBNORMAL_F32;
}

/**
 * Of attention: scores are off by some roundings of |q|·|k|, and a score that is off by e changes its weight by the factor
 * e^e ≈ 1 + e. `largestScore` is |q|·|k| / √headDim, `largestValue` the largest |v|.
 */
export function attentionTolerance(largestScore: number, largestValue: number): number {
  return SIXTEEN_ROUNDINGS * (1 + largestScore) * largestValue + SUBNORMAL_F32;
}
