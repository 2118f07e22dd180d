// The one place that looks behind the engine's interface: a benchmark times parts that a user never sees.

import type { LocalEngine } from '../../src/engine/engine';
import type { Transformer } from '../../src/inference/transformer';

/** The forward pass of `engine`; it belongs to it. */
export function transformerOf(engine: LocalEngine): Transformer {
  return engine['residence'].latest.transformer;
}
