// Takes GGUF files apart, so that tests can change something and write them again: another version, in parts, or a header
// alone, before data that are not there.
import type { ByteSource } from '../../src/files/byte-source';
import { bytesSource } from '../../src/files/byte-source';
import { ENCODINGS } from '../../src/formats/encodings';
import { parseGguf } from '../../src/formats/gguf';
import type { MetadataValue } from '../../src/formats/metadata';
import { u32, writeGguf, type GgufTensor, type GgufValue } from './gguf-writer';

/** A GGUF file in pieces. */
export interface GgufPieces {
  metadata: Map<string, GgufValue>;
  tensors: GgufTensor[];
}

export async function takeApart(bytes: Uint8Array): Promise<GgufPieces> {
  const { metadata, tensors } = await parseGguf(bytesSource(bytes));
  return {
    metadata: new Map([...metadata.keys()].map((key) => [key, typed(metadata.get(key)!)])),
    tensors: [...tensors.values()].map(({ name, shape, encoding, offset, byteLength }) => {
      return { name, shape, type: encoding, bytes: bytes.slice(offset, offset + byteLength) };
    }),
  };
}

export function putTogether({ metadata, tensors }: GgufPieces, version = 3): Uint8Array<ArrayBuffer> {
  return writeGguf({ version, metadata: [...metadata], tensors });
}

/** The parts that gguf-split would make, by name: all metadata in the first, tensors in their order. */
export function split({ metadata, tensors }: GgufPieces, count: number): Record<string, Uint8Array> {
  const each = Math.ceil(tensors.length / count);
  const number = (n: number): string => String(n).padStart(5, '0');
  return Object.fromEntries(
    Array.from({ length: count }, (_, i) => {
      const own = new Map<string, GgufValue>([
        ...(i === 0 ? metadata : []),
        ['split.no', { type: 'u16', value: i }],
        ['split.count', { type: 'u16', value: count }],
        ['split.tensors.count', { type: 'i32', value: tensors.length }],
      ]);
      const part = putTogether({ metadata: own, tensors: tensors.slice(i * each, (i + 1) * each) });
      return [`model-${number(i + 1)}-of-${number(count)}.gguf`, part];
    }),
  );
}

const MEBI = 1 << 20;

/**
 * The file with its tensors one MiB apart, from the second MiB on, and all of them zeros that are never stored. The first
 * MiB is the header (and is what a reader of headers fetches at once).
 */
export function headerAlone({ metadata, tensors }: GgufPieces): ByteSource {
  let end = 0;
  const moved = tensors.map((tensor): GgufTensor => {
    const offset = end;
    const elements = tensor.shape.reduce((product, extent) => product * extent, 1);
    const length = typeof tensor.type === 'number' ? 0 : ENCODINGS[tensor.type].byteLength(elements);
    end += Math.ceil(length / MEBI) * MEBI;
    return { ...tensor, bytes: new Uint8Array(0), offset };
  });
  const header = writeGguf({ alignment: MEBI, metadata: [...metadata], tensors: moved }).slice(0, MEBI);
  return {
    size: MEBI + end,
    read: async (offset, length) => {
      const bytes = new Uint8Array(length);
      if (offset < MEBI) bytes.set(header.subarray(offset, offset + length));
      return bytes;
    },
  };
}

/** A value with a type that holds it; which of the possible ones does not matter to a reader. */
function typed(value: MetadataValue): GgufValue {
  if (typeof value === 'string') return { type: 'string', value };
  if (typeof value === 'boolean') return { type: 'bool', value };
  if (typeof value === 'bigint') return { type: 'u64', value };
  if (typeof value === 'number') return Number.isInteger(value) ? u32(value) : { type: 'f32', value };
  const values = Array.from(value as ArrayLike<MetadataValue>, typed);
  if (value instanceof Float32Array) return { type: 'array', of: 'f32', values };
  return { type: 'array', of: values[0]?.type ?? 'u32', values };
}
