// Runs small problems with known answers: drivers do miscompile, and a variant that is wrong here is never run on a model.
// The problems are beside their kernels, in files whose names end in -check.

import { encodePass, type Dispatch, type GpuContext } from '../gpu/context';

/** Relative to the largest value: what float32 in another order may differ by. */
export const TOLERANCE = 1e-4;

/** Whole numbers that look random and are always the same (Numerical Recipes' generator, its upper bits). */
export function sequence(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 8;
  };
}

/** Makes a buffer with data in it. */
export type Scratch = (data: Uint32Array | Float32Array) => GPUBuffer;

/** Gives `use` a way to make buffers, and frees them after it. */
export async function withBuffers(
  gpu: GpuContext,
  use: (scratch: Scratch) => Promise<boolean>,
): Promise<boolean> {
  const made: GPUBuffer[] = [];
  try {
    return await use((data) => {
      const buffer = gpu.upload('check', data);
      made.push(buffer);
      return buffer;
    });
  } finally {
    for (const buffer of made) gpu.free(buffer);
  }
}

/** Runs `dispatches` for `tokens` tokens from `position` on; resolves to what `result` holds then. */
export async function run(
  gpu: GpuContext,
  dispatches: readonly Dispatch[],
  result: GPUBuffer,
  tokens = 1,
  position = 0,
): Promise<Float32Array> {
  const encoder = gpu.device.createCommandEncoder();
  encodePass(encoder, dispatches, tokens, position);
  // A check may go on while its model is given up, and buffers are destroyed.
  gpu.assertAlive();
  gpu.device.queue.submit([encoder.finish()]);
  return new Float32Array(await gpu.read(result));
}

/** Whether all values are within `tolerance` of the expected ones, relative to the largest of these. */
export function isClose(result: Float32Array, expected: Float64Array, tolerance = TOLERANCE): boolean {
  const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return expected.every((value, i) => Math.abs(result[i]! - value) <= tolerance * largest);
}
