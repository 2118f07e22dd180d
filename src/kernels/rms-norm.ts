// RMSNorm without quantisation (shaders/rms_norm.wgsl): before the LM head, and where several norms follow one.

import type { Dispatch, GpuContext } from '../gpu/context';
import { fixedGrid, gridByTokens } from '../gpu/grid';
import { rowReduction } from './reduction';

/**
 * Row `state.count - 1` of `x` f32 [tokens, cols] → `y` f32 [cols]; without `state` all rows → `y` f32 [tokens, cols].
 * `cols` a multiple of 4.
 */
export function rmsNorm(
  gpu: GpuContext,
  shape: { cols: number; eps: number; threads: number },
  state: GPUBuffer | undefined,
  x: GPUBuffer,
  weight: GPUBuffer,
  y: GPUBuffer,
): Promise<Dispatch> {
  const { constants, conditions } = rowReduction(gpu.capabilities, shape.threads, shape.cols / 4);
  return gpu.dispatch(
    state ? 'output norm' : 'norm',
    {
      shader: 'rms_norm',
      constants: { ...constants, COLS: shape.cols, EPSILON: shape.eps },
      conditions: { ...conditions, all_rows: !state },
    },
    [x, weight, y, ...(state ? [state] : [])],
    state ? fixedGrid(1) : gridByTokens((tokens) => [tokens, 1, 1]),
  );
}
