// RMSNorm, quantisation and ternary matrix × vector in one (shaders/norm_matmul.wgsl): decode on GPUs.

import { CHUNK } from '../formats/canonical';
import type { Dispatch, GpuContext } from '../gpu/context';
import { fixedRounds, trips, type Cost } from '../gpu/cost';
import { fixedGrid } from '../gpu/grid';
import type { TernaryMatrix } from './matrices';
import { reduction } from './reduction';
import type { MatmulEpilogue, MatmulPart, MatmulVariant } from './ternary-matmul';

/** The row that a matrix is multiplied with, before its norm and quantisation. */
export interface NormInput {
  /** f32 [cols]; `cols` a multiple of 4. */
  x: GPUBuffer;
  /** f32 [cols]; without one there is no norm. */
  weight: GPUBuffer | undefined;
  /** Of the norm. */
  eps: number;
}

/** Columns that a thread makes at once. */
const PIECE = 16;
/** As many of these as a thread holds in registers, of which sixteen take 16 or, until they are weighted, 32. */
const MOST_PIECES = 2;
/** Sums of parts that are read at once. */
const MOST_TOGETHER = 8;
/** Workgroup memory that every device has, bytes. */
const WORKGROUP_MEMORY = 16384;

/**
 * Whether a matrix of so many columns, one scale a row and inputs with one scale a token, can be multiplied that way: a row fits
 * into the registers and the memory of a workgroup. Others keep a norm of their own.
 */
export function fusesNorm(variant: MatmulVariant, { cols, scaleGroup }: TernaryMatrix): boolean {
  const { fused, split, products } = variant;
  if (!fused || scaleGroup !== 'row') return false;
  const padded = paddedCols(cols);
  const threads = 8 * split;
  const row = padded * (products === 'bytes' ? 1 : 2);
  // A gated matrix has most. Threads that meet have eight bytes each, and some that they meet in.
  const sums = gatedBlocks(variant) * threads * 4;
  const meeting = threads * 8 + 256;
  return trips(padded, PIECE * threads) <= MOST_PIECES && row + sums + meeting <= WORKGROUP_MEMORY;
}

/**
 * `y` f32 [outCols] from one row, as `rmsNormQuantize` and `ternaryMatmul` would make it one after the other; outCols = rows, or rows /
 * 2 when gated, or those of `part`. Only where `fusesNorm`. Where rows are quantised by all of their columns, codes are the same but
 * for what is nearer to a half than f32 can tell.
 */
export function normMatmul(
  gpu: GpuContext,
  label: string,
  matrix: TernaryMatrix,
  epilogue: MatmulEpilogue,
  variant: MatmulVariant,
  { x, weight, eps }: NormInput,
  y: GPUBuffer,
  part?: MatmulPart,
): Promise<Dispatch> {
  const { cols } = matrix;
  const { split, products } = variant;
  const rows = part?.rows ?? matrix.rows;
  const gated = epilogue.endsWith('-gate');
  const blocks = gated ? gatedBlocks(variant) : variant.blocks;
  const outs = gated ? blocks / 2 : blocks;
  const outCols = gated ? rows / 2 : rows;
  const padded = paddedCols(cols);
  const threads = 8 * split;
  const meeting = reduction(gpu.capabilities, threads);
  const { firstRow, column } = part ?? { firstRow: 0, column: 0 };
  const shape = gpu.uniform([padded / CHUNK, Math.ceil(rows / 8), outCols, firstRow / 8, column]);
  return gpu.dispatch(
    label,
    {
      shader: 'norm_matmul',
      constants: {
        ...meeting.constants,
        COLS: cols,
        PADDED: padded,
        EPSILON: eps,
        BLOCKS: blocks,
        OUTS: outs,
        SPLIT: split,
        TOGETHER: Math.min(split, MOST_TOGETHER),
        PIECES: trips(padded, PIECE * threads),
      },
      conditions: {
        ...meeting.conditions,
        plain: weight === undefined,
        pairs: products === 'pairs',
        add: epilogue === 'add',
        gated,
        times: epilogue.endsWith('-times'),
        relu2: epilogue.startsWith('relu2-'),
      },
    },
    [matrix.codes, matrix.scales, x, y, shape, ...(weight ? [weight] : [])],
    fixedGrid(Math.ceil(outCols / 8 / outs)),
    normMatmulCost(cols, rows, epilogue, variant, weight !== undefined),
  );
}

/** All but the codes of later trips is on its way at once. */
function normMatmulCost(
  cols: number,
  rows: number,
  epilogue: MatmulEpilogue,
  { split }: MatmulVariant,
  weighted: boolean,
): Cost {
  const padded = paddedCols(cols);
  const weights = Math.ceil(rows / 8) * 8 * (padded / 4 + 4);
  const reads = epilogue === 'add' || epilogue.endsWith('-times');
  const output = (epilogue.endsWith('-gate') ? rows / 2 : rows) * 4 * (reads ? 2 : 1);
  return {
    rounds: fixedRounds(trips(padded / CHUNK, split)),
    bytes: () => weights + cols * (weighted ? 8 : 4) + output,
  };
}

/** As many blocks of gate and of up as other matrices have; half of that by pairs, which take twice the registers. */
function gatedBlocks({ blocks, products }: MatmulVariant): number {
  return products === 'pairs' ? Math.max(2, blocks) : 2 * blocks;
}

function paddedCols(cols: number): number {
  return Math.ceil(cols / CHUNK) * CHUNK;
}
