// A GPU context that knows what its memory is for, by the labels of its buffers.

import { GpuContext } from '../../src/gpu/context';
import { bytesByPart, type GpuBytes } from '../../src/plan/gpu-parts';

export type { GpuBytes };

/** Behaves as any other, and can say where the bytes are. */
export class MeasuredContext extends GpuContext {
  readonly #labels = new Map<GPUBuffer, string>();

  override createBuffer(label: string, size: number, usage?: GPUBufferUsageFlags): GPUBuffer {
    const buffer = super.createBuffer(label, size, usage);
    this.#labels.set(buffer, label);
    return buffer;
  }

  override free(buffer: GPUBuffer): void {
    super.free(buffer);
    this.#labels.delete(buffer);
  }

  /** Where the bytes of all live buffers are now. */
  bytesByPart(): GpuBytes {
    const made = bytesByPart([...this.#labels].map(([{ size }, label]) => ({ label, size })));
    // Readbacks are made elsewhere; they are work.
    return { ...made, work: made.work + this.bytes - made.total, total: this.bytes };
  }
}
