// RMSNorm + int8 quantisation (shaders/rms_norm_quantize.wgsl): what stands before every ternary matrix.

import type { Dispatch, GpuContext } from '../gpu/context';
import { reduction } from './reduction';
import type { QuantizedRows } from './matrices';

/**
 * `x` f32 [tokens, cols] → `out`. `weight` f32 [cols]; `cols` a multiple of 4. Workgroups: x = tokens.
 */
export function rmsNormQuantize(
  gpu: GpuContext,
  label: string,
  shape: { cols: number; eps: number; threads: number },
  x: GPUBuffer,
  weight: GPUBuffer,
  out: QuantizedRows,
): Promise<Dispatch> {
  const { constants, conditions } = reduction(gpu.capabilities, shape.threads);
  return gpu.dispatch(
    label,
    {
      shader: 'rms_norm_quantize',
      constants: { ...constants, COLS: shape.cols, PADDED: out.padded, EPSILON: shape.eps },
      conditions,
    },
    [x, weight, out.values, out.scales],
    [1, 1, 1],
  );
}
