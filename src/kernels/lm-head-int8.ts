// LM head with int8 rows (shaders/lm_head_int8.wgsl), and making it from f16 rows (shaders/quantize_head.wgsl).

import { largestBinding, type BufferMaker } from '../gpu/buffers';
import { isSoftwareAdapter, type Capabilities } from '../gpu/capabilities';
import type { Dispatch, GpuContext } from '../gpu/context';
import { foldedGrid } from '../gpu/grid';
import type { HalfMatrix, Int8Matrix, QuantizedRows } from './matrices';

/** Columns that one vec4u holds. */
const VECTOR_COLS = 16;

/** Vectors of a row, padded to whole groups of four. */
function vectorCount(cols: number): number {
  return Math.ceil(cols / VECTOR_COLS / 4) * 4;
}

/** How one variant divides the work; every variant gives the same result to the bit. */
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
  return isSoftwareAdapter(capabilities)
    ? [head(4, 1), head(2, 1), { ...head(1, 1), broadcast: true }]
    : [head(1, 8), head(2, 8), head(2, 4), head(4, 1)];
}

/** Room for `rows` × `cols` int8 codes with a scale a row, in shards that fit a binding. */
export function createInt8Matrix(
  buffers: BufferMaker,
  label: string,
  rows: number,
  cols: number,
): Int8Matrix {
  const rowBytes = vectorCount(cols) * VECTOR_COLS;
  // At least one block of rows: what is larger than a binding even then is refused before anything is allocated.
  const most = Math.max(1, Math.floor(largestBinding(buffers.limits) / (rowBytes * 8))) * 8;
  const shards = Array.from({ length: Math.ceil(rows / most) }, (_, i) => {
    const shardRows = Math.min(most, rows - i * most);
    const padded = Math.ceil(shardRows / 8) * 8;
    return {
      firstRow: i * most,
      rows: shardRows,
      codes: buffers.createBuffer(`${label} ${i}`, padded * rowBytes, { part: 'head' }),
      scales: buffers.createBuffer(`${label} scales ${i}`, padded * 4, { part: 'head' }),
    };
  });
  return { rows, cols, shards };
}

/** The dispatches that fill `result` from `source`: one for each pair of shards that have rows in common. */
export async function quantizeHead(
  gpu: GpuContext,
  source: HalfMatrix,
  result: Int8Matrix,
): Promise<Dispatch[]> {
  const spec = {
    shader: 'quantize_head',
    constants: { COLS: source.cols, CHUNKS: vectorCount(source.cols) },
  };
  const pairs = result.shards.flatMap((to) =>
    source.shards.map((from) => {
      const first = Math.max(to.firstRow, from.firstRow);
      return { to, from, first, rows: Math.min(to.firstRow + to.rows, from.firstRow + from.rows) - first };
    }),
  );
  return Promise.all(
    pairs
      .filter(({ rows }) => rows > 0)
      .map(({ to, from, first, rows }) => {
        const { grid, groupsX } = foldedGrid(Math.ceil(rows / 64));
        const shape = gpu.uniform([first - from.firstRow, first - to.firstRow, rows, groupsX]);
        const buffers = [from.buffer, to.codes, to.scales, shape];
        return gpu.dispatch('quantize head', spec, buffers, grid);
      }),
  );
}

/** `logits` f32 [rows] of one quantised row `q`. One dispatch per shard of `head`. */
export function lmHeadInt8(
  gpu: GpuContext,
  variant: HeadVariant,
  head: Int8Matrix,
  q: QuantizedRows,
  logits: GPUBuffer,
): Promise<Dispatch[]> {
  const spec = {
    shader: 'lm_head_int8',
    constants: { BLOCKS: variant.blocks, SPLIT: variant.split },
    conditions: { split: variant.split > 1, broadcast: variant.broadcast },
  };
  return Promise.all(
    head.shards.map(({ codes, scales, rows, firstRow }) => {
      const rowBlocks = Math.ceil(rows / 8);
      const { grid, groupsX } = foldedGrid(Math.ceil(rowBlocks / variant.blocks));
      const shape = gpu.uniform([vectorCount(head.cols), rowBlocks, rows, firstRow, groupsX]);
      const buffers = [codes, scales, q.values, q.scales, logits, shape];
      return gpu.dispatch('lm head', spec, buffers, grid);
    }),
  );
}
