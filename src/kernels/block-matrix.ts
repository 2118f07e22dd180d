// Matrices in the blocks of their file: their buffers, and filling them.

import { blockRowSize, type BlockPiece } from '../formats/block-rows';
import { paddedRows } from '../formats/canonical';
import type { BlockEncoding } from '../formats/encodings';
import { largestBinding, type BufferMaker, type MemoryPart } from '../gpu/buffers';
import type { BlockMatrix } from './matrices';
import { cutRows, ofShard } from './shards';

/** Room for `rows` × `cols` numbers in blocks of that encoding, in shards that fit a binding; all zeros. */
export function createBlockMatrix(
  buffers: BufferMaker,
  label: string,
  { encoding, rows, cols }: { encoding: BlockEncoding; rows: number; cols: number },
  part: MemoryPart,
): BlockMatrix {
  const size = blockRowSize(encoding, cols);
  const shards = cutRows(rows, size.codes * 4, largestBinding(buffers.limits)).map((shard, i) => {
    const padded = paddedRows(shard.rows);
    return {
      ...shard,
      codes: buffers.createBuffer(`${label} ${i}`, padded * size.codes * 4, { part }),
      scales: buffers.createBuffer(`${label} scales ${i}`, padded * size.scales * 4, { part }),
    };
  });
  return { format: encoding, rows, cols, shards };
}

/** Puts some rows into the shards that they belong to. */
export function writeBlocks(
  buffers: BufferMaker,
  { format, cols, shards }: BlockMatrix,
  { firstRow, codes, scales }: BlockPiece,
): void {
  const size = blockRowSize(format, cols);
  for (const { codes: toCodes, scales: toScales, ...shard } of shards) {
    const ownCodes = ofShard(shard, firstRow * size.codes, codes, size.codes);
    const ownScales = ofShard(shard, firstRow * size.scales, scales, size.scales);
    buffers.write(toCodes, ownCodes.offset * 4, ownCodes.part);
    buffers.write(toScales, ownScales.offset * 4, ownScales.part);
  }
}
