// Where in a JSON value the strings are whose lengths the rules leave open.

/**
 * The length up to which rules count: each character more takes 30 ms to compile for a vocabulary of 128,000 tokens (measured
 * with xgrammar 0.1.27 under Node).
 */
const COUNTED = 20;

/** Whether rules do not count as far as these bounds. */
export function isLong(min: number, max: number): boolean {
  return min > COUNTED || (max > COUNTED && max !== Infinity);
}
