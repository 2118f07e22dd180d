// Matrices that are larger than a binding may be are cut into shards of whole rows.

import { ROW_BLOCK, paddedRows } from '../formats/canonical';

/** Rows of a shard, and its first row in the matrix. */
export interface Shard {
  firstRow: number;
  rows: number;
}

/**
 * `rows` rows of `rowBytes` bytes in shards of at most `mostBytes`: whole blocks of 8 rows, but for the last. At least one
 * block: what is larger than a binding even then is refused before anything is allocated.
 */
export function cutRows(rows: number, rowBytes: number, mostBytes: number): Shard[] {
  const most = Math.max(1, Math.floor(mostBytes / (rowBytes * ROW_BLOCK))) * ROW_BLOCK;
  return Array.from({ length: Math.ceil(rows / most) }, (_, i) => ({
    firstRow: i * most,
    rows: Math.min(most, rows - i * most),
  }));
}

/**
 * What of `values`, which stand from `first` on in the whole, belongs to a shard, and where it stands there; a row has
 * `perRow` of them, those of padding included.
 */
export function ofShard<Values extends Uint16Array | Uint32Array | Float32Array>(
  shard: Shard,
  first: number,
  values: Values,
  perRow: number,
): { part: Values; offset: number } {
  const start = shard.firstRow * perRow;
  const end = start + paddedRows(shard.rows) * perRow;
  const from = Math.max(start, first);
  const to = Math.max(from, Math.min(end, first + values.length));
  return { part: values.subarray(from - first, to - first) as Values, offset: from - start };
}
