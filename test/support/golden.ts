// The acceptance of golden logits: how far from a float64 reference the engine may be.

/** A file of golden logits. */
export interface Golden {
  architecture: string;
  encoding: string;
  activations: 'int8 per token' | 'exact';
  cases: GoldenCase[];
}

/** Logits after the last of `ids`, and how far the same computation in float32 was from them. */
export interface GoldenCase {
  ids: number[];
  logits: number[];
  f32Difference: number;
  int8GroupDifference?: number;
}

/** A greedy answer of the reference; its first `sure` ids do not depend on rounding. */
export interface GoldenPrompt {
  messages: { role: string; content: string }[];
  promptIds: number[];
  greedy: number[];
  text: string;
  margin: number;
  sure: number;
}

/** The golden files of random models, by name without extension. */
export const RANDOM_MODELS = [
  'random-bitnet-b1.58-i2_s',
  'random-bitnet-tq2_0',
  'random-llama-i2_s',
  'random-llama-tq1_0',
  'random-qwen3-q2_0',
] as const;

/** Below this, float32 took every int8 rounding step to the same side as float64. */
const SAME_STEPS = 1e-3;

/** How a model was loaded: see `precision` of the engine's options. */
export type Precision = 'fast' | 'exact';

/**
 * Relative L2 error that a case may have: 0.03 where int8 rounding may fall to either side, 0.05 where activations are
 * rounded to int8 in groups and the reference's are not, else 0.001.
 */
export function tolerance(
  { f32Difference }: GoldenCase,
  activations: Golden['activations'],
  precision: Precision = 'fast',
): number {
  if (activations === 'exact') return precision === 'exact' ? 0.001 : 0.05;
  return f32Difference < SAME_STEPS ? 0.001 : 0.03;
}

/** ‖out − ref‖ / ‖ref‖. */
export function relativeError(out: ArrayLike<number>, reference: readonly number[]): number {
  let error = 0;
  let norm = 0;
  for (const [i, value] of reference.entries()) {
    error += (out[i]! - value) ** 2;
    norm += value ** 2;
  }
  return Math.sqrt(error / norm);
}

/**
 * Throws unless `out` is within tolerance, and its best token is one that the reference has within 0.1 of the best. Gives
 * the relative error.
 */
export function checkLogits(
  out: ArrayLike<number>,
  golden: GoldenCase,
  activations: Golden['activations'],
  precision: Precision = 'fast',
): number {
  if (out.length !== golden.logits.length)
    throw new Error(`${out.length} logits instead of ${golden.logits.length}`);
  const error = relativeError(out, golden.logits);
  const most = tolerance(golden, activations, precision);
  if (!(error <= most)) {
    throw new Error(
      `After ${golden.ids.length} tokens the logits are off by ${error} (relative L2); allowed: ${most}`,
    );
  }
  const best = Array.from(out).reduce((top, value, i) => (value > out[top]! ? i : top), 0);
  const lead = Math.max(...golden.logits) - golden.logits[best]!;
  if (lead > 0.1)
    throw new Error(`The best token is ${best}, which the reference has ${lead} below its best`);
  return error;
}
