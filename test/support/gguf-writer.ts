// Writes GGUF files for tests, and encodes tensors in every encoding that the engine reads.

import { ENCODINGS, type EncodingName, type TernaryEncoding } from '../../src/formats/encodings';
import { floatsToHalves } from '../../src/formats/half';

type IntegerType = 'u8' | 'i8' | 'u16' | 'i16' | 'u32' | 'i32' | 'u64' | 'i64';

/** A metadata value with its type in the file. 64-bit integers may be bigints. */
export type GgufValue =
  | { type: IntegerType; value: number | bigint }
  | { type: 'f32' | 'f64'; value: number }
  | { type: 'bool'; value: boolean }
  | { type: 'string'; value: string | Uint8Array }
  | { type: 'array'; of: GgufValue['type']; values: readonly GgufValue[] };

/** A tensor to write: shape row-major, outermost first; `type` is a name, or any id. */
export interface GgufTensor {
  name: string;
  shape: readonly number[];
  type: EncodingName | number;
  bytes: Uint8Array;
  /** From the beginning of the data; default: right behind the one before, aligned. */
  offset?: number;
}

export interface GgufParts {
  version?: number;
  /** Also written as `general.alignment` if it is not the default 32. */
  alignment?: number;
  metadata?: readonly (readonly [string, GgufValue])[];
  tensors?: readonly GgufTensor[];
  /** Leave the last tensor without padding behind it. */
  unpadded?: boolean;
}

export const u32 = (value: number): GgufValue => ({ type: 'u32', value });
export const f32 = (value: number): GgufValue => ({ type: 'f32', value });
export const bool = (value: boolean): GgufValue => ({ type: 'bool', value });
export const text = (value: string): GgufValue => ({ type: 'string', value });
export const texts = (values: readonly string[]): GgufValue => ({
  type: 'array',
  of: 'string',
  values: values.map(text),
});
export const numbers = (of: IntegerType | 'f32' | 'f64', values: readonly number[]): GgufValue => ({
  type: 'array',
  of,
  values: values.map((value) => ({ type: of, value })),
});

// Ids of value types in the GGUF specification.
const TYPE_IDS: Readonly<Record<GgufValue['type'], number>> = {
  u8: 0,
  i8: 1,
  u16: 2,
  i16: 3,
  u32: 4,
  i32: 5,
  f32: 6,
  bool: 7,
  string: 8,
  array: 9,
  u64: 10,
  i64: 11,
  f64: 12,
};

/** A whole GGUF file. */
export function writeGguf(parts: GgufParts): Uint8Array<ArrayBuffer> {
  const { version = 3, alignment = 32, tensors = [] } = parts;
  const metadata = [...(parts.metadata ?? [])];
  if (alignment !== 32) metadata.push(['general.alignment', u32(alignment)]);
  const out = new ByteWriter();
  out.bytes(new TextEncoder().encode('GGUF'));
  out.number('u32', version);
  out.number('u64', tensors.length);
  out.number('u64', metadata.length);
  for (const [key, value] of metadata) {
    out.string(key);
    out.number('u32', TYPE_IDS[value.type]);
    writeValue(out, value);
  }
  const offsets = layOut(tensors, alignment);
  for (const [i, tensor] of tensors.entries()) {
    out.string(tensor.name);
    out.number('u32', tensor.shape.length);
    for (const extent of tensor.shape.toReversed()) out.number('u64', extent);
    out.number('u32', typeof tensor.type === 'number' ? tensor.type : ENCODINGS[tensor.type].id);
    out.number('u64', offsets[i]!);
  }
  out.pad(alignment);
  const dataOffset = out.length;
  for (const [i, tensor] of tensors.entries()) {
    // One without bytes is at its place in the table all the same: the header of a file that is not there.
    if (tensor.bytes.length > 0) out.bytesAt(dataOffset + offsets[i]!, tensor.bytes);
  }
  if (!parts.unpadded) out.pad(alignment);
  return out.finish();
}

