// The one place that looks behind the engine's interface: a benchmark times parts that a user never sees.

import type { GpuContext } from '../../src/gpu/context';
import type { LocalEngine } from '../../src/inference/engine';
import type { Transformer } from '../../src/inference/transformer';
import type { ModelWeights } from '../../src/model/weights';

/** What an engine is made of. */
export interface EngineParts {
  gpu: GpuContext;
  transformer: Transformer;
  weights: ModelWeights;
}

/** The parts of `engine`; they belong to it. */
export function partsOf(engine: LocalEngine): EngineParts {
  const transformer = engine['transformer'];
  return { gpu: engine['gpu'], transformer, weights: transformer['weights'] };
}
