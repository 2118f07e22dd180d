// The tensor encodings as data: how many elements share how many bytes, and which type id says so in a GGUF file.

import { TernionError } from '../errors';

/** Encodings whose weights are ternary (codes of two bits) and become canonical words. */
export type TernaryEncoding = 'I2_S' | 'TQ1_0' | 'TQ2_0' | 'Q2_0' | 'Q2_0_128' | 'PQ2_0';

/** Encodings of embeddings, LM heads and norms, which become f32 or f16. */
export type FloatEncoding = 'F32' | 'F16' | 'BF16' | 'Q8_0' | BlockEncoding;

/** Encodings of embeddings and LM heads that kernels read as they are, in the layout of src/formats/block-rows.ts. */
export type BlockEncoding = 'Q4_0' | 'Q4_K' | 'Q6_K';

/** Whether kernels read an encoding as it is. */
export function isBlockEncoding(name: string): name is BlockEncoding {
  return name === 'Q4_0' || name === 'Q4_K' || name === 'Q6_K';
}

/**
 * Names of encodings, as ggml writes them. `Q2_0_128` is no ggml name: some files use the id of Q2_0 for blocks of 128
 * elements instead of 64; the GGUF parser tells them apart by the tensor offsets. Later files of the same fork have an id
 * of their own for that layout, `PQ2_0`.
 */
export type EncodingName = TernaryEncoding | FloatEncoding;

/** The encodings with the layout of Q2_0, in blocks of 64 or 128. */
export type Q2Encoding = 'Q2_0' | 'Q2_0_128' | 'PQ2_0';

/** Whether an encoding has the layout of Q2_0. */
export function isQ2(name: EncodingName): name is Q2Encoding {
  return name === 'Q2_0' || name === 'Q2_0_128' || name === 'PQ2_0';
}

/** What the size of an encoded tensor follows from. */
export interface Encoding {
  /** Type id in a GGUF tensor table (ggml's `enum ggml_type`; 36 is bitnet.cpp's). */
  readonly id: number;
  /** Elements of one block; a tensor is whole blocks, running over the flattened tensor. */
  readonly blockElements: number;
  /** Bytes of one block. */
  readonly blockBytes: number;
  /** `ternary`: two-bit codes with scales. `float`: anything that is read as floating-point numbers. */
  readonly kind: 'ternary' | 'float';
  /** Bytes of a tensor of `elements` elements, a multiple of `blockElements`. */
  readonly byteLength: (elements: number) => number;
}

/**
 * Every encoding that can be read. Sources: ggml-common.h (blocks) and ggml.h (ids) of llama.cpp; I2_S from bitnet.cpp,
 * where the codes are followed by 32 bytes that begin with the one f32 scale; PQ2_0 from PrismML's fork of llama.cpp.
 */
export const ENCODINGS: Readonly<Record<EncodingName, Encoding>> = {
  F32: encoding(0, 'float', 1, 4),
  F16: encoding(1, 'float', 1, 2),
  BF16: encoding(30, 'float', 1, 2),
  Q8_0: encoding(8, 'float', 32, 34),
  Q4_0: encoding(2, 'float', 32, 18),
  Q4_K: encoding(12, 'float', 256, 144),
  Q6_K: encoding(14, 'float', 256, 210),
  I2_S: encoding(36, 'ternary', 128, 32, 32),
  TQ1_0: encoding(34, 'ternary', 256, 54),
  TQ2_0: encoding(35, 'ternary', 256, 66),
  Q2_0: encoding(42, 'ternary', 64, 18),
  Q2_0_128: encoding(42, 'ternary', 128, 34),
  PQ2_0: encoding(142, 'ternary', 128, 34),
};

function encoding(
  id: number,
  kind: Encoding['kind'],
  blockElements: number,
  blockBytes: number,
  trailerBytes = 0,
): Encoding {
  const byteLength = (elements: number) => (elements / blockElements) * blockBytes + trailerBytes;
  return { id, kind, blockElements, blockBytes, byteLength };
}

// Types that exist but are not read, to name them in the error. 36 to 39 mean other things in bitnet.cpp than in ggml.
const OTHER_TYPES: Readonly<Record<number, string>> = {
  3: 'Q4_1',
  4: 'Q4_2',
  5: 'Q4_3',
  6: 'Q5_0',
  7: 'Q5_1',
  9: 'Q8_1',
  10: 'Q2_K',
  11: 'Q3_K',
  13: 'Q5_K',
  15: 'Q8_K',
  16: 'IQ2_XXS',
  17: 'IQ2_XS',
  18: 'IQ3_XXS',
  19: 'IQ1_S',
  20: 'IQ4_NL',
  21: 'IQ3_S',
  22: 'IQ2_S',
  23: 'IQ4_XS',
  24: 'I8',
  25: 'I16',
  26: 'I32',
  27: 'I64',
  28: 'F64',
  29: 'IQ1_M',
  31: 'Q4_0_4_4',
  32: 'Q4_0_4_8',
  33: 'Q4_0_8_8',
  37: 'I8_S or IQ4_NL_4_8',
  38: 'TL1 or IQ4_NL_8_8',
  39: 'MXFP4 or TL2',
  40: 'NVFP4',
  41: 'Q1_0',
  43: 'STQ1_0',
  143: 'PTQ1_0',
};

/**
 * The encoding with a GGUF type id (42 gives `Q2_0`; see {@link EncodingName} on its blocks). `tensor` is for the error:
 * `unsupported-tensor-type`, naming the type and the tensor.
 */
export function encodingOfId(id: number, tensor: string): EncodingName {
  for (const [name, { id: known }] of Object.entries(ENCODINGS))
    if (known === id) return name as EncodingName;
  throw new TernionError(
    'unsupported-tensor-type',
    `Tensor '${tensor}' has type ${id} (${OTHER_TYPES[id] ?? 'unknown'}), which cannot be read. ` +
      `Readable types: ${Object.keys(ENCODINGS).join(', ')}.`,
  );
}

/** Whether an encoding holds ternary codes. */
export function isTernary(name: EncodingName): name is TernaryEncoding {
  return ENCODINGS[name].kind === 'ternary';
}
