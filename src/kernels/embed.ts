// Embedding look-up (shaders/embed.wgsl): token ids to rows of the residual stream.

import { blockRowBytes, blockRowSize, PLANES } from '../formats/block-rows';
import { chunkCount, groupCount } from '../formats/canonical';
import { isBlockEncoding } from '../formats/encodings';
import { planeRow } from '../formats/planes';
import type { Dispatch, GpuContext, PipelineSpec } from '../gpu/context';
import { fixedRounds, trips, type Cost } from '../gpu/cost';
import { gridByTokens } from '../gpu/grid';
import { pieceCount } from './int8-rows';
import type { VocabularyMatrix } from './matrices';

/** A shard as the shader takes it. */
interface TableShard {
  firstRow: number;
  rows: number;
  table: GPUBuffer;
  scales?: GPUBuffer;
  low?: GPUBuffer;
}

/**
 * One dispatch per shard of `table`; together they fill `x` f32 [tokens, cols] from `ids` u32 [tokens], with rows times
 * `scale`. `cols` is a multiple of 4.
 */
export function embed(
  gpu: GpuContext,
  table: VocabularyMatrix,
  ids: GPUBuffer,
  x: GPUBuffer,
  scale = 1,
): Promise<Dispatch[]> {
  const spec = embedSpec(table, scale);
  return Promise.all(
    shardsOf(table).map(({ firstRow, rows, table: rowsOfShard, scales, low }) => {
      const buffers = [ids, rowsOfShard, x, gpu.uniform([firstRow, rows]), scales, low];
      return gpu.dispatch(
        'embed',
        spec,
        buffers,
        gridByTokens((tokens) => [tokens, 1, 1]),
        embedCost(table),
      );
    }),
  );
}

/** Threads of a workgroup, which has one token. */
const THREADS = 64;

/** The id, then the row in a loop. A token is in one shard; each counts as if it were that one. */
function embedCost(table: VocabularyMatrix): Cost {
  const { cols } = table;
  return {
    rounds: fixedRounds(1 + trips(cols / 4, THREADS)),
    bytes: (tokens) => tokens * (rowBytes(table) + 4 * cols),
  };
}

/** What a row of the matrix takes, scales included. */
function rowBytes({ cols, format }: VocabularyMatrix): number {
  switch (format) {
    case 'f16':
      return 2 * cols;
    case 'int8':
      return cols + cols / 16;
    case 'planes': {
      const { high, low, scales } = planeRow(cols);
      return 4 * (high + low + scales);
    }
    case 'ternary':
      return cols / 4;
    case 'Q4_0':
    case 'Q4_K':
    case 'Q6_K':
      return blockRowBytes(format, cols);
  }
}

function shardsOf(table: VocabularyMatrix): TableShard[] {
  switch (table.format) {
    case 'f16':
      return table.shards.map(({ buffer, ...shard }) => ({ ...shard, table: buffer }));
    case 'int8':
    case 'planes':
    case 'Q4_0':
    case 'Q4_K':
    case 'Q6_K':
      return table.shards.map(({ codes, ...shard }) => ({ ...shard, table: codes }));
    case 'ternary':
      return table.shards.map(({ matrix, ...shard }) => {
        return { ...shard, table: matrix.codes, scales: matrix.scales };
      });
  }
}

function embedSpec(table: VocabularyMatrix, scale: number): PipelineSpec {
  const { cols, format } = table;
  const constants = { DIM: cols, PIECES: 0, PLANES: 0, GROUPS: 0, GROUP_QUADS: 0, THREADS, SCALE: scale };
  const conditions = {
    int8: format === 'int8',
    planes: format === 'planes',
    ternary: format === 'ternary',
    q4_0: format === 'Q4_0',
    q4_k: format === 'Q4_K',
    q6_k: format === 'Q6_K',
  };
  if (format === 'int8' || format === 'planes') constants.PIECES = pieceCount(cols);
  if (isBlockEncoding(format)) {
    constants.PIECES = blockRowSize(format, cols).pieces;
    constants.PLANES = PLANES[format];
  }
  if (table.format === 'ternary') {
    const group = table.shards[0]!.matrix.scaleGroup;
    constants.PIECES = chunkCount(cols);
    constants.GROUPS = groupCount(cols, group);
    constants.GROUP_QUADS = (group === 'row' ? constants.PIECES * 64 : group) / 4;
  }
  return { shader: 'embed', constants, conditions };
}
