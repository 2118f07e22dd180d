// What a decode loop asks before each token whose choice is restricted.

/** What may come next in an answer. */
export type Allowed =
  /** Any token of the vocabulary. */
  | { kind: 'any' }
  /** Those whose bit is set: bit `id % 32` of word `id >> 5`, ceil(vocabulary / 32) words. */
  | { kind: 'some'; mask: Uint32Array }
  /** These tokens, at least one, in this order: nothing is left to choose. */
  | { kind: 'forced'; tokenIds: readonly number[] };

/** Restricts the tokens of one answer. */
export interface TokenGuide {
  /**
   * What may come after these tokens of the answer (`[]` at its beginning). Any beginning of the answer can be asked about, in
   * any order; going one token further than the last time is what is cheap. Rejects with a `TernionError`.
   */
  after(tokenIds: readonly number[]): Promise<Allowed>;
}
