// Model files as large as real ones that take no memory: a real header, and tensors of zeros that are never stored.
import { ENCODINGS } from '../../src/formats/encodings';
import type { SafetensorsDtype } from '../../src/formats/safetensors';
import type { ByteSource } from '../../src/files/byte-source';
import { writeGguf, type GgufParts, type GgufTensor } from './gguf-writer';
import type { StoredTensor } from './safetensors-writer';

/** A tensor without its data. */
export type SparseTensor = Omit<GgufTensor, 'bytes' | 'offset'>;

/** Bytes of blocks that ids without an encoding here would have; any will do, as such files are refused. */
const UNKNOWN_BYTES = 32;

/** A GGUF file whose tensors are all zeros. */
export function sparseGguf(
  metadata: NonNullable<GgufParts['metadata']>,
  tensors: readonly SparseTensor[],
): ByteSource {
  let end = 0;
  const placed = tensors.map((tensor): GgufTensor => {
    const offset = end;
    end = Math.ceil((offset + bytesOf(tensor)) / 32) * 32;
    return { ...tensor, offset, bytes: new Uint8Array(0) };
  });
  return beforeZeros(writeGguf({ metadata, tensors: placed }), end);
}

function bytesOf({ shape, type }: SparseTensor): number {
  if (typeof type === 'number') return UNKNOWN_BYTES;
  return ENCODINGS[type].byteLength(shape.reduce((product, extent) => product * extent, 1));
}

const DTYPE_BYTES: Partial<Record<SafetensorsDtype, number>> = { U8: 1, BF16: 2, F32: 4, U32: 4 };

/** A tensor of safetensors without its data. */
export type SparseStored = Omit<StoredTensor, 'bytes'>;

/** A safetensors file whose tensors are all zeros. */
export function sparseSafetensors(tensors: Readonly<Record<string, SparseStored>>): ByteSource {
  let end = 0;
  const entries = Object.entries(tensors).map(([name, { dtype, shape }]) => {
    const begin = end;
    end += shape.reduce((product, extent) => product * extent, DTYPE_BYTES[dtype]!);
    return [name, { dtype, shape, data_offsets: [begin, end] }];
  });
  const header = new TextEncoder().encode(JSON.stringify(Object.fromEntries(entries)));
  const bytes = new Uint8Array(8 + header.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(header.length), true);
  bytes.set(header, 8);
  return beforeZeros(bytes, end);
}

function beforeZeros(header: Uint8Array, zeros: number): ByteSource {
  return {
    size: header.length + zeros,
    read: async (offset, length) => {
      const bytes = new Uint8Array(length);
      bytes.set(header.subarray(offset, offset + length));
      return bytes;
    },
  };
}
