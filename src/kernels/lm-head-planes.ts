// LM head with int8 rows in two planes: shaders/lm_head_planes.wgsl, which reads the upper one of all rows, and behind it
// lm_head_planes_exact.wgsl, which reads both of those that may be within a window of the best.

import { boundFactor, planeRow } from '../formats/planes';
import { isSoftwareAdapter } from '../gpu/capabilities';
import type { Dispatch, GpuContext } from '../gpu/context';
import { fixedRounds, trips } from '../gpu/cost';
import { foldedGrid } from '../gpu/grid';
import type { HeadVariant } from './lm-head-int8';
import type { PlaneMatrix, QuantizedRows } from './matrices';
import type { SamplerParameters } from './sample';

/** Blocks of 8 rows that a workgroup of the second half looks at. */
const ROW_BLOCKS = 8;

type Shard = PlaneMatrix['shards'][number];

/** Both ways to logits f32 [rows] of one quantised row, whose sums are in the matrix's scratch. Two dispatches per shard, and one. */
export interface PlanesHead {
  /** The first half of `contenders`. */
  upper: Dispatch[];
  /** Those that may be within the window are as the int8 head gives them; of others about what they are. */
  contenders: Dispatch[];
  /** All are as the int8 head gives them. */
  all: Dispatch[];
}

export async function lmHeadPlanes(
  gpu: GpuContext,
  variant: HeadVariant,
  head: PlaneMatrix,
  q: QuantizedRows,
  logits: GPUBuffer,
): Promise<PlanesHead> {
  const [upper, exact, all] = await Promise.all([
    Promise.all(head.shards.map((shard) => upperHalf(gpu, variant, head, shard, q, logits))),
    Promise.all(
      head.shards.map((shard) => exactHalf(gpu, variant.split, head, shard, q.values, logits, 'contenders')),
    ),
    Promise.all(
      head.shards.map((shard) => exactHalf(gpu, variant.split, head, shard, q.values, logits, 'all')),
    ),
  ]);
  // The best of all shards is known before any row is looked at again.
  return { upper, contenders: [...upper, ...exact], all };
}

/**
 * `logits` f32 [rows] of one row `x` f32, with room for whole pieces of 64 columns, zeros beyond the last: products with
 * activations that are not rounded. One dispatch per shard of `head`.
 */
export function exactLmHeadPlanes(
  gpu: GpuContext,
  head: PlaneMatrix,
  x: GPUBuffer,
  logits: GPUBuffer,
): Promise<Dispatch[]> {
  const split = isSoftwareAdapter(gpu.capabilities) ? 1 : 8;
  return Promise.all(head.shards.map((shard) => exactHalf(gpu, split, head, shard, x, logits, 'floats')));
}

function upperHalf(
  gpu: GpuContext,
  { blocks, split, broadcast }: HeadVariant,
  { cols, scratch }: PlaneMatrix,
  { codes, scales, rows, firstRow }: Shard,
  { values }: QuantizedRows,
  logits: GPUBuffer,
): Promise<Dispatch> {
  const { pieces, high, scales: scaleWords } = planeRow(cols);
  const rowBlocks = Math.ceil(rows / 8);
  const { grid, groupsX } = foldedGrid(Math.ceil(rowBlocks / blocks));
  const shape = gpu.uniform([pieces, rowBlocks, rows, firstRow, groupsX, 0]);
  const spec = {
    shader: 'lm_head_planes',
    constants: { BLOCKS: blocks, SPLIT: split, FACTOR: boundFactor(cols) },
    conditions: { split: split > 1, broadcast },
  };
  const { sums, upper, bound } = scratch;
  return gpu.dispatch('lm head', spec, [codes, scales, values, sums, logits, upper, bound, shape], grid, {
    // Behind the loop come the activations' scale, and the best of all so far.
    rounds: fixedRounds(trips(pieces, split) + 2),
    bytes: () => rowBlocks * 32 * (high + scaleWords) + pieces * 80 + rows * 8,
  });
}

function exactHalf(
  gpu: GpuContext,
  split: number,
  { cols, scratch }: PlaneMatrix,
  { codes, low, scales, rows, firstRow }: Shard,
  values: GPUBuffer,
  logits: GPUBuffer,
  what: 'contenders' | 'all' | 'floats',
): Promise<Dispatch> {
  const { pieces, high, low: lowWords, scales: scaleWords } = planeRow(cols);
  const rowBlocks = Math.ceil(rows / 8);
  const { grid, groupsX } = foldedGrid(Math.ceil(rowBlocks / ROW_BLOCKS));
  const everything = what !== 'contenders';
  const floats = what === 'floats';
  const shape = gpu.uniform([pieces, rowBlocks, rows, firstRow, groupsX, everything ? 1 : 0]);
  const spec = {
    shader: 'lm_head_planes_exact',
    constants: { ROW_BLOCKS, SPLIT: split },
    conditions: { split: split > 1, floats },
  };
  const known = floats ? [] : [scratch.sums, scratch.upper, scratch.bound];
  return gpu.dispatch('lm head, exact', spec, [codes, low, scales, values, logits, shape, ...known], grid, {
    // A greedy token mostly needs one row, so it is one workgroup that loops.
    rounds: fixedRounds(1 + trips(pieces, split) * (everything ? ROW_BLOCKS : 1)),
    bytes: () =>
      (everything ? rowBlocks * 8 : 1) * 4 * (high + lowWords + scaleWords) +
      pieces * 64 * (floats ? 4 : 1) +
      rows * 4,
  });
}

/** The most of all probability that logits may have which are only about right, where a token is drawn. */
export const LEFT_OUT = 1e-3;

/** What decides which tokens can be chosen. */
type Choice = Pick<SamplerParameters, 'temperature' | 'topP' | 'minP'>;

/**
 * How far below the best, in logits, those of `vocabulary` tokens still have to be exact: not at all where the best is taken. Where
 * one is drawn, what is farther has together at most LEFT_OUT of the best one's probability, or by min-p none.
 */
export function contenderWindow(
  random: boolean,
  { temperature, topP, minP }: Choice,
  vocabulary: number,
): number {
  if (!random) return 0;
  const byMass = Math.log(vocabulary / LEFT_OUT);
  // The mass of those that min-p leaves out still counts under top-p. A little more, since f32 rounds.
  const nats = minP > 0 && topP >= 1 ? Math.min(byMass, 1e-3 - Math.log(minP)) : byMass;
  return nats * temperature;
}
