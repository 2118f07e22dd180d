// What a generation needs to know, as plain data: how to choose tokens, and all that decides how a sequence goes on.

import type { SampleMode, SamplerParameters } from '../kernels/sample';

/**
 * Changes logits before a token is chosen of them, in place. `logits` has one for each token of the vocabulary, as the model gave
 * them, and is used again for the next token; -Infinity stands for a token that must not come. `tokenIds` are those of the
 * prompt and of the answer so far.
 */
export type LogitsProcessor = (logits: Float32Array, tokenIds: readonly number[]) => void;

/** How a generation chooses among the tokens, with every default filled in. Plain data, but for `process`. */
export interface SamplingSettings {
  sampler: SamplerParameters;
  mode: SampleMode;
  /** Added to logits, by token id. */
  logitBias: ReadonlyMap<number, number>;
  /** Log-probabilities of each token and of so many of the likeliest, up to `MOST_LOGPROBS`; undefined for none. */
  logprobs?: number | undefined;
  /** Tokens that may come at all: bit `id % 32` of word `id >> 5`. Undefined for all. */
  mask?: Uint32Array | undefined;
  /** Sees the logits of every token on the CPU, which costs a way there and back. */
  process?: LogitsProcessor | undefined;
}

/**
 * All that decides how a sequence goes on, as plain data. Whoever has it can go on with it, on any device and in any thread
 * that has the model: the noise of a draw depends on the seed and the number of tokens before, penalties on which they are.
 */
export interface Continuation {
  readonly promptIds: readonly number[];
  /** Tokens sampled, read back and taken, in order. A generation adds to them. */
  readonly sampled: number[];
  readonly sampling: SamplingSettings;
  /** Most tokens that may be sampled, those that were included. */
  readonly limit: number;
  /** Tokens that a guide has forced and that were not taken yet: who goes on elsewhere gives the same. */
  forced?: readonly number[];
}
