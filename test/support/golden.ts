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

/** Below this, float32 took every int8 rounding step to the same side as float64. */
const SAME_STEPS = 1e-3;

/** Relative L2 error that a case may have: 0.03 where int8 rounding may fall to either side, else 0.001. */
export function tolerance({ f32Difference }: GoldenCase, activations: Golden['activations']): number {
  if (activations === 'exact') return 0.001;
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

/** Throws unless `out` is within tolerance, and its best token is one that the reference has within 0.1 of the best. */
export function checkLogits(
  out: ArrayLike<number>,
  golden: GoldenCase,
  activations: Golden['activations'],
): void {
  if (out.length !== golden.logits.length)
    throw new Error(`${out.length} logits instead of ${golden.logits.length}`);
  const error = relativeError(out, golden.logits);
  const most = tolerance(golden, activations);
  if (!(error <= most)) {
    throw new Error(
      `After ${golden.ids.length} tokens the logits are off by ${error} (relative L2); allowed: ${most}`,
    );
  }
  const best = Array.from(out).reduce((top, value, i) => (value > out[top]! ? i : top), 0);
  const lead = Math.max(...golden.logits) - golden.logits[best]!;
  if (lead > 0.1)
    throw new Error(`The best token is ${best}, which the reference has ${lead} below its best`);
}