function layOut(tensors: readonly GgufTensor[], alignment: number): number[] {
  let end = 0;
  return tensors.map(({ bytes, offset = end }) => {
    end = Math.ceil((offset + bytes.length) / alignment) * alignment;
    return offset;
  });
}

function writeValue(out: ByteWriter, value: GgufValue): void {
  switch (value.type) {
    case 'string':
      return out.string(value.value);
    case 'bool':
      return out.number('u8', value.value ? 1 : 0);
    case 'array':
      out.number('u32', TYPE_IDS[value.of]);
      out.number('u64', value.values.length);
      for (const entry of value.values) writeValue(out, entry);
      return;
    default:
      return out.number(value.type, value.value);
  }
}

/** Bytes that grow. Little endian. Vocabularies are hundreds of thousands of small values, so nothing is allocated for each. */
class ByteWriter {
  length = 0;
  private data = new Uint8Array(1024);
  private view = new DataView(this.data.buffer);
  private readonly encoder = new TextEncoder();

  bytes(bytes: Uint8Array): void {
    this.bytesAt(this.length, bytes);
  }

  bytesAt(offset: number, bytes: Uint8Array): void {
    this.reserve(offset + bytes.length);
    this.data.set(bytes, offset);
    this.length = Math.max(this.length, offset + bytes.length);
  }

  number(type: IntegerType | 'f32' | 'f64', value: number | bigint): void {
    const bytes = Number(type.slice(1)) / 8;
    // An integer is written with eight bytes, of which those that are too many are zeros again.
    this.reserve(this.length + 8);
    if (type === 'f32') this.view.setFloat32(this.length, Number(value), true);
    else if (type === 'f64') this.view.setFloat64(this.length, Number(value), true);
    else this.view.setBigUint64(this.length, BigInt.asUintN(bytes * 8, BigInt(value)), true);
    this.length += bytes;
  }

  string(value: string | Uint8Array): void {
    if (typeof value !== 'string') {
      this.number('u64', value.length);
      return this.bytes(value);
    }
    // A code unit takes three bytes at most.
    this.reserve(this.length + 8 + 3 * value.length);
    const { written } = this.encoder.encodeInto(value, this.data.subarray(this.length + 8));
    this.number('u64', written);
    this.length += written;
  }

  pad(alignment: number): void {
    this.bytes(new Uint8Array(-this.length & (alignment - 1)));
  }

  finish(): Uint8Array<ArrayBuffer> {
    return this.data.slice(0, this.length);
  }

  private reserve(end: number): void {
    if (end <= this.data.length) return;
    const grown = new Uint8Array(end * 2);
    grown.set(this.data);
    this.data = grown;
    this.view = new DataView(grown.buffer);
  }
}

/** Bits of the half nearest to a number. */
export function toHalf(value: number): number {
  const half = new Uint16Array(1);
  floatsToHalves(Float32Array.of(value), half);
  return half[0]!;
}

/**
 * A ternary tensor from its codes (0, 1, 2; 3 in encodings of two bits), flattened, and its scale: one for all, or one
 * for each block.
 */
export function encodeTernary(
  encoding: TernaryEncoding,
  codes: ArrayLike<number>,
  scales: number | ArrayLike<number>,
): Uint8Array<ArrayBuffer> {
  const { blockElements, byteLength } = ENCODINGS[encoding];
  if (codes.length % blockElements !== 0) throw new RangeError(`${codes.length} codes are no whole blocks`);
  const scaleOf = (block: number) => (typeof scales === 'number' ? scales : scales[block]!);
  const out = new Uint8Array(byteLength(codes.length));
  for (let block = 0; block < codes.length / blockElements; block++) {
    const own = Uint8Array.from({ length: blockElements }, (_, i) => codes[block * blockElements + i]!);
    ENCODERS[encoding](own, scaleOf(block), out, block);
  }
  if (encoding === 'I2_S') new DataView(out.buffer).setFloat32(codes.length / 4, scaleOf(0), true);
  return out;
}

