// Ternary matrix × activations (shaders/ternary_matmul.wgsl): where nearly all the time goes.

import { CHUNK, groupCount, scaleCount } from '../formats/canonical';
import { isSoftwareAdapter, type Capabilities } from '../gpu/capabilities';
import type { Dispatch, GpuContext } from '../gpu/context';
import { fixedRounds, trips, type Cost } from '../gpu/cost';
import { gridByTokens } from '../gpu/grid';
import { firstCandidates, inOrder } from './first-candidates';
import type { ActivationPacking, QuantizedRows, TernaryMatrix } from './matrices';

/**
 * How one variant divides the work. Without groups every int8 variant gives the same integers, and so the same result to
 * the bit; with groups their f32 sums round differently.
 */
export interface MatmulVariant {
  /** Blocks of 8 rows that a workgroup owns: even, or one, in whose place a gated matrix has two. */
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
  /**
   * Activations are brought to workgroup memory for all threads, `split` times 8 of which then have as many rows instead of sharing
   * columns. Only for int8.
   */
  shared?: true;
  /**
   * For one token: norm and quantisation are not dispatches of their own before the matrix, where that can be (`fusesNorm` of
   * norm-matmul.ts). Default false.
   */
  fused?: boolean;
}

/**
 * What becomes of the products: stored, added to `y`, activation(gate)·up of a matrix of gate and up (`…-gate`), or, where
 * the two have different inputs, `y` times activation(gate) (`…-times`).
 */
export type MatmulEpilogue = 'store' | 'add' | 'relu2-gate' | 'silu-gate' | 'relu2-times' | 'silu-times';

/** Some rows of a stacked matrix, and where their products go. */
export interface MatmulPart {
  /** A multiple of 8, as `rows` is unless they are the last. */
  firstRow: number;
  rows: number;
  /** Where the products of a token begin in its row of `y`, and how long that row is. */
  column: number;
  stride: number;
}

/**
 * `y` f32 [tokens, outCols] from `q` [tokens, cols]; outCols = rows, or rows / 2 when gated; or `part.stride`, of which
 * only the columns of the part are written. `q` and `y` must have room for tokens rounded up to a multiple of
 * `variant.tokens`. A matrix whose scales are no whole rows needs `q.groups`. A gated matrix has no parts.
 */
export function ternaryMatmul(
  gpu: GpuContext,
  label: string,
  matrix: TernaryMatrix,
  epilogue: MatmulEpilogue,
  variant: MatmulVariant,
  q: QuantizedRows,
  y: GPUBuffer,
  part?: MatmulPart,
): Promise<Dispatch> {
  const rows = part?.rows ?? matrix.rows;
  const rowBlocks = Math.ceil(rows / 8);
  const gated = epilogue.endsWith('-gate');
  const { scaleGroup } = matrix;
  const scaleGroups = groupCount(matrix.cols, scaleGroup);
  const outCols = gated ? rows / 2 : rows;
  const { firstRow, column, stride } = part ?? { firstRow: 0, column: 0, stride: outCols };
  const blocks = gated ? Math.max(2, variant.blocks) : variant.blocks;
  const shared = variant.shared ?? false;
  const groupsX = Math.ceil(rowBlocks / (shared ? blocks * variant.split : blocks));
  const sizes = [q.padded / CHUNK, rowBlocks, outCols, scaleGroups, 4];
  const shape = gpu.uniform([...sizes, firstRow / 8, column, stride]);
  return gpu.dispatch(
    label,
    {
      shader: 'ternary_matmul',
      constants: {
        BLOCKS: blocks,
        PAIRS: gated ? blocks / 2 : 0,
        TOKENS: variant.tokens,
        SPLIT: variant.split,
        RUN: shared ? SHARED_CHUNKS : 0,
        SCALE_CHUNKS: scaleGroup === 'row' ? 0 : scaleGroup / CHUNK,
      },
      conditions: {
        split: variant.split > 1 && !shared,
        shared,
        pairs: variant.products === 'pairs',
        floats: variant.products === 'floats',
        groups: q.groups ?? false,
        weight_groups: scaleGroup !== 'row',
        broadcast: variant.broadcast,
        add: epilogue === 'add',
        gated,
        times: epilogue.endsWith('-times'),
        relu2: epilogue.startsWith('relu2-'),
      },
    },
    [matrix.codes, matrix.scales, q.values, q.scales, y, shape],
    gridByTokens((tokens) => [groupsX, Math.ceil(tokens / variant.tokens), 1]),
    matmulCost(matrix, epilogue, variant, q.padded, rows),
  );
}

/**
 * A trip of the loop loads weights and activations of a chunk together; f32 activations in four more trips. Behind it come the
 * scales, and what the products are added to or multiplied with.
 */
