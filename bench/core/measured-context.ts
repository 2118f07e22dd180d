// A GPU context that knows what its memory is for, by the labels of its buffers.

import { GpuContext } from '../../src/gpu/context';

/** Bytes of GPU buffers by what they are for. */
export interface GpuBytes {
  /** Matrices and norms of the layers. */
  layers: number;
  embedding: number;
  /** The LM head; 0 where it is the embedding itself. */
  head: number;
  kvCache: number;
  /** Buffers that steps work in, and all others. */
  work: number;
  total: number;
}

// In this order: a head made from the embedding is a head.
const PARTS: readonly [part: keyof GpuBytes, label: RegExp][] = [
  ['head', /\bhead\b|^output\.weight/],
  ['layers', /^blk\.|^output_norm/],
  ['embedding', /^token_embd/],
  ['kvCache', /^(keys|values) \d/],
];

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
    const bytes: GpuBytes = { layers: 0, embedding: 0, head: 0, kvCache: 0, work: 0, total: this.bytes };
    for (const [buffer, label] of this.#labels) {
      const part = PARTS.find(([, pattern]) => pattern.test(label))?.[0];
      if (part) bytes[part] += buffer.size;
    }
    bytes.work = bytes.total - bytes.layers - bytes.embedding - bytes.head - bytes.kvCache;
    return bytes;
  }
}
