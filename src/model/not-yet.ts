// What a config can describe and the forward pass does not compute yet. Refused by name when the headers are read.

import { TernionError } from '../errors';
import type { ModelConfig } from './config';

/** Throws `unsupported-feature`, naming the trait, for a model that would be computed wrongly. */
export function refuseNotYet({ scales, ropeScaling, perMatrixNorms, pooling }: ModelConfig): void {
  const { embedding, residual, logits } = scales;
  const traits: [boolean, string][] = [
    [embedding !== 1 || residual !== 1 || logits !== 1, 'scales of embedding, residual branches and logits'],
    [ropeScaling.kind === 'longrope', "RoPE scaling of type 'longrope'"],
    [perMatrixNorms, 'a norm before each matrix of a layer (…_norm_in.weight)'],
    [pooling !== 'none', `an embedding model (pooling of type ${pooling})`],
  ];
  const found = traits.find(([has]) => has);
  if (found) throw new TernionError('unsupported-feature', `Not supported yet: ${found[1]}.`);
}
