// RMSNorm + int8 quantisation (shaders/rms_norm_quantize.wgsl): what stands before every ternary matrix.

import type { Dispatch, GpuContext } from '../gpu/context';
import { reduction } from './reduction';
import type { ActivationPacking, QuantizedRows } from './matrices';

/**
 * `x` f32 [tokens, cols] → `out`. `weight` f32 [cols]; `cols` a multiple of 4. Workgroups: x = tokens.
 * With `state` only the last token is quantised, into row 0, by one workgroup.
 */
export function rmsNormQuantize(
  gpu: GpuContext,
  label: string,
  shape: { cols: number; eps: number; threads: number; packing: ActivationPacking },
  x: GPUBuffer,
  weight: GPUBuffer,
  out: QuantizedRows,
  state?: GPUBuffer,
): Promise<Dispatch> {
  const { constants, conditions } = reduction(gpu.capabilities, shape.threads);
  return gpu.dispatch(
    label,
    {
      shader: 'rms_norm_quantize',
      constants: { ...constants, COLS: shape.cols, PADDED: out.padded, EPSILON: shape.eps },
      conditions: { ...conditions, last_row: state !== undefined, pairs: shape.packing === 'pairs' },
    },
    [x, weight, out.values, out.scales, ...(state ? [state] : [])],
    [1, 1, 1],
  );
}
