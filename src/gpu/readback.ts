// Small results on their way from the GPU to the CPU, several at once.

import type { GpuContext } from './context';
import { mapForReading } from './map-async';

/** Bytes of the longest result: a token with twenty alternatives. */
const MOST_BYTES = 168;

/** Buffers of a few words that take turns: while some are being mapped, others are copied to. */
export class ReadbackRing {
  readonly #free: GPUBuffer[] = [];
  readonly #all: GPUBuffer[] = [];

  constructor(private readonly gpu: GpuContext) {}

  /**
   * Encodes a copy of the first `count` words of `source` and returns how to read them. Call the returned function right
   * after the encoder's work is submitted; it resolves when that work is done.
   */
  copyWords(encoder: GPUCommandEncoder, source: GPUBuffer, count: number): () => Promise<Uint32Array> {
    const buffer = this.#free.pop() ?? this.#create();
    encoder.copyBufferToBuffer(source, 0, buffer, 0, count * 4);
    return async () => {
      try {
        await mapForReading(this.gpu.device, buffer);
        const words = new Uint32Array(buffer.getMappedRange()).slice(0, count);
        buffer.unmap();
        this.#free.push(buffer);
        return words;
      } catch (error) {
        throw this.gpu.failure('Reading a token from the GPU failed.', error);
      }
    };
  }

  #create(): GPUBuffer {
    const buffer = this.gpu.createReadback('token', MOST_BYTES);
    this.#all.push(buffer);
    return buffer;
  }

  destroy(): void {
    for (const buffer of this.#all) this.gpu.free(buffer);
  }
}
