// Rotary position embedding: how a model turns queries and keys. Two kernels do it: rope_append, and attention in decode.

/** Which dimensions of a head turn together: (j, j + rotary/2) or (2j, 2j + 1). */
export type RopePairs = 'neox' | 'normal';

/** RMSNorms over each head of queries and keys, before they turn. Weights f32 [headDim]. */
export interface HeadNorms {
  q: GPUBuffer;
  k: GPUBuffer;
  eps: number;
}

/** How a model turns queries and keys. */
export interface Rope {
  /** Dimensions of a head that turn, a multiple of 4. */
  rotary: number;
  pairs: RopePairs;
  /** vec2f [positions, rotary/2], see `ropeAngles`. */
  angles: GPUBuffer;
  norms?: HeadNorms | undefined;
}

/**
 * (cos, sin) of pos · frequencies[j], times `magnitude`, for `positions` positions, f32 [positions, rotary/2, 2], computed in
 * float64: sines of large angles are where GPUs are least exact. `frequencies` in radians a position, [rotary/2].
 */
export function ropeAngles(
  positions: number,
  frequencies: ArrayLike<number>,
  magnitude = 1,
): Float32Array<ArrayBuffer> {
  const half = frequencies.length;
  const table = new Float32Array(positions * half * 2);
  for (let j = 0; j < half; j++) {
    for (let position = 0; position < positions; position++) {
      const angle = position * frequencies[j]!;
      table[(position * half + j) * 2] = magnitude * Math.cos(angle);
      table[(position * half + j) * 2 + 1] = magnitude * Math.sin(angle);
    }
  }
  return table;
}
