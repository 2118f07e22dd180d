// The one place that looks behind the engine's interface: a benchmark times parts that a user never sees.

import type { LocalEngine } from '../../src/engine/engine';
import type { Transformer } from '../../src/inference/transformer';

/** The forward pass of `engine`; it belongs to it. */
export function transformerOf(engine: LocalEngine): Transformer {
  return engine['residence'].latest.transformer;
}

/**
 * Of all rows of a head in planes, those that its last step has made exact: what may be within the window of the best. Throws for other
 * heads.
 */
export async function contenderShare(engine: LocalEngine): Promise<number> {
  const transformer = transformerOf(engine);
  const { gpu, config } = transformer;
  const { head } = transformer['weights'];
  if (head.format !== 'planes') throw new Error('The head is not in planes.');
  const [key = 0, window = 0] = new Uint32Array(await gpu.read(head.scratch.bound, 0, 8));
  // The key sorts as the number does: negative ones are turned round.
  const words = Uint32Array.of(key >= 2 ** 31 ? key & 0x7fffffff : ~key, window);
  const [best = NaN, within = NaN] = new Float32Array(words.buffer);
  const upper = new Float32Array(await gpu.read(head.scratch.upper, 0, config.vocabularySize * 4));
  return upper.filter((value) => !(value < best - within)).length / upper.length;
}
