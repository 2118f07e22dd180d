// Small results on their way from the GPU to the CPU, several at once.

import type { GpuContext } from './context';
import { mapForReading } from './map-async';

const BYTES = 4;

/** Buffers of one word that take turns: while some are being mapped, others are copied to. */
export class ReadbackRing {
  readonly #free: GPUBuffer[] = [];
  readonly #all: GPUBuffer[] = [];

  constructor(private readonly gpu: GpuContext) {}

  /**
   * Encodes a copy of the first word of `source` and returns how to read it. Call the returned function right after
   * the encoder's work is submitted; it resolves when that work is done.
   */
  copyWord(encoder: GPUCommandEncoder, source: GPUBuffer): () => Promise<number> {
    const buffer = this.#free.pop() ?? this.#create();
    encoder.copyBufferToBuffer(source, 0, buffer, 0, BYTES);
    return async () => {
      try {
        await mapForReading(this.gpu.device, buffer);
        const [word] = new Uint32Array(buffer.getMappedRange());
        buffer.unmap();
        this.#free.push(buffer);
        return word!;
      } catch (error) {
        throw this.gpu.failure('Reading a token from the GPU failed.', error);
      }
    };
  }

  #create(): GPUBuffer {
    const buffer = this.gpu.createReadback('token', BYTES);
    this.#all.push(buffer);
    return buffer;
  }

  destroy(): void {
    for (const buffer of this.#all) this.gpu.free(buffer);
  }
}
