// What code that allocates needs of a device, and a stand-in that only counts: so that what a model will take is computed
// by the very code that takes it.

/** The limits of a device that decide how large a buffer can be, in bytes. */
export interface BufferLimits {
  readonly maxBufferSize: number;
  readonly maxStorageBufferBindingSize: number;
}

/** Makes and fills buffers. A `GpuContext` does it on a device, a {@link BufferLedger} on paper. */
export interface BufferMaker {
  readonly limits: BufferLimits;
  /** A zeroed buffer of at least `size` bytes. */
  createBuffer(label: string, size: number, usage?: GPUBufferUsageFlags): GPUBuffer;
  /** Puts `data` into a buffer, `offset` bytes from its start. */
  write(buffer: GPUBuffer, offset: number, data: Uint16Array | Uint32Array | Float32Array): void;
  free(buffer: GPUBuffer): void;
}

/** Bytes of a buffer that `size` bytes were asked for: whole vec4s, so that any kernel can read it as such. */
export function bufferBytes(size: number): number {
  return Math.max(16, Math.ceil(size / 16) * 16);
}

/** The most bytes that a buffer can have which a kernel reads or writes whole. */
export function largestBinding({ maxBufferSize, maxStorageBufferBindingSize }: BufferLimits): number {
  return Math.min(maxBufferSize, maxStorageBufferBindingSize);
}

/** A buffer that was asked for. */
export interface LedgerEntry {
  label: string;
  size: number;
}

/** Writes down which buffers are asked for and makes none: what it returns has a label and a size, and nothing else. */
export class BufferLedger implements BufferMaker {
  readonly #entries = new Set<LedgerEntry>();

  constructor(readonly limits: BufferLimits) {}

  /** The buffers that were asked for and not freed. */
  get entries(): LedgerEntry[] {
    return [...this.#entries];
  }

  createBuffer(label: string, size: number): GPUBuffer {
    const entry: LedgerEntry = { label, size: bufferBytes(size) };
    this.#entries.add(entry);
    return entry as GPUBuffer;
  }

  write(): void {}

  free(buffer: GPUBuffer): void {
    this.#entries.delete(buffer);
  }
}
