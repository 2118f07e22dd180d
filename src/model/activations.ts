// How activations meet ternary weights: as the model was trained where that is known, else as fast or as exact as wanted.

import type { ModelConfig } from './config';
import { layerTensors } from './tensors';

/** What a load may ask for: `fast` allows roundings that the model was not trained with, `exact` none. */
export type Precision = 'fast' | 'exact';

/**
 * - `int8-token`: int8 with one scale a token, as BitNet models are trained (W1.58A8);
 * - `int8-group`: int8 with a scale for every 64 columns, for models of which only the weights are ternary;
 * - `f32`: as they are.
 */
export type Activations = 'int8-token' | 'int8-group' | 'f32';

/**
 * The activations for a model whose layers' matrices have `encodings`. A model that was trained with int8 activations
 * gets these whatever the precision: rounding them as in training is exact.
 */
export function chooseActivations(
  { weightOnly }: Pick<ModelConfig, 'weightOnly'>,
  encodings: Iterable<string>,
  precision: Precision,
): Activations {
  const free = [...encodings].some((encoding) => (weightOnly as readonly string[]).includes(encoding));
  if (!free) return 'int8-token';
  return precision === 'exact' ? 'f32' : 'int8-group';
}

/** The encodings of the matrices of all layers. */
export function layerEncodings<Encoding extends string>(
  tensors: ReadonlyMap<string, { encoding: Encoding }>,
  config: ModelConfig,
): Set<Encoding> {
  const encodings = new Set<Encoding>();
  for (let i = 0; i < config.layers; i++) {
    const { qkv, attnOutput, gateUp, ffnDown } = layerTensors(config, i);
    for (const { name } of [qkv, attnOutput, gateUp, ffnDown].flatMap(({ parts }) => parts)) {
      const tensor = tensors.get(name);
      if (tensor) encodings.add(tensor.encoding);
    }
  }
  return encodings;
}