type BlockEncoder = (codes: Uint8Array, scale: number, out: Uint8Array, block: number) => void;

const ENCODERS: Readonly<Record<TernaryEncoding, BlockEncoder>> = {
  I2_S: (codes, _scale, out, block) => {
    for (let m = 0; m < 32; m++) {
      out[block * 32 + m] = (codes[m]! << 6) | (codes[32 + m]! << 4) | (codes[64 + m]! << 2) | codes[96 + m]!;
    }
  },
  TQ1_0: (codes, scale, out, block) => {
    const at = block * 54;
    const pack = (first: number, stride: number, trits: number) => {
      let value = 0;
      for (let n = 0; n < 5; n++) value = value * 3 + (n < trits ? codes[first + n * stride]! : 0);
      return Math.ceil((value * 256) / 243);
    };
    for (let m = 0; m < 32; m++) out[at + m] = pack(m, 32, 5);
    for (let m = 0; m < 16; m++) out[at + 32 + m] = pack(160 + m, 16, 5);
    for (let m = 0; m < 4; m++) out[at + 48 + m] = pack(240 + m, 4, 4);
    putHalf(out, at + 52, scale);
  },
  TQ2_0: (codes, scale, out, block) => {
    for (const [i, code] of codes.entries()) {
      out[block * 66 + (i >> 7) * 32 + (i & 31)]! |= code << (2 * ((i >> 5) & 3));
    }
    putHalf(out, block * 66 + 64, scale);
  },
  Q2_0: (codes, scale, out, block) => encodeQ2(codes, scale, out, block * 18),
  Q2_0_128: (codes, scale, out, block) => encodeQ2(codes, scale, out, block * 34),
  PQ2_0: (codes, scale, out, block) => encodeQ2(codes, scale, out, block * 34),
};

function encodeQ2(codes: Uint8Array, scale: number, out: Uint8Array, at: number): void {
  putHalf(out, at, scale);
  for (const [i, code] of codes.entries()) out[at + 2 + (i >> 2)]! |= code << (2 * (i & 3));
}

function putHalf(out: Uint8Array, at: number, value: number): void {
  new DataView(out.buffer, out.byteOffset).setUint16(at, toHalf(value), true);
}

/** The packed form of safetensors, uint8 [rows / 4, cols], of the codes of a matrix [rows, cols]. */
export function packCodes(codes: ArrayLike<number>, rows: number, cols: number): Uint8Array<ArrayBuffer> {
  const quarter = (rows / 4) * cols;
  return Uint8Array.from({ length: quarter }, (_, i) => {
    const [a, b, c, d] = [0, 1, 2, 3].map((q) => codes[q * quarter + i]!);
    return a! | (b! << 2) | (c! << 4) | (d! << 6);
  });
}

type FloatEncoder = (values: Float32Array) => Uint8Array<ArrayBuffer>;

/** Encodes floats, whole blocks. The quantised ones are simple and valid, not the best that their format can do. */
export const FLOAT_ENCODERS: Readonly<
  Record<'F32' | 'F16' | 'BF16' | 'Q8_0' | 'Q4_0' | 'Q4_K' | 'Q6_K', FloatEncoder>
> = {
  F32: (values) => new Uint8Array(values.slice().buffer),
  F16: (values) => {
    const halves = new Uint16Array(values.length);
    floatsToHalves(values, halves);
    return new Uint8Array(halves.buffer);
  },
  BF16: (values) => {
    const bits = new Uint32Array(values.slice().buffer);
    return new Uint8Array(Uint16Array.from(bits, (b) => (b + 0x7fff + ((b >>> 16) & 1)) >>> 16).buffer);
  },
  Q8_0: (values) => blocks('Q8_0', values, encodeQ8),
  Q4_0: (values) => blocks('Q4_0', values, encodeQ4),
  Q4_K: (values) => blocks('Q4_K', values, encodeQ4K),
  Q6_K: (values) => blocks('Q6_K', values, encodeQ6K),
};

