// One vector of a sequence: what the last norm makes of its last token.

import type { KvCache } from './kv-cache';
import type { Transformer } from './transformer';

/**
 * Evaluates `ids` from an empty context into `cache`, which has room for them. Resolves to f32 [width] of length 1. Rejects
 * with `aborted` within one chunk when `signal` fires. Whoever calls it has the GPU to itself.
 */
export async function embedSequence(
  transformer: Transformer,
  cache: KvCache,
  ids: readonly number[],
  signal?: AbortSignal,
): Promise<Float32Array> {
  const { gpu, config, work } = transformer;
  await transformer.prefill(cache, await transformer.forwardPass(cache, ids.length), ids, 0, signal);
  const encoder = gpu.device.createCommandEncoder();
  transformer.encodeLast(encoder);
  gpu.device.queue.submit([encoder.finish()]);
  return normalised(new Float32Array(await gpu.read(work.last, 0, config.width * 4)));
}

/** A vector of zeros has no direction and stays what it is. */
function normalised(vector: Float32Array): Float32Array {
  const length = Math.sqrt(vector.reduce((sum, value) => sum + value ** 2, 0));
  return length > 0 ? vector.map((value) => value / length) : vector;
}
