// Views of raw bytes as numbers, little endian as all WebGPU hosts are. Where the bytes do not lie at a multiple of the
// number's size, a copy stands in.

/** `bytes`, or a copy of them, beginning at a multiple of `size` in its buffer. */
export function aligned(bytes: Uint8Array, size: number): Uint8Array {
  // Not slice(): Node's Buffer, which is a Uint8Array, gives a view there.
  return bytes.byteOffset % size === 0 ? bytes : new Uint8Array(bytes);
}

/** `bytes` as 16-bit numbers. A last odd byte is left out. */
export function asUint16(bytes: Uint8Array): Uint16Array {
  const { buffer, byteOffset, length } = aligned(bytes, 2);
  return new Uint16Array(buffer, byteOffset, length >> 1);
}

/** `bytes` as 32-bit integers; signed, because those stay small integers in JavaScript engines. */
export function asInt32(bytes: Uint8Array): Int32Array {
  const { buffer, byteOffset, length } = aligned(bytes, 4);
  return new Int32Array(buffer, byteOffset, length >> 2);
}

/** `bytes` as float32. */
export function asFloat32(bytes: Uint8Array): Float32Array {
  const { buffer, byteOffset, length } = aligned(bytes, 4);
  return new Float32Array(buffer, byteOffset, length >> 2);
}