function matmulCost(
  { cols, scaleGroup }: TernaryMatrix,
  epilogue: MatmulEpilogue,
  { split, products, shared }: MatmulVariant,
  padded: number,
  rows: number,
): Cost {
  const weights = (Math.ceil(rows / 8) * 8 * padded) / 4 + 4 * scaleCount(rows, cols, scaleGroup);
  const input = padded * (products === 'bytes' ? 1 : products === 'pairs' ? 2 : 4);
  const reads = epilogue === 'add' || epilogue.endsWith('-times');
  const output = (epilogue.endsWith('-gate') ? rows / 2 : rows) * 4 * (reads ? 2 : 1);
  return {
    rounds: fixedRounds(trips(padded / CHUNK, shared ? 1 : split) * (products === 'floats' ? 4 : 1) + 1),
    bytes: (tokens) => weights + tokens * (input + output),
  };
}

/** Chunks of activations that are in workgroup memory at a time: 256 bytes a token, twice as many in pairs. */
const SHARED_CHUNKS = 4;

type Style = Pick<MatmulVariant, 'products' | 'broadcast' | 'shared'>;

function variants(
  style: Style,
  sizes: readonly (readonly [blocks: number, tokens: number, split: number])[],
) {
  return sizes.map(([blocks, tokens, split]): MatmulVariant => ({ blocks, tokens, split, ...style }));
}

/** With many threads, which make a row at once, and few trips behind that. */
const FUSED_SIZES = [
  [2, 1, 32],
  [4, 1, 32],
  [1, 1, 32],
] as const;

function fused(...of: Parameters<typeof variants>): MatmulVariant[] {
  return variants(...of).map((variant) => ({ ...variant, fused: true }));
}

/**
 * The variants worth trying for one token at a time, the likeliest to be the fastest first. `floats`: for activations that
 * are not rounded, which are there to be right, not to be fast. `fusible`: inputs have one scale a token, so that a matrix can take
 * over their norm. That is for GPUs: on the CPU every workgroup would do again what is done there once.
 */
export function decodeMatmulCandidates(
  capabilities: Capabilities,
  floats: boolean,
  fusible = false,
): readonly MatmulVariant[] {
  const { ownDot, byBytes, byPairs, unrounded } = styles(capabilities);
  if (isSoftwareAdapter(capabilities)) {
    if (floats)
      return variants(unrounded, [
        [2, 1, 1],
        [4, 1, 1],
      ]);
    return [
      // Measured: with two blocks SwiftShader, of four lanes, takes 0.88 of the time for a step of the 125m shape, 0.94 of the 700m one.
      ...variants(
        { ...byPairs, broadcast: true },
        capabilities.subgroupMaxSize === 8
          ? [
              [4, 1, 1],
              [2, 1, 1],
              [8, 1, 1],
            ]
          : [
              [2, 1, 1],
              [4, 1, 1],
              [8, 1, 1],
            ],
      ),
      ...variants({ ...byBytes, broadcast: true }, [[4, 1, 1]]),
      ...variants(byBytes, [[4, 1, 1]]),
    ];
  }
  const onGpu = floats
    ? variants(unrounded, [
        [2, 1, 8],
        [2, 1, 16],
      ])
    : [
        ...(fusible ? [...fused(ownDot, FUSED_SIZES), ...fused(byPairs, FUSED_SIZES.slice(0, 1))] : []),
        ...variants(ownDot, [
          [2, 1, 8],
          [1, 1, 16],
          [4, 1, 8],
          [2, 1, 16],
          [1, 1, 8],
          [2, 1, 4],
          [1, 1, 32],
        ]),
        ...variants(byPairs, [
          [2, 1, 8],
          [4, 1, 8],
        ]),
      ];
  return inOrder(onGpu, firstCandidates(capabilities).decodeMatmul);
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
  const onGpu = floats
    ? variants(unrounded, [
        [2, 4, 4],
        [2, 2, 8],
      ])
    : [
        ...variants(ownDot, [
          [2, 8, 4],
          [2, 4, 8],
          [4, 4, 4],
          // Reads half as much for a product, and spills on Intel.
          ...(capabilities.vendor === 'intel' ? [] : [[4, 8, 4] as const]),
        ]),
        // Of an activation 16 row blocks take what was read once, where with (2, 8, 4) two do.
        ...variants({ ...ownDot, shared: true }, [[2, 8, 8]]),
        ...variants(byPairs, [
          [2, 4, 4],
          [2, 2, 8],
        ]),
      ];
  return inOrder(onGpu, firstCandidates(capabilities).prefillMatmul);
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
