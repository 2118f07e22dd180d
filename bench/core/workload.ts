// What a step must do at least, whatever kernels do it: bytes to read and multiply-adds, from the model alone.

import type { ModelConfig } from '../../src/model/config';
import type { ModelWeights } from '../../src/model/weights';
import { KvCache } from '../../src/inference/kv-cache';
import type { Ceilings } from './ceilings';
import type { EngineParts } from './internals';

/** Bytes of GPU buffers by what they are for. */
export interface GpuBytes {
  /** Matrices and norms of the layers. */
  layers: number;
  embedding: number;
  /** 0 where the head is the embedding itself. */
  head: number;
  /** Buffers that steps work in. */
  work: number;
  /** A KV cache for the whole context: what each session has. */
  kvCache: number;
  /** All buffers of the engine before any session, as the engine counts them. */
  engine: number;
}

/** Buffers in `value`, in whatever objects, arrays and maps; each once. */
function buffersIn(value: unknown, found = new Set<GPUBuffer>()): Set<GPUBuffer> {
  if (value instanceof GPUBuffer) found.add(value);
  else if (value instanceof Map) for (const item of value.values()) buffersIn(item, found);
  else if (typeof value === 'object' && value !== null)
    for (const item of Object.values(value)) buffersIn(item, found);
  return found;
}

function sizeOf(buffers: Iterable<GPUBuffer>): number {
  let sum = 0;
  for (const { size } of buffers) sum += size;
  return sum;
}

/** Where the GPU memory of an engine goes. */
export function gpuBytes({ gpu, transformer, weights }: EngineParts): GpuBytes {
  const embedding = buffersIn(weights.embedding);
  const head = [...buffersIn(weights.head)].filter((buffer) => !embedding.has(buffer));
  return {
    layers: sizeOf(buffersIn([weights.layers, weights.outputNorm])),
    embedding: sizeOf(embedding),
    head: sizeOf(head),
    work: sizeOf(buffersIn(transformer.work)),
    kvCache: KvCache.byteLength(transformer.config, transformer.contextLength),
    engine: gpu.bytes,
  };
}

/** What some tokens cost at least. Attention is left out: it is what the measured time is allowed to show. */
export interface Workload {
  /** Weights and head, as they are stored on the GPU. */
  bytes: number;
  multiplyAdds: number;
}

/** Evaluating `tokens` tokens at once, with logits of the last one. One token is a decode step. */
export function workload(config: ModelConfig, weights: ModelWeights, tokens: number): Workload {
  const { layers, width, ffnWidth, heads, kvHeads, headDim, vocabularySize } = config;
  const attention = (2 * heads + 2 * kvHeads) * headDim * width;
  const layer = attention + 3 * width * ffnWidth;
  return {
    bytes: sizeOf(buffersIn(weights.layers)) + sizeOf(buffersIn(weights.head)),
    multiplyAdds: tokens * layers * layer + vocabularySize * width,
  };
}

/** The least time for `work` on an adapter with these ceilings, ms, and which of them it is. */
export function floorOf(
  work: Workload,
  { bytesPerSecond, multiplyAddsPerSecond }: Pick<Ceilings, 'bytesPerSecond' | 'multiplyAddsPerSecond'>,
): { ms: number; bound: 'bytes' | 'dots' } {
  const bytes = (work.bytes / bytesPerSecond) * 1000;
  const dots = (work.multiplyAdds / multiplyAddsPerSecond) * 1000;
  return bytes > dots ? { ms: bytes, bound: 'bytes' } : { ms: dots, bound: 'dots' };
}
