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
 * (cos, sin) of pos · theta^(−2j/rotary) / factors[j] for `positions` positions, f32 [positions, rotary/2, 2], computed
 * in float64: sines of large angles are where GPUs are least exact. `factors` is `rope_freqs.weight` where a model has it.
 */
export function ropeAngles(
  positions: number,
  rotary: number,
  theta: number,
  factors?: ArrayLike<number>,
): Float32Array {
  const half = rotary / 2;
  const table = new Float32Array(positions * half * 2);
  for (let j = 0; j < half; j++) {
    const frequency = theta ** ((-2 * j) / rotary) / (factors?.[j] ?? 1);
    for (let position = 0; position < positions; position++) {
      table[(position * half + j) * 2] = Math.cos(position * frequency);
      table[(position * half + j) * 2 + 1] = Math.sin(position * frequency);
    }
  }
  return table;
}
