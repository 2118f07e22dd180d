// What a step must do at least, whatever kernels do it: bytes to read and multiply-adds, from the model alone.

import type { ModelConfig } from '../../src/model/config';
import type { CeilingRates } from './ceilings';
import type { GpuBytes } from '../../src/gpu/buffers';

/** What some tokens cost at least. Attention is left out: it is what the measured time is allowed to show. */
export interface Workload {
  /** Weights and head, as they are stored on the GPU. */
  bytes: number;
  multiplyAdds: number;
}

/** Evaluating `tokens` tokens at once, with logits of the last one. One token is a decode step. */
export function workload(config: ModelConfig, stored: GpuBytes, tokens: number): Workload {
  const { layers, width, ffnWidth, heads, kvHeads, headDim, vocabularySize } = config;
  const attention = (2 * heads + 2 * kvHeads) * headDim * width;
  const layer = attention + 3 * width * ffnWidth;
  return {
    bytes: stored.layers + (stored.head || stored.embedding),
    multiplyAdds: tokens * layers * layer + vocabularySize * width,
  };
}

/** The least time for `work`, ms, and which ceiling says so. */
export interface Floor {
  ms: number;
  bound: 'bytes' | 'dots';
}

/** The least time for `work` on an adapter with these ceilings, if products are made by dot4I8Packed. */
export function floorOf(
  work: Workload,
  { bytesPerSecond, multiplyAddsPerSecond }: Pick<CeilingRates, 'bytesPerSecond' | 'multiplyAddsPerSecond'>,
): Floor {
  const bytes = (work.bytes / bytesPerSecond) * 1000;
  const dots = (work.multiplyAdds / multiplyAddsPerSecond) * 1000;
  return bytes > dots ? { ms: bytes, bound: 'bytes' } : { ms: dots, bound: 'dots' };
}

/** The same, if products are made in whichever way is fastest. */
export function lowestFloorOf(work: Workload, ceilings: CeilingRates): Floor {
  const { multiplyAddsPerSecond, pairsPerSecond } = ceilings;
  return floorOf(work, {
    ...ceilings,
    multiplyAddsPerSecond: Math.max(multiplyAddsPerSecond, pairsPerSecond),
  });
}
