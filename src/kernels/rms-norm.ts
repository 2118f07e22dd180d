// RMSNorm of the last token (shaders/rms_norm.wgsl), before the LM head.

import type { Dispatch, GpuContext } from '../gpu/context';
import { fixedGrid } from '../gpu/grid';
import { reduction } from './reduction';

/** Row `state.count - 1` of `x` f32 [tokens, cols] → `y` f32 [cols]. `cols` a multiple of 4. */
export function rmsNorm(
  gpu: GpuContext,
  shape: { cols: number; eps: number; threads: number },
  state: GPUBuffer,
  x: GPUBuffer,
  weight: GPUBuffer,
  y: GPUBuffer,
): Promise<Dispatch> {
  const { constants, conditions } = reduction(gpu.capabilities, shape.threads);
  return gpu.dispatch(
    'output norm',
    { shader: 'rms_norm', constants: { ...constants, COLS: shape.cols, EPSILON: shape.eps }, conditions },
    [state, x, weight, y],
    fixedGrid(1),
  );
}
