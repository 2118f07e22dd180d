// The ternary encodings, plainly: where the code of one element and the scale of one block are. Everything that reads
// ternary tensors element by element goes through here, and the fast conversions are tested against it.

import type { TernaryEncoding } from './encodings';
import { halfToFloat } from './half';

/** The code (weight + 1: 0, 1, 2; 3 for +2) of element `index`, `bytes` being whole blocks from element 0 on. */
export type CodeReader = (bytes: Uint8Array, index: number) => number;

/**
 * How to find codes, by encoding. Sources: I2_S: ggml-bitnet-mad.cpp of bitnet.cpp (x86; blocks of 128). TQ1_0, TQ2_0:
 * `dequantize_row_tq1_0`, `dequantize_row_tq2_0` in ggml-quants.c.
 */
export const CODE_READERS: Readonly<Record<TernaryEncoding, CodeReader>> = {
  I2_S: (bytes, index) => {
    const inBlock = index & 127;
    return (bytes[(index >> 7) * 32 + (inBlock & 31)]! >> (6 - 2 * (inBlock >> 5))) & 3;
  },
  TQ1_0: (bytes, index) => {
    const inBlock = index & 255;
    const at = (index >> 8) * 54;
    if (inBlock < 160) return trit(bytes[at + (inBlock & 31)]!, inBlock >> 5);
    if (inBlock < 240) return trit(bytes[at + 32 + (inBlock & 15)]!, (inBlock - 160) >> 4);
    return trit(bytes[at + 48 + (inBlock & 3)]!, (inBlock - 240) >> 2);
  },
  TQ2_0: (bytes, index) => {
    const inBlock = index & 255;
    const byte = bytes[(index >> 8) * 66 + (inBlock >> 7) * 32 + (inBlock & 31)]!;
    return (byte >> (2 * ((inBlock >> 5) & 3))) & 3;
  },
  Q2_0: (bytes, index) => (bytes[(index >> 6) * 18 + 2 + ((index & 63) >> 2)]! >> (2 * (index & 3))) & 3,
  Q2_0_128: wideQ2,
  PQ2_0: wideQ2,
};

/** Q2_0 in blocks of 128. */
function wideQ2(bytes: Uint8Array, index: number): number {
  return (bytes[(index >> 7) * 34 + 2 + ((index & 127) >> 2)]! >> (2 * (index & 3))) & 3;
}

/** Trit `n` (0 to 4, most significant first) of a byte that holds five, as the fraction byte / 256 in base 3. */
function trit(byte: number, n: number): number {
  return (((byte * POWERS_OF_3[n]!) & 255) * 3) >> 8;
}

const POWERS_OF_3: readonly number[] = [1, 3, 9, 27, 81];

/** The encodings whose blocks have a scale each; I2_S has one behind the codes. */
export type ScaledBlockEncoding = Exclude<TernaryEncoding, 'I2_S'>;

/** Where, in each block, the 16-bit scale is. */
export const SCALE_OFFSETS: Readonly<Record<ScaledBlockEncoding, number>> = {
  TQ1_0: 52,
  TQ2_0: 64,
  Q2_0: 0,
  Q2_0_128: 0,
  PQ2_0: 0,
};

/** The scale of a block: the IEEE half at byte `at`. */
export function scaleAt(bytes: Uint8Array, at: number): number {
  return halfToFloat(bytes[at]! | (bytes[at + 1]! << 8));
}
