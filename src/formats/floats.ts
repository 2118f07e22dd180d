// Streams any tensor of a file as f32 or f16 numbers, piece by piece: embeddings, LM heads, norms.

import { TernionError, throwIfAborted } from '../errors';
import type { ByteSource } from '../files/byte-source';
import { CODE_READERS, SCALE_OFFSETS, scaleAt } from './codes';
import {
  ENCODINGS,
  isQ2,
  isTernary,
  type BlockEncoding,
  type EncodingName,
  type Q2Encoding,
  type TernaryEncoding,
} from './encodings';
import { bfloatsToFloats, floatsToHalves, halvesToFloats } from './half';
import { readI2sScale, type TernaryTensor } from './ternary';
import { asFloat32, asUint16 } from './views';

/** Consecutive elements of the flattened tensor; f16 values are their bits. */
export interface FloatPiece<Values = Float32Array | Uint16Array> {
  firstElement: number;
  /** Used again for the next piece: be done with it before asking for that. Not to be written to. */
  values: Values;
}

/** How to stream numbers. */
export interface FloatOptions {
  signal?: AbortSignal | undefined;
  /** Most elements of a piece; rounded down to a multiple of 256. Default 1,048,576. */
  pieceElements?: number | undefined;
}

/**
 * Reads a tensor of any encoding as numbers: f32, or f16 as its bits (rounded to nearest, ties to even; once, from the
 * exact value or ggml's float32 one). Bytes are read once, in order, with one exception: I2_S has its scale at the end,
 * which is read first. F32 as f32 and F16 as f16 are views of the bytes read.
 *
 * Rejects with `corrupt-file` (bytes past the end, elements that are no whole blocks) and `aborted`.
 */
export function floatPieces(
  source: ByteSource,
  tensor: TernaryTensor,
  target: 'f32',
  options?: FloatOptions,
): AsyncGenerator<FloatPiece<Float32Array>, void, undefined>;
export function floatPieces(
  source: ByteSource,
  tensor: TernaryTensor,
  target: 'f16',
  options?: FloatOptions,
): AsyncGenerator<FloatPiece<Uint16Array>, void, undefined>;
export function floatPieces(
  source: ByteSource,
  tensor: TernaryTensor,
  target: 'f32' | 'f16',
  options?: FloatOptions,
): AsyncGenerator<FloatPiece, void, undefined>;
export async function* floatPieces(
  source: ByteSource,
  tensor: TernaryTensor,
  target: 'f32' | 'f16',
  options: FloatOptions = {},
): AsyncGenerator<FloatPiece, void, undefined> {
  const { blockElements, blockBytes } = ENCODINGS[tensor.encoding];
  const elements = tensor.shape.reduce((product, extent) => product * extent, 1);
  if (elements % blockElements !== 0) {
    throw new TernionError(
      'corrupt-file',
      `Tensor '${tensor.name}' is no whole blocks of ${blockElements} elements.`,
    );
  }
  const step = Math.min(elements, pieceLength(options));
  const { signal } = options;
  const scale = tensor.encoding === 'I2_S' ? await readI2sScale(source, tensor, { signal, ahead: true }) : 1;
  const convert =
    target === 'f32' ? toFloats(tensor.encoding, step, scale) : toHalves(tensor.encoding, step, scale);
  for (let firstElement = 0; firstElement < elements; firstElement += step) {
    throwIfAborted(signal);
    const offset = tensor.offset + (firstElement / blockElements) * blockBytes;
    const length = (Math.min(step, elements - firstElement) / blockElements) * blockBytes;
    yield { firstElement, values: convert(await source.read(offset, length, { signal })) };
  }
}

const DEFAULT_PIECE_ELEMENTS = 1 << 20;
const LARGEST_BLOCK = 256;

function pieceLength({ pieceElements = DEFAULT_PIECE_ELEMENTS }: FloatOptions): number {
  return Math.max(LARGEST_BLOCK, pieceElements - (pieceElements % LARGEST_BLOCK));
}

/** Converts whole blocks to f32, `step` elements at most. */
function toFloats(encoding: EncodingName, step: number, scale: number): (bytes: Uint8Array) => Float32Array {
  if (encoding === 'F32') return asFloat32;
  const decode = decoder(encoding, scale);
  const out = new Float32Array(step);
  const { blockElements, blockBytes } = ENCODINGS[encoding];
  return (bytes) => {
    const values = out.subarray(0, (bytes.length / blockBytes) * blockElements);
    decode(bytes, values);
    return values;
  };
}

function toHalves(encoding: EncodingName, step: number, scale: number): (bytes: Uint8Array) => Uint16Array {
  if (encoding === 'F16') return asUint16;
  const convert = toFloats(encoding, step, scale);
  const out = new Uint16Array(step);
  return (bytes) => {
    const floats = convert(bytes);
    floatsToHalves(floats, out);
    return out.subarray(0, floats.length);
  };
}

/** Writes the numbers that whole blocks hold. */
type Decoder = (bytes: Uint8Array, out: Float32Array) => void;

function decoder(encoding: Exclude<EncodingName, 'F32'>, scale: number): Decoder {
  if (isTernary(encoding)) return ternaryDecoder(encoding, scale);
  return DECODERS[encoding];
}

function ternaryDecoder(encoding: TernaryEncoding, scale: number): Decoder {
  const read = CODE_READERS[encoding];
  if (encoding === 'I2_S') {
    return (bytes, out) => {
      for (let i = 0; i < out.length; i++) out[i] = (read(bytes, i) - 1) * scale;
    };
  }
  if (isQ2(encoding)) return (bytes, out) => decodeQ2(bytes, out, encoding);
  const { blockElements, blockBytes } = ENCODINGS[encoding];
  return (bytes, out) => {
    for (let i = 0, at = SCALE_OFFSETS[encoding]; i < out.length; at += blockBytes) {
      const unit = scaleAt(bytes, at);
      for (const end = i + blockElements; i < end; i++) out[i] = (read(bytes, i) - 1) * unit;
    }
  };
}

