// What a config can describe and the forward pass does not compute yet. Refused by name when the headers are read.

import { TernionError } from '../errors';
import type { ModelConfig } from './config';

/** Throws `unsupported-feature`, naming the trait, for a model that would be computed wrongly. */
export function refuseNotYet({ perMatrixNorms, subNorms, pooling }: ModelConfig): void {
  const traits: [boolean, string][] = [
    [perMatrixNorms && subNorms, 'a norm before each matrix of a layer (…_norm_in.weight) beside sub-norms'],
    [pooling !== 'none' && pooling !== 'last', `an embedding model with pooling of type '${pooling}'`],
  ];
  const found = traits.find(([has]) => has);
  if (found) throw new TernionError('unsupported-feature', `Not supported yet: ${found[1]}.`);
}
