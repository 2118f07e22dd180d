// Keys and values of the tokens that a sequence has seen, on the GPU, and which tokens those are.

import type { BufferMaker } from '../gpu/buffers';
import type { GpuContext } from '../gpu/context';
import { createLayerCache, freeLayerCache, type CacheFormat, type LayerCache } from '../kernels/kv-layout';
import type { ModelConfig } from '../model/config';

/** Keys and values, stored in some format, of up to `capacity` positions for every layer. */
export class KvCache {
  /** Tokens whose keys and values are in the cache, position by position. */
  tokenIds: number[] = [];

  private constructor(
    readonly layers: readonly LayerCache[],
    readonly capacity: number,
    private readonly gpu: GpuContext,
  ) {}

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
    return Array.from({ length: config.layers }, (_, layer) =>
      createLayerCache(buffers, config, capacity, format, layer, { part: 'kvCache' }),
    );
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
    for (const layer of this.layers) freeLayerCache(this.gpu, layer);
    this.tokenIds = [];
  }
}