function blocks(
  encoding: EncodingName,
  values: Float32Array,
  encode: (values: Float32Array, out: Uint8Array) => void,
): Uint8Array<ArrayBuffer> {
  const { blockElements, blockBytes, byteLength } = ENCODINGS[encoding];
  const out = new Uint8Array(byteLength(values.length));
  for (let block = 0; block < values.length / blockElements; block++) {
    const own = values.subarray(block * blockElements, (block + 1) * blockElements);
    encode(own, out.subarray(block * blockBytes, (block + 1) * blockBytes));
  }
  return out;
}

const largest = (values: Float32Array) => values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
const quantise = (value: number, unit: number, low: number, high: number) =>
  Math.min(high, Math.max(low, unit === 0 ? 0 : Math.round(value / unit)));

function encodeQ8(values: Float32Array, out: Uint8Array): void {
  const unit = largest(values) / 127;
  putHalf(out, 0, unit);
  for (const [i, value] of values.entries()) out[2 + i] = quantise(value, unit, -128, 127);
}

function encodeQ4(values: Float32Array, out: Uint8Array): void {
  const unit = largest(values) / 7;
  putHalf(out, 0, unit);
  for (const [i, value] of values.entries()) {
    out[2 + (i & 15)]! |= (quantise(value, unit, -8, 7) + 8) << (i < 16 ? 0 : 4);
  }
}

// Sub-block j spans -minimum to 15 units - minimum; units and minima are multiples (0 to 63) of d and m.
function encodeQ4K(values: Float32Array, out: Uint8Array): void {
  const spans = Array.from({ length: 8 }, (_, j) => {
    const own = values.subarray(j * 32, j * 32 + 32);
    const minimum = Math.max(0, -Math.min(...own));
    return { unit: (Math.max(...own) + minimum) / 15, minimum };
  });
  const d = Math.max(...spans.map(({ unit }) => unit)) / 63;
  const m = Math.max(...spans.map(({ minimum }) => minimum)) / 63;
  putHalf(out, 0, d);
  putHalf(out, 2, m);
  for (const [j, { unit, minimum }] of spans.entries()) {
    const scale = quantise(unit, d, 0, 63);
    const low = quantise(minimum, m, 0, 63);
    putQ4KPair(out, j, scale, low);
    for (let i = 0; i < 32; i++) {
      const q = quantise(values[j * 32 + i]! + m * low, d * scale, 0, 15);
      out[16 + (j >> 1) * 32 + i]! |= q << (4 * (j & 1));
    }
  }
}

function putQ4KPair(out: Uint8Array, j: number, scale: number, minimum: number): void {
  if (j < 4) {
    out[4 + j]! |= scale;
    out[8 + j]! |= minimum;
    return;
  }
  out[8 + j] = (scale & 15) | ((minimum & 15) << 4);
  out[j]! |= (scale >> 4) << 6;
  out[4 + j]! |= (minimum >> 4) << 6;
}

function encodeQ6K(values: Float32Array, out: Uint8Array): void {
  const units = Array.from({ length: 16 }, (_, s) => largest(values.subarray(s * 16, s * 16 + 16)) / 31);
  const d = Math.max(...units) / 127;
  putHalf(out, 208, d);
  for (const [s, unit] of units.entries()) {
    const scale = quantise(unit, d, 0, 127);
    out[192 + s] = scale;
    for (let i = s * 16; i < s * 16 + 16; i++) {
      const q = quantise(values[i]!, d * scale, -32, 31) + 32;
      const k = i >> 5;
      out[(k >> 2) * 64 + (k & 1) * 32 + (i & 31)]! |= (q & 15) << (4 * ((k >> 1) & 1));
      out[128 + (k >> 2) * 32 + (i & 31)]! |= (q >> 4) << (2 * (k & 3));
    }
  }
}
