// LM head with int8 rows (shaders/lm_head_int8.wgsl).

import { isSoftwareAdapter, type Capabilities } from '../gpu/capabilities';
import type { Dispatch, GpuContext } from '../gpu/context';
import { fixedRounds, trips } from '../gpu/cost';
import { foldedGrid } from '../gpu/grid';
import { firstCandidates, inOrder } from './first-candidates';
import { pieceCount } from './int8-rows';
import type { Int8Matrix, QuantizedRows } from './matrices';

/** How one variant divides the work. Their f32 sums round differently. */
export interface HeadVariant {
  /** Blocks of 8 rows that a workgroup owns. */
  blocks: number;
  /** Threads that share a row's columns; 1 needs no reduction. */
  split: number;
  /** Activations go round in subgroups instead of being loaded by every thread. Only with `split` 1. */
  broadcast: boolean;
}

/** The variants worth trying on a device, the likeliest to be the fastest first. */
export function headCandidates(capabilities: Capabilities): readonly HeadVariant[] {
  const head = (blocks: number, split: number): HeadVariant => ({ blocks, split, broadcast: false });
  const broadcast = (blocks: number): HeadVariant => ({ blocks, split: 1, broadcast: true });
  if (!isSoftwareAdapter(capabilities))
    return inOrder([head(1, 8), head(2, 8), head(2, 4)], firstCandidates(capabilities).head);
  // A group's products are added where the last of its loads is done: with 8 lanes (lavapipe) those of several blocks leave
  // the registers meanwhile, which doubles the time of four blocks. With 4 (SwiftShader) that costs nothing.
  return capabilities.subgroupMaxSize === 8 ? [broadcast(1), head(2, 1)] : [head(4, 1), broadcast(4)];
}

/** `logits` f32 [rows] of one quantised row `q`. One dispatch per shard of `head`. */
export function lmHeadInt8(
  gpu: GpuContext,
  variant: HeadVariant,
  head: Int8Matrix,
  q: QuantizedRows,
  logits: GPUBuffer,
): Promise<Dispatch[]> {
  return dispatches(gpu, variant, head, q.values, q.scales, logits);
}

/**
 * `logits` f32 [rows] of one row `x` f32, with room for whole pieces of 64 columns, zeros beyond the last: products with
 * activations that are not rounded. One dispatch per shard of `head`.
 */
export function exactLmHeadInt8(
  gpu: GpuContext,
  head: Int8Matrix,
  x: GPUBuffer,
  logits: GPUBuffer,
): Promise<Dispatch[]> {
  const split = isSoftwareAdapter(gpu.capabilities) ? 1 : 8;
  return dispatches(gpu, { blocks: 1, split, broadcast: false }, head, x, undefined, logits);
}

function dispatches(
  gpu: GpuContext,
  { blocks, split, broadcast }: HeadVariant,
  head: Int8Matrix,
  values: GPUBuffer,
  activationScales: GPUBuffer | undefined,
  logits: GPUBuffer,
): Promise<Dispatch[]> {
  const spec = {
    shader: 'lm_head_int8',
    constants: { BLOCKS: blocks, SPLIT: split },
    conditions: { split: split > 1, broadcast, floats: !activationScales },
  };
  return Promise.all(
    head.shards.map(({ codes, scales, rows, firstRow }) => {
      const rowBlocks = Math.ceil(rows / 8);
      const { grid, groupsX } = foldedGrid(Math.ceil(rowBlocks / blocks));
      const shape = gpu.uniform([pieceCount(head.cols), rowBlocks, rows, firstRow, groupsX]);
      const buffers = [codes, scales, values, logits, shape, ...(activationScales ? [activationScales] : [])];
      const pieces = pieceCount(head.cols);
      // A trip loads a piece of weights, their scales and activations together; behind the loop comes the activations' scale.
      return gpu.dispatch('lm head', spec, buffers, grid, {
        rounds: fixedRounds(trips(pieces, split) + (activationScales ? 1 : 0)),
        bytes: () => rowBlocks * 8 * pieces * 68 + pieces * 64 * (activationScales ? 1 : 4) + rows * 4,
      });
    }),
  );
}
