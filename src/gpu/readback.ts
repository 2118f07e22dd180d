// Results on their way from the GPU to the CPU: small ones several at once, logits one after the other.

import type { GpuContext } from './context';
import { mapForReading } from './map-async';

/** Bytes of the longest result: a token with twenty alternatives. */
const MOST_BYTES = 168;

/**
 * Buffers of a few words that take turns: while some are being mapped, others are copied to. And one for a long result, made at
 * its first use.
 */
export class ReadbackRing {
  readonly #free: GPUBuffer[] = [];
  readonly #all: GPUBuffer[] = [];
  #long: GPUBuffer | undefined;

  constructor(private readonly gpu: GpuContext) {}

  /**
   * Encodes a copy of the first `count` words of `source` and returns how to read them. Call the returned function right
   * after the encoder's work is submitted; it resolves when that work is done.
   */
  copyWords(encoder: GPUCommandEncoder, source: GPUBuffer, count: number): () => Promise<Uint32Array> {
    const buffer = this.#free.pop() ?? this.#create('token', MOST_BYTES);
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

  /**
   * Fills `into` with the first floats of `source`, once all work submitted before is done. One call at a time; all `into` of one
   * ring are equally long.
   */
  async readFloats(source: GPUBuffer, into: Float32Array): Promise<void> {
    const { device } = this.gpu;
    this.#long ??= this.#create('logits', into.byteLength);
    const encoder = device.createCommandEncoder();
    encoder.copyBufferToBuffer(source, 0, this.#long, 0, into.byteLength);
    device.queue.submit([encoder.finish()]);
    try {
      await mapForReading(device, this.#long);
      into.set(new Float32Array(this.#long.getMappedRange()));
      this.#long.unmap();
    } catch (error) {
      throw this.gpu.failure('Reading logits from the GPU failed.', error);
    }
  }

  #create(label: string, bytes: number): GPUBuffer {
    const buffer = this.gpu.createReadback(label, bytes);
    this.#all.push(buffer);
    return buffer;
  }

  destroy(): void {
    for (const buffer of this.#all) this.gpu.free(buffer);
  }
}
