// What code that allocates needs of a device, and a stand-in that only counts: so that what a model will take is computed
// by the very code that takes it.

import { TernionError } from '../errors';

/** The limits of a device that decide how large a buffer can be, in bytes. */
export interface BufferLimits {
  readonly maxBufferSize: number;
  readonly maxStorageBufferBindingSize: number;
}

/** Bytes of GPU buffers by what they are for. */
export interface GpuBytes {
  /** Matrices and norms of the layers, and the last norm. */
  layers: number;
  /** The embedding, which is the LM head too where the model has one matrix for both. */
  embedding: number;
  /** The LM head; 0 where it is the embedding itself. */
  head: number;
  /** Keys and values of one session, at its full length. */
  kvCache: number;
  /** Buffers that steps work in, and all others. */
  work: number;
  total: number;
}

/** What a buffer is for. Whoever allocates it says so. */
export type MemoryPart = Exclude<keyof GpuBytes, 'total'>;

/** What a buffer is for, and how it is used. */
export interface BufferOptions {
  /** Default `work`. */
  part?: MemoryPart;
  /** Beside copies to and from it, which all buffers allow. Default: storage. */
  usage?: GPUBufferUsageFlags;
}

/** Makes and fills buffers. A `GpuContext` does it on a device, a {@link BufferLedger} on paper. */
export interface BufferMaker {
  readonly limits: BufferLimits;
  /** A zeroed buffer of at least `size` bytes. */
  createBuffer(label: string, size: number, options?: BufferOptions): GPUBuffer;
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
  readonly label: string;
  /** Bytes. */
  readonly size: number;
  readonly part: MemoryPart;
}

/** Adds up buffers by their part. */
export function sumByPart(buffers: Iterable<Pick<LedgerEntry, 'size' | 'part'>>): GpuBytes {
  const bytes: GpuBytes = { layers: 0, embedding: 0, head: 0, kvCache: 0, work: 0, total: 0 };
  for (const { part, size } of buffers) {
    bytes[part] += size;
    bytes.total += size;
  }
  return bytes;
}

/** Writes down which buffers are asked for and makes none. */
export class BufferLedger implements BufferMaker {
  readonly #entries = new Map<GPUBuffer, LedgerEntry>();

  constructor(readonly limits: BufferLimits) {}

  /** The buffers that were asked for and not freed. */
  get entries(): LedgerEntry[] {
    return [...this.#entries.values()];
  }

  createBuffer(label: string, size: number, { part = 'work', usage = 0 }: BufferOptions = {}): GPUBuffer {
    const buffer = new PaperBuffer(label, bufferBytes(size), part, usage);
    this.#entries.set(buffer, buffer);
    return buffer;
  }

  write(): void {}

  free(buffer: GPUBuffer): void {
    this.#entries.delete(buffer);
  }
}

/** A buffer of no device: it has a size, and no bytes. */
class PaperBuffer implements GPUBuffer, LedgerEntry {
  readonly __brand = 'GPUBuffer';
  readonly mapState = 'unmapped';

  constructor(
    readonly label: string,
    readonly size: number,
    readonly part: MemoryPart,
    readonly usage: GPUBufferUsageFlags,
  ) {}

  getMappedRange(): ArrayBuffer {
    throw noBytes();
  }

  async mapAsync(): Promise<undefined> {
    throw noBytes();
  }

  unmap(): undefined {
    return undefined;
  }

  destroy(): undefined {
    return undefined;
  }
}

function noBytes(): TernionError {
  return new TernionError('internal', 'A buffer of a ledger has no bytes.');
}
