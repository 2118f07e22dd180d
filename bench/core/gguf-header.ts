// Writes the header of a GGUF file (version 3): metadata and tensor table, without any tensor data.
// Layout: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md

import { ENCODINGS, type EncodingName } from '../../src/formats/encodings';

/** A metadata value: text, flag, integer (uint32) or float32, or a list of texts or of int32. */
export type HeaderValue =
  | { text: string }
  | { flag: boolean }
  | { integer: number }
  | { float: number }
  | { texts: readonly string[] }
  | { integers: readonly number[] };

/** A tensor of the table. */
export interface HeaderTensor {
  name: string;
  /** Row-major, outermost first. */
  shape: readonly number[];
  encoding: EncodingName;
}

/** Where tensors are aligned to, in bytes: the format's default. */
const ALIGNMENT = 32;

// Type ids of values in the GGUF specification.
const TYPE = { uint32: 4, int32: 5, float32: 6, bool: 7, string: 8, array: 9 } as const;

/** Bytes of `tensor`'s data. */
export function tensorBytes({ shape, encoding }: HeaderTensor): number {
  return ENCODINGS[encoding].byteLength(elementCount(shape));
}

/** Elements of a tensor of `shape`. */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, extent) => product * extent, 1);
}

/** The header's bytes, where each tensor begins in the file, and how long the file is. */
export function writeHeader(
  metadata: ReadonlyMap<string, HeaderValue>,
  tensors: readonly HeaderTensor[],
): { header: Uint8Array<ArrayBuffer>; offsets: number[]; size: number } {
  const out = new HeaderWriter();
  out.ascii('GGUF');
  out.uint32(3);
  out.uint64(tensors.length);
  out.uint64(metadata.size);
  for (const [key, value] of metadata) {
    out.string(key);
    writeValue(out, value);
  }
  const relative = layOut(tensors);
  for (const [i, { name, shape, encoding }] of tensors.entries()) {
    out.string(name);
    out.uint32(shape.length);
    for (const extent of shape.toReversed()) out.uint64(extent);
    out.uint32(ENCODINGS[encoding].id);
    out.uint64(relative.offsets[i]!);
  }
  const header = out.finish(ALIGNMENT);
  const offsets = relative.offsets.map((offset) => header.length + offset);
  return { header, offsets, size: header.length + relative.end };
}

function layOut(tensors: readonly HeaderTensor[]): { offsets: number[]; end: number } {
  let end = 0;
  const offsets = tensors.map((tensor) => {
    const offset = end;
    end = Math.ceil((offset + tensorBytes(tensor)) / ALIGNMENT) * ALIGNMENT;
    return offset;
  });
  return { offsets, end };
}

function writeValue(out: HeaderWriter, value: HeaderValue): void {
  if ('text' in value) {
    out.uint32(TYPE.string);
    out.string(value.text);
  } else if ('flag' in value) {
    out.uint32(TYPE.bool);
    out.byte(value.flag ? 1 : 0);
  } else if ('integer' in value) {
    out.uint32(TYPE.uint32);
    out.uint32(value.integer);
  } else if ('float' in value) {
    out.uint32(TYPE.float32);
    out.float32(value.float);
  } else if ('texts' in value) {
    out.array(TYPE.string, value.texts.length);
    for (const text of value.texts) out.string(text);
  } else {
    out.array(TYPE.int32, value.integers.length);
    for (const integer of value.integers) out.uint32(integer);
  }
}

/** Bytes that grow. Little endian. */
class HeaderWriter {
  #bytes = new Uint8Array(1 << 16);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;
  readonly #encoder = new TextEncoder();

  byte(value: number): void {
    const at = this.#grow(1);
    this.#view.setUint8(at, value);
  }

  uint32(value: number): void {
    const at = this.#grow(4);
    this.#view.setUint32(at, value, true);
  }

  float32(value: number): void {
    const at = this.#grow(4);
    this.#view.setFloat32(at, value, true);
  }

  uint64(value: number): void {
    this.uint32(value >>> 0);
    this.uint32(Math.floor(value / 2 ** 32));
  }

  ascii(text: string): void {
    this.#put(this.#encoder.encode(text));
  }

  string(text: string): void {
    const bytes = this.#encoder.encode(text);
    this.uint64(bytes.length);
    this.#put(bytes);
  }

  array(type: number, length: number): void {
    this.uint32(TYPE.array);
    this.uint32(type);
    this.uint64(length);
  }

  /** All bytes so far, with zeros behind them up to a multiple of `alignment`. */
  finish(alignment: number): Uint8Array<ArrayBuffer> {
    this.#grow(-this.#length & (alignment - 1));
    return this.#bytes.slice(0, this.#length);
  }

  #put(bytes: Uint8Array): void {
    const at = this.#grow(bytes.length);
    this.#bytes.set(bytes, at);
  }

  /** Makes room for `count` more bytes, maybe in other buffers; gives where they begin. */
  #grow(count: number): number {
    const at = this.#length;
    this.#length += count;
    if (this.#length > this.#bytes.length) {
      const grown = new Uint8Array(this.#length * 2);
      grown.set(this.#bytes);
      this.#bytes = grown;
      this.#view = new DataView(grown.buffer);
    }
    return at;
  }
}