/** Q2_0 is what ternary embeddings come in, the largest tensors of their models: four at a time. */
function decodeQ2(bytes: Uint8Array, out: Float32Array, encoding: Q2Encoding): void {
  const { blockBytes } = ENCODINGS[encoding];
  for (let o = 0, block = 0; o < out.length; block += blockBytes) {
    const d = scaleAt(bytes, block);
    for (let at = block + 2; at < block + blockBytes; at++, o += 4) {
      const byte = bytes[at]!;
      out[o] = ((byte & 3) - 1) * d;
      out[o + 1] = (((byte >> 2) & 3) - 1) * d;
      out[o + 2] = (((byte >> 4) & 3) - 1) * d;
      out[o + 3] = ((byte >> 6) - 1) * d;
    }
  }
}

// Layouts and formulas: dequantize_row_* in ggml-quants.c of llama.cpp.
const DECODERS: Readonly<Record<'F16' | 'BF16' | 'Q8_0' | 'Q4_0' | 'Q4_K' | 'Q6_K', Decoder>> = {
  F16: (bytes, out) => halvesToFloats(asUint16(bytes), out),
  BF16: (bytes, out) => bfloatsToFloats(asUint16(bytes), out),
  Q8_0: decodeQ8,
  Q4_0: decodeQ4,
  Q4_K: decodeQ4K,
  Q6_K: decodeQ6K,
};

/** Writes the numbers that whole blocks hold, rounded once from their exact values. */
export function decodeBlocks(encoding: BlockEncoding, bytes: Uint8Array, out: Float32Array): void {
  DECODERS[encoding](bytes, out);
}

/** Blocks of 32: half d, 32 int8 q. d q. */
function decodeQ8(bytes: Uint8Array, out: Float32Array): void {
  for (let at = 0, o = 0; o < out.length; at += 34, o += 32) {
    const d = scaleAt(bytes, at);
    for (let i = 0; i < 32; i++) out[o + i] = d * ((bytes[at + 2 + i]! << 24) >> 24);
  }
}

/** Blocks of 32: half d, 16 bytes with q of elements i (low) and i + 16 (high). d (q - 8). */
function decodeQ4(bytes: Uint8Array, out: Float32Array): void {
  for (let at = 0, o = 0; o < out.length; at += 18, o += 32) {
    const d = scaleAt(bytes, at);
    for (let i = 0; i < 16; i++) {
      const q = bytes[at + 2 + i]!;
      out[o + i] = d * ((q & 15) - 8);
      out[o + 16 + i] = d * ((q >> 4) - 8);
    }
  }
}

/**
 * Blocks of 256: half d, half m, 12 bytes with eight pairs of 6-bit scale and minimum, 128 bytes of 4-bit q.
 * Sub-block j has 32 elements; 2i and 2i + 1 share 32 bytes, low and high. d scale q - m minimum.
 */
function decodeQ4K(bytes: Uint8Array, out: Float32Array): void {
  for (let at = 0, o = 0; o < out.length; at += 144, o += 256) {
    const d = scaleAt(bytes, at);
    const m = scaleAt(bytes, at + 2);
    for (let j = 0; j < 8; j++) {
      const unit = d * q4kScale(bytes, at + 4, j);
      const base = m * q4kMinimum(bytes, at + 4, j);
      const source = at + 16 + (j >> 1) * 32;
      const shift = (j & 1) * 4;
      for (let i = 0; i < 32; i++) out[o + j * 32 + i] = unit * ((bytes[source + i]! >> shift) & 15) - base;
    }
  }
}

/** Scale of sub-block j, of the 12 bytes at `at`. */
export function q4kScale(bytes: Uint8Array, at: number, j: number): number {
  if (j < 4) return bytes[at + j]! & 63;
  return (bytes[at + j + 4]! & 15) | ((bytes[at + j - 4]! >> 6) << 4);
}

/** Minimum of sub-block j, of the 12 bytes at `at`. */
export function q4kMinimum(bytes: Uint8Array, at: number, j: number): number {
  if (j < 4) return bytes[at + j + 4]! & 63;
  return (bytes[at + j + 4]! >> 4) | ((bytes[at + j]! >> 6) << 4);
}

/**
 * Blocks of 256: 128 bytes of low four bits, 64 of high two, 16 int8 scales, half d. Each half of the block has 64 + 32
 * of those bytes: its elements 32 k + l have low bits in byte (k & 1) 32 + l, nibble k >> 1, and high bits in field k of
 * byte l. d scale (q - 32), a scale for 16 elements.
 */
function decodeQ6K(bytes: Uint8Array, out: Float32Array): void {
  for (let at = 0, o = 0; o < out.length; at += 210, o += 256) {
    const d = scaleAt(bytes, at + 208);
    for (let k = 0; k < 8; k++) {
      const low = at + (k >> 2) * 64 + (k & 1) * 32;
      const high = at + 128 + (k >> 2) * 32;
      const lowShift = ((k >> 1) & 1) * 4;
      const highShift = (k & 3) * 2;
      for (let l = 0; l < 32; l++) {
        const scale = (bytes[at + 192 + k * 2 + (l >> 4)]! << 24) >> 24;
        const q = ((bytes[low + l]! >> lowShift) & 15) | (((bytes[high + l]! >> highShift) & 3) << 4);
        out[o + k * 32 + l] = d * scale * (q - 32);
      }
    }
  }
}
