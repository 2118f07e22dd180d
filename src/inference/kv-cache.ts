// Keys and values of the tokens that a sequence has seen, on the GPU, and which tokens those are.

import type { BufferMaker } from '../gpu/buffers';
import type { GpuContext } from '../gpu/context';
import {
  cacheParts,
  createLayerCache,
  freeLayerCache,
  type CacheFormat,
  type LayerCache,
} from '../kernels/kv-layout';
import type { ModelConfig } from '../model/config';

/** Keys and values, stored in some format, of up to `capacity` positions for every layer. */
export class KvCache {
  /** Tokens whose keys and values are in the cache, position by position. */
  tokenIds: number[] = [];

  private constructor(
    readonly layers: readonly LayerCache[],
    readonly capacity: number,
    readonly format: CacheFormat,
    private readonly config: ModelConfig,
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
      const layers = KvCache.allocate(gpu, config, capacity, format);
      return new KvCache(layers, capacity, format, config, gpu);
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

  /** A cache like this one, with the same in it; rejects with `out-of-memory` if the device has no room. */
  async copy(): Promise<KvCache> {
    const { gpu, config, capacity, format } = this;
    const copy = await KvCache.create(gpu, config, capacity, format);
    const encoder = gpu.device.createCommandEncoder();
    const to = copy.#parts();
    for (const [i, { buffer, perPosition }] of this.#parts().entries()) {
      const bytes = this.tokenIds.length * perPosition;
      if (bytes > 0) encoder.copyBufferToBuffer(buffer, 0, to[i]!.buffer, 0, bytes);
    }
    gpu.device.queue.submit([encoder.finish()]);
    copy.tokenIds = [...this.tokenIds];
    return copy;
  }

  /** Keys, values and, in int8, scales of the first `positions` positions, layer by layer. */
  async *read(positions: number): AsyncGenerator<ArrayBuffer, void> {
    for (const { buffer, perPosition } of this.#parts())
      yield await this.gpu.read(buffer, 0, positions * perPosition);
  }

  /**
   * Takes what another cache of this model and format has read, part by part: `part` gives `size` bytes, which `skipped` bytes
   * that there is no room for here follow. They are those of `tokenIds`.
   */
  async write(
    tokenIds: readonly number[],
    part: (size: number, skipped: number) => Promise<ArrayBuffer>,
  ): Promise<void> {
    const count = Math.min(tokenIds.length, this.capacity);
    for (const { buffer, perPosition } of this.#parts()) {
      const bytes = await part(count * perPosition, (tokenIds.length - count) * perPosition);
      this.gpu.assertAlive();
      this.gpu.write(buffer, 0, new Uint32Array(bytes));
    }
    this.tokenIds = tokenIds.slice(0, count);
  }

  #parts(): { buffer: GPUBuffer; perPosition: number }[] {
    return this.layers.flatMap((layer) => cacheParts(layer, this.config));
  }

  destroy(): void {
    for (const layer of this.layers) freeLayerCache(this.gpu, layer);
    this.tokenIds = [];
  }
}
