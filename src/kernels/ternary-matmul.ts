// Ternary matrix × activations (shaders/ternary_matmul.wgsl): where nearly all the time goes.

import { CHUNK, groupCount } from '../formats/canonical';
import { isSoftwareAdapter, type Capabilities } from '../gpu/capabilities';
import type { Dispatch, GpuContext } from '../gpu/context';
import { gridByTokens } from '../gpu/grid';
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
  const groupsX = Math.ceil(rowBlocks / variant.blocks);
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
    gridByTokens((tokens) => [groupsX, Math.ceil(tokens / variant.tokens), 1]),
  );
}

type Style = Pick<MatmulVariant, 'products' | 'broadcast'>;

function variants(style: Style, sizes: readonly [blocks: number, tokens: number, split: number][]) {
  return sizes.map(([blocks, tokens, split]): MatmulVariant => ({ blocks, tokens, split, ...style }));
}

/**
 * The variants worth trying for one token at a time, the likeliest to be the fastest first. `floats`: for activations that
 * are not rounded, which are there to be right, not to be fast.
 */
export function decodeMatmulCandidates(
  capabilities: Capabilities,
  floats: boolean,
): readonly MatmulVariant[] {
  const { ownDot, byBytes, byPairs, unrounded } = styles(capabilities);
  if (isSoftwareAdapter(capabilities)) {
    if (floats)
      return variants(unrounded, [
        [2, 1, 1],
        [4, 1, 1],
      ]);
    return [
      ...variants({ ...byPairs, broadcast: true }, [
        [4, 1, 1],
        [2, 1, 1],
        [8, 1, 1],
      ]),
      ...variants({ ...byBytes, broadcast: true }, [[4, 1, 1]]),
      ...variants(byBytes, [[4, 1, 1]]),
    ];
  }
  if (floats)
    return variants(unrounded, [
      [2, 1, 8],
      [4, 1, 1],
    ]);
  return [
    ...variants(ownDot, [
      [2, 1, 8],
      [2, 1, 4],
      [4, 1, 8],
      [2, 1, 16],
    ]),
    ...variants(byPairs, [[2, 1, 8]]),
    ...variants(ownDot, [[4, 1, 1]]),
    ...variants(byPairs, [[4, 1, 1]]),
  ];
}

/** The same for the tokens of a prompt. */
export function prefillMatmulCandidates(
  capabilities: Capabilities,
  floats: boolean,
): readonly MatmulVariant[] {
  const { ownDot, byBytes, byPairs, unrounded } = styles(capabilities);
  if (isSoftwareAdapter(capabilities)) {
    if (floats)
      return variants(unrounded, [
        [2, 4, 1],
        [2, 2, 1],
      ]);
    return [
      // Measured: eight lanes have registers for two tokens, four lanes gain more from using a code eight times.
      ...variants(
        { ...byPairs, broadcast: true },
        capabilities.subgroupMaxSize === 8
          ? [
              [4, 2, 1],
              [2, 2, 1],
              [4, 4, 1],
            ]
          : [
              [2, 8, 1],
              [4, 4, 1],
              [4, 2, 1],
            ],
      ),
      ...variants({ ...byBytes, broadcast: true }, [[2, 4, 1]]),
      ...variants(byBytes, [[2, 4, 1]]),
    ];
  }
  if (floats)
    return variants(unrounded, [
      [2, 4, 4],
      [2, 2, 8],
    ]);
  return [
    ...variants(ownDot, [
      [2, 8, 4],
      [2, 4, 8],
      [2, 8, 8],
      [4, 4, 4],
    ]),
    ...variants(byPairs, [[2, 4, 4]]),
    ...variants(ownDot, [[2, 4, 1]]),
    ...variants(byPairs, [[2, 4, 1]]),
  ];
}

/** Ways to multiply; `ownDot` is by bytes where the device has dot4I8Packed, else by pairs. */
function styles({ packedDot }: Capabilities): Record<'ownDot' | 'byBytes' | 'byPairs' | 'unrounded', Style> {
  const style = (products: ActivationPacking): Style => ({ products, broadcast: false });
  return {
    ownDot: style(packedDot ? 'bytes' : 'pairs'),
    byBytes: style('bytes'),
    byPairs: style('pairs'),
    unrounded: style('floats'),
  };
}
