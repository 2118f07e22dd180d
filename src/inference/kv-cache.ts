// Keys and values of the tokens that a sequence has seen, on the GPU, and which tokens those are.

import type { BufferMaker } from '../gpu/buffers';
import type { GpuContext } from '../gpu/context';
import { cacheDim, type CacheFormat, type LayerCache } from '../kernels/kv-layout';
import type { ModelConfig } from '../model/config';

/** Keys and values, rounded to f16, of up to `capacity` positions for every layer. */
export class KvCache {
  /** Tokens whose keys and values are in the cache, position by position. */
  tokenIds: number[] = [];

  private constructor(
    readonly layers: readonly LayerCache[],
    readonly capacity: number,
    private readonly gpu: GpuContext,
  ) {}

  /** Bytes that a cache of `capacity` positions takes. */
  static byteLength(
    { layers, kvHeads, headDim }: ModelConfig,
    capacity: number,
    format: CacheFormat,
  ): number {
    return layers * 2 * capacity * kvHeads * cacheDim(headDim) * (format === 'f32' ? 4 : 2);
  }

  /** Allocates a cache; rejects with `out-of-memory` if the device has no room. */
  static create(
    gpu: GpuContext,
    config: ModelConfig,
    capacity: number,
    format: CacheFormat,
  ): Promise<KvCache> {
    return gpu.checkedAllocation(`a KV cache of ${capacity} tokens`, () => {
      return new KvCache(KvCache.allocate(gpu, config, capacity, format), capacity, gpu);
    });
  }

  /** The buffers of all layers. */
  static allocate(
    buffers: BufferMaker,
    config: ModelConfig,
    capacity: number,
    format: CacheFormat,
  ): LayerCache[] {
    const size = KvCache.byteLength(config, capacity, format) / config.layers / 2;
    return Array.from({ length: config.layers }, (_, layer) => ({
      keys: buffers.createBuffer(`keys ${layer}`, size, { part: 'kvCache' }),
      values: buffers.createBuffer(`values ${layer}`, size, { part: 'kvCache' }),
      format,
    }));
  }

  /** Length of the longest common prefix of the cached tokens and `ids`. */
  commonPrefix(ids: ArrayLike<number>): number {
    const most = Math.min(ids.length, this.tokenIds.length);
    let n = 0;
    while (n < most && ids[n] === this.tokenIds[n]) n++;
    return n;
  }

  /** What stands behind the first `count` tokens is there no more. */
  forgetBeyond(count: number): void {
    this.tokenIds.length = Math.min(this.tokenIds.length, count);
  }

  destroy(): void {
    for (const { keys, values } of this.layers) {
      this.gpu.free(keys);
      this.gpu.free(values);
    }
    this.tokenIds = [];
  }
}
