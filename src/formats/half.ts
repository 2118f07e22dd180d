// Exact conversions between 16-bit and 32-bit floating point: IEEE binary16, bfloat16 and binary32.

// 2^(e-25) for the exponent field e of a half: times its 11-bit significand, the value. Field 0 (subnormal) goes with 1.
const HALF_UNITS: readonly number[] = Array.from({ length: 31 }, (_, e) => 2 ** (Math.max(e, 1) - 25));

/** The value of an IEEE half, given its bits. */
export function halfToFloat(bits: number): number {
  const exponent = (bits >> 10) & 31;
  const mantissa = bits & 1023;
  const sign = bits & 0x8000 ? -1 : 1;
  if (exponent === 31) return mantissa ? NaN : sign * Infinity;
  return sign * (exponent ? mantissa + 1024 : mantissa) * HALF_UNITS[exponent]!;
}

/**
 * Bits of the half nearest to a float32 given as its bits; ties go to the even one. From 65520 on it is infinity; a NaN
 * stays one (quiet, with the upper part of its payload).
 */
export function floatBitsToHalf(bits: number): number {
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  // Up to infinity: rebias the exponent from 127 to 15, round off 13 bits. A carry runs into the exponent as it should.
  if (magnitude >= 0x38800000 && magnitude < 0x47800000) {
    return sign | ((magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1)) >>> 13);
  }
  if (magnitude > 0x7f800000) return sign | 0x7e00 | ((magnitude >>> 13) & 0x1ff);
  if (magnitude >= 0x47800000) return sign | 0x7c00;
  return sign | subnormalHalf(magnitude);
}

/** The multiple of 2^-24 nearest to a float32 below 2^-14, given as bits; ties to even. */
function subnormalHalf(magnitude: number): number {
  const shift = 126 - (magnitude >>> 23);
  if (shift > 24) return 0; // below 2^-25, half of the smallest
  const significand = (magnitude & 0x7fffff) | 0x800000;
  const floor = significand >>> shift;
  const rest = significand & ((1 << shift) - 1);
  const tie = 1 << (shift - 1);
  return rest > tie || (rest === tie && floor & 1) ? floor + 1 : floor;
}

/** Halves (as bits) to float32 (as bits). */
export function halvesToFloats(halves: Uint16Array, out: Float32Array): void {
  const bits = new Int32Array(out.buffer, out.byteOffset, out.length);
  for (let i = 0; i < halves.length; i++) {
    const half = halves[i]!;
    const exponent = half & 0x7c00;
    if (exponent === 0) out[i] = halfToFloat(half);
    else if (exponent === 0x7c00) bits[i] = ((half & 0x8000) << 16) | 0x7f800000 | ((half & 1023) << 13);
    else bits[i] = ((half & 0x8000) << 16) | (((half & 0x7fff) << 13) + 0x38000000);
  }
}

/** float32 to the nearest halves (as bits). */
export function floatsToHalves(floats: Float32Array, out: Uint16Array): void {
  const bits = new Int32Array(floats.buffer, floats.byteOffset, floats.length);
  for (let i = 0; i < bits.length; i++) out[i] = floatBitsToHalf(bits[i]!);
}

/**
 * Whether none of the halves (as bits) is infinite or NaN. Those have an exponent of all ones: one more carries into the
 * bit above, which is looked at for two at a time, as embeddings have hundreds of millions.
 */
export function areFiniteHalves(halves: Uint16Array): boolean {
  const from = Math.ceil(halves.byteOffset / 4);
  const to = Math.floor((halves.byteOffset + halves.byteLength) / 4);
  const words = from < to ? new Int32Array(halves.buffer, from * 4, to - from) : new Int32Array(0);
  // The first and the last may belong to no pair.
  let carries = carry(halves[0] ?? 0) | carry(halves.at(-1) ?? 0);
  for (let i = 0; i < words.length; i++) carries |= carry(words[i]!);
  return (carries & 0x80008000) === 0;
}

function carry(word: number): number {
  return (word & 0x7c007c00) + 0x04000400;
}

/** bfloat16 (as bits) to float32: they are its upper half. */
export function bfloatsToFloats(bfloats: Uint16Array, out: Float32Array): void {
  const bits = new Int32Array(out.buffer, out.byteOffset, out.length);
  for (let i = 0; i < bfloats.length; i++) bits[i] = bfloats[i]! << 16;
}
