// RoPE's frequencies: what a file says of their scaling, as data, and the numbers that follow from it.

import { TernionError } from '../errors';
import type { MetadataReader } from './metadata-reader';

/**
 * How the frequencies of a model differ from theta^(−2j/rotary):
 *
 * - `linear`: all are divided by `factor`;
 * - `yarn` (arXiv 2309.00071): those of pairs that turn less than `betaSlow` times in `originalContext` positions are
 *   divided by `factor`, those that turn more than `betaFast` times are kept, with a ramp between (all of it in the share
 *   `extrapolation`); queries and keys are multiplied by `attentionFactor`·(1 + 0.1·ln `factor`);
 * - `longrope`: each is divided by a factor of its own, from one of two tensors: `rope_factors_short.weight` for contexts up
 *   to `originalContext`, `rope_factors_long.weight` for longer ones; queries and keys are multiplied by `attentionFactor`.
 */
export type RopeScaling =
  | { readonly kind: 'none' }
  | { readonly kind: 'linear'; readonly factor: number }
  | {
      readonly kind: 'yarn';
      readonly factor: number;
      readonly originalContext: number;
      readonly betaFast: number;
      readonly betaSlow: number;
      readonly extrapolation: number;
      readonly attentionFactor: number;
    }
  | { readonly kind: 'longrope'; readonly originalContext: number; readonly attentionFactor: number };

/**
 * What divides the frequencies, [rotary / 2]: in contexts up to the original one, and in longer ones. Both are the same
 * where a file has one list for all contexts (`rope_freqs.weight`).
 */
export interface RopeFactors {
  readonly short: Float32Array;
  readonly long: Float32Array;
}

/** What the table of RoPE's angles is made of: cos and sin of position · frequency, times the magnitude. */
export interface RopeFrequencies {
  /** Radians a position, [rotary / 2]. */
  readonly frequencies: Float64Array;
  readonly magnitude: number;
}

const NONE: RopeScaling = { kind: 'none' };

/**
 * The scaling that GGUF metadata describe; `key` puts the architecture's prefix before a name. Keys and defaults are
 * those of llama.cpp: a factor without a type is linear, a factor of 0 or 1 is none. Throws `unsupported-feature` for a
 * scaling of another type, `corrupt-file` for impossible numbers.
 */
export function readRopeScaling(
  metadata: MetadataReader,
  key: (name: string) => string,
  contextLength: number,
): RopeScaling {
  const number = (name: string, fallback: number): number =>
    metadata.optionalNumber(key(`rope.scaling.${name}`)) ?? fallback;
  const type = metadata.optionalString(key('rope.scaling.type')) ?? 'linear';
  const legacy = metadata.optionalNumber(key('rope.scale_linear')) ?? 0;
  const factor = number('factor', legacy) || 1;
  const attentionFactor = number('attn_factor', 1) * number('yarn_attn_factor', 1);
  const originalContext = number('original_context_length', contextLength);
  requirePositive({ factor, attn_factor: attentionFactor, original_context_length: originalContext });
  switch (type) {
    case 'none':
      return NONE;
    case 'linear':
      return factor === 1 ? NONE : { kind: 'linear', factor };
    case 'longrope':
      return { kind: 'longrope', originalContext, attentionFactor };
    case 'yarn': {
      if (number('yarn_log_multiplier', 0) !== 0) throw unsupported('yarn with yarn_log_multiplier');
      const [betaFast, betaSlow] = [number('yarn_beta_fast', 32), number('yarn_beta_slow', 1)];
      const extrapolation = number('yarn_ext_factor', 1);
      requirePositive({ yarn_beta_fast: betaFast, yarn_beta_slow: betaSlow });
      if (extrapolation < 0 || extrapolation > 1) throw impossible('yarn_ext_factor', extrapolation);
      return { kind: 'yarn', factor, originalContext, betaFast, betaSlow, extrapolation, attentionFactor };
    }
    default:
      throw unsupported(type);
  }
}

/** The part of a model's config that says how RoPE turns. */
export interface RopeConfig {
  /** Dimensions of a head that turn. */
  rotary: number;
  ropeTheta: number;
  ropeScaling: RopeScaling;
}

/**
 * The factors for a model that is loaded with a context of `contextLength` tokens. As in llama.cpp they do not depend on
 * how long a text is: keys in the cache would have to be turned again when it grows.
 */
export function factorsForContext(
  scaling: RopeScaling,
  factors: RopeFactors | undefined,
  contextLength: number,
): Float32Array | undefined {
  return isLongContext(scaling, contextLength) ? factors?.long : factors?.short;
}

/** Whether keys of a model with a context of `contextLength` tokens are turned by the factors for long ones. */
export function isLongContext(scaling: RopeScaling, contextLength: number): boolean {
  return scaling.kind === 'longrope' && contextLength > scaling.originalContext;
}

/**
 * The frequencies of a model, in float64. `factors` are the values of `rope_freqs.weight`, or of the longrope tensor for
 * the context that the model is loaded with, [rotary / 2]: they divide the frequencies before anything else.
 */
export function ropeFrequencies(
  { rotary, ropeTheta, ropeScaling }: RopeConfig,
  factors?: ArrayLike<number>,
): RopeFrequencies {
  const plain = Float64Array.from(
    { length: rotary / 2 },
    (_, j) => ropeTheta ** ((-2 * j) / rotary) / (factors?.[j] ?? 1),
  );
  switch (ropeScaling.kind) {
    case 'none':
      return { frequencies: plain, magnitude: 1 };
    case 'linear':
      return { frequencies: plain.map((frequency) => frequency / ropeScaling.factor), magnitude: 1 };
    case 'longrope':
      return { frequencies: plain, magnitude: ropeScaling.attentionFactor };
    case 'yarn':
      return yarn(plain, rotary, ropeTheta, ropeScaling);
  }
}

function yarn(
  plain: Float64Array,
  rotary: number,
  theta: number,
  scaling: RopeScaling & { kind: 'yarn' },
): RopeFrequencies {
  const { factor, originalContext, betaFast, betaSlow, extrapolation, attentionFactor } = scaling;
  // The pair, as a fraction, that turns `rotations` times in the original context.
  const pairOf = (rotations: number): number =>
    (rotary * Math.log(originalContext / (rotations * 2 * Math.PI))) / (2 * Math.log(theta));
  const low = Math.max(0, Math.floor(pairOf(betaFast)));
  const high = Math.min(rotary - 1, Math.ceil(pairOf(betaSlow)));
  const frequencies = plain.map((frequency, j) => {
    const ramp = Math.min(1, Math.max(0, (j - low) / Math.max(0.001, high - low)));
    const kept = (1 - ramp) * extrapolation;
    return frequency * kept + (frequency / factor) * (1 - kept);
  });
  // llama.cpp leaves the magnitude alone where nothing is extrapolated: that is linear scaling under another name.
  const growth = extrapolation === 0 ? 1 : 1 + 0.1 * Math.log(factor);
  return { frequencies, magnitude: attentionFactor * growth };
}

function requirePositive(numbers: Record<string, number>): void {
  for (const [name, value] of Object.entries(numbers)) {
    if (!(value > 0 && Number.isFinite(value))) throw impossible(name, value);
  }
}

function impossible(name: string, value: number): TernionError {
  return new TernionError('corrupt-file', `The metadata gives ${value} as rope.scaling.${name}.`);
}

function unsupported(type: string): TernionError {
  return new TernionError('unsupported-feature', `RoPE scaling of type '${type}' is not supported.`);
}
