// RMSNorm and quantisation (shaders/rms_norm_quantize.wgsl): what stands before every ternary matrix.

import { isSoftwareAdapter, type Capabilities } from '../gpu/capabilities';
import type { Dispatch, GpuContext } from '../gpu/context';
import { fixedRounds, trips, type Cost } from '../gpu/cost';
import { fixedGrid, gridByTokens } from '../gpu/grid';
import { rowReduction } from './reduction';
import type { ActivationPacking, QuantizedRows } from './matrices';

/** What rows become. */
export interface QuantizeShape {
  /** A multiple of 4. */
  cols: number;
  /** Of the norm. */
  eps: number;
  threads: number;
  packing: ActivationPacking;
  /** What has a scale of its own: all of a token (default), or each group of 64 columns, which needs `groups` of `out`. */
  scalePer?: 'token' | 'group' | undefined;
  /**
   * Made 0, and behind the scale of the one token comes what an LM head in planes needs of it: for `state`, `packing` bytes and no
   * groups.
   */
  bound?: GPUBuffer | undefined;
}

/**
 * `x` f32 [tokens, cols] → `out`. `weight` f32 [cols]; without one there is no norm.
 * With `state` only the last token is quantised, into row 0; that needs a weight.
 */
export function rmsNormQuantize(
  gpu: GpuContext,
  label: string,
  shape: QuantizeShape,
  x: GPUBuffer,
  weight: GPUBuffer | undefined,
  out: QuantizedRows,
  state?: GPUBuffer,
): Promise<Dispatch> {
  const { constants, conditions } = rowReduction(gpu.capabilities, shape.threads, out.padded / 4);
  return gpu.dispatch(
    label,
    {
      shader: 'rms_norm_quantize',
      constants: { ...constants, COLS: shape.cols, PADDED: out.padded, EPSILON: shape.eps },
      conditions: {
        ...conditions,
        plain: weight === undefined,
        last_row: state !== undefined,
        pairs: shape.packing === 'pairs',
        floats: shape.packing === 'floats',
        groups: out.groups ?? false,
        group_scale: shape.scalePer === 'group',
        plane_sums: shape.bound !== undefined,
      },
    },
    [x, out.values, out.scales, weight, state, shape.bound],
    state ? fixedGrid(1) : gridByTokens((tokens) => [tokens, 1, 1]),
    quantizeCost(shape, out, constants.HELD > 0, weight !== undefined, state !== undefined),
  );
}

/** One round where the row is held; else a loop for sums and one, or one for each group, that reads it again. */
function quantizeCost(
  { cols, threads, packing, scalePer, bound }: QuantizeShape,
  { padded, groups }: QuantizedRows,
  held: boolean,
  weighted: boolean,
  lastOnly: boolean,
): Cost {
  const perGroup = scalePer === 'group';
  const sums = weighted || !(packing === 'floats' || perGroup) ? trips(cols / 4, threads) : 0;
  const inGroup = perGroup ? 32 : 16;
  const again = groups ? trips(padded / 64, threads) * inGroup : trips(padded / 4, threads);
  // Behind a barrier groups of 32 columns are read again.
  const sumsOfGroups = bound ? trips(padded / 32, threads) : 0;
  const written = packing === 'bytes' ? 1 : packing === 'pairs' ? 2 : 4;
  return {
    rounds: fixedRounds((lastOnly ? 1 : 0) + (held ? 1 : sums + again) + sumsOfGroups),
    bytes: (tokens) => (weighted ? cols * 4 : 0) + (lastOnly ? 1 : tokens) * (cols * 4 + padded * written),
  };
}

/**
 * Threads of a workgroup that are worth trying for one row, the likeliest to be the fastest first. On a GPU many read a row at
 * once, and hold it; few are for what is a program on the CPU and does not say so, as under Firefox.
 */
export function normThreadsCandidates(capabilities: Capabilities): readonly number[] {
  const { subgroups, subgroupMaxSize: lanes } = capabilities;
  if (isSoftwareAdapter(capabilities)) return [lanes, 2 * lanes];
  return subgroups ? [256, 128, 64] : [256, 64, 16];
}
