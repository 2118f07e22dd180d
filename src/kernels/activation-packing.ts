// The layouts of quantised activations (see shaders/rms_norm_quantize.wgsl), packed and unpacked on the CPU.

import type { ActivationPacking } from './matrices';

/** int8 values as words; a multiple of 4 of them. `floats` has no packing of int8. */
export function packActivations(q: Int8Array, packing: ActivationPacking): Uint32Array {
  if (packing === 'bytes') return new Uint32Array(q.slice().buffer);
  return Uint32Array.from({ length: q.length / 2 }, (_, i) => {
    const first = (i >> 1) * 4 + (i & 1);
    return (q[first]! << 16) + q[first + 2]!;
  });
}

/** `count` int8 values of `words`. */
export function unpackActivations(words: Uint32Array, count: number, packing: ActivationPacking): Int32Array {
  if (packing === 'bytes') return Int32Array.from(new Int8Array(words.buffer).subarray(0, count));
  const q = new Int32Array(count);
  for (let i = 0; i < count / 2; i++) {
    const first = (i >> 1) * 4 + (i & 1);
    const low = (words[i]! << 16) >> 16;
    q[first + 2] = low;
    q[first] = (words[i]! - low) >> 16;
  }
  return q;
}
