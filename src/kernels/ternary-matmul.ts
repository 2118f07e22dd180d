// Ternary matrix × activations (shaders/ternary_matmul.wgsl): where nearly all the time goes.

import { CHUNK, groupCount } from '../formats/canonical';
import type { Dispatch, GpuContext } from '../gpu/context';
import type { ActivationPacking, QuantizedRows, TernaryMatrix } from './matrices';

/**
 * How one variant divides the work. Without groups every int8 variant gives the same integers, and so the same result to
 * the bit; with groups their f32 sums round differently.
 */
export interface MatmulVariant {
  /** Blocks of 8 rows that a workgroup owns; even for `gated`. */
  blocks: number;
  /** Tokens that a workgroup handles at once; 1 for decode. */
  tokens: number;
  /** Threads that share a row's columns; 1 needs no reduction. */
  split: number;
  /**
   * Four products by dot4I8Packed, or two by one multiplication, or of unrounded f32 activations; the activations are
   * packed to suit.
   */
  products: ActivationPacking;
  /** Activations go round in subgroups instead of being loaded by every thread. Only with `split` 1, and for int8. */
  broadcast: boolean;
}

/** What becomes of the products: stored, added to `y`, or activation(gate)·up of interleaved row blocks. */
export type MatmulEpilogue = 'store' | 'add' | 'relu2-gate' | 'silu-gate';

/**
 * `y` f32 [tokens, outCols] from `q` [tokens, cols]; outCols = rows, or rows / 2 when gated. `q` and `y` must have
 * room for tokens rounded up to a multiple of `variant.tokens`. A matrix whose scales are no whole rows needs `q.groups`.
 * Workgroups: y = ceil(tokens / variant.tokens).
 */
export function ternaryMatmul(
  gpu: GpuContext,
  label: string,
  matrix: TernaryMatrix,
  epilogue: MatmulEpilogue,
  variant: MatmulVariant,
  q: QuantizedRows,
  y: GPUBuffer,
): Promise<Dispatch> {
  const rowBlocks = Math.ceil(matrix.rows / 8);
  const gated = epilogue.endsWith('-gate');
  const { scaleGroup } = matrix;
  const scaleGroups = groupCount(matrix.cols, scaleGroup);
  const outCols = gated ? matrix.rows / 2 : matrix.rows;
  const shape = gpu.uniform([q.padded / CHUNK, rowBlocks, outCols, scaleGroups, 4]);
  return gpu.dispatch(
    label,
    {
      shader: 'ternary_matmul',
      constants: {
        BLOCKS: variant.blocks,
        PAIRS: gated ? variant.blocks / 2 : 0,
        TOKENS: variant.tokens,
        SPLIT: variant.split,
        SCALE_CHUNKS: scaleGroup === 'row' ? 0 : scaleGroup / CHUNK,
      },
      conditions: {
        split: variant.split > 1,
        pairs: variant.products === 'pairs',
        floats: variant.products === 'floats',
        groups: q.groups ?? false,
        weight_groups: scaleGroup !== 'row',
        broadcast: variant.broadcast,
        add: epilogue === 'add',
        gated,
        relu2: epilogue === 'relu2-gate',
      },
    },
    [matrix.codes, matrix.scales, q.values, q.scales, y, shape],
    [Math.ceil(rowBlocks / variant.blocks), 1, 1],
  );
}
