// RMSNorm without quantisation (shaders/rms_norm.wgsl): before the LM head, and where several norms follow one.

import type { Dispatch, GpuContext } from '../gpu/context';
import { fixedRounds, trips } from '../gpu/cost';
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
  const { cols, threads } = shape;
  const { constants, conditions } = rowReduction(gpu.capabilities, threads, cols / 4);
  return gpu.dispatch(
    state ? 'output norm' : 'norm',
    {
      shader: 'rms_norm',
      constants: { ...constants, COLS: cols, EPSILON: shape.eps },
      conditions: { ...conditions, all_rows: !state },
    },
    [x, weight, y, ...(state ? [state] : [])],
    state ? fixedGrid(1) : gridByTokens((tokens) => [tokens, 1, 1]),
    {
      rounds: fixedRounds((state ? 1 : 0) + (constants.HELD > 0 ? 1 : 2 * trips(cols / 4, threads))),
      bytes: (tokens) => cols * 4 * (1 + 2 * (state ? 1 : tokens)),
    },
  );
}
