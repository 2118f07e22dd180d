// LM head with ternary rows: the matrix kernel (shaders/ternary_matmul.wgsl) on the shards of a table.

import type { Dispatch, GpuContext } from '../gpu/context';
import type { QuantizedRows, TernaryTable } from './matrices';
import { ternaryMatmul, type MatmulVariant } from './ternary-matmul';

/** `logits` f32 [rows] of one row `q`, packed as `variant` wants it. One dispatch per shard of `head`. */
export function lmHeadTernary(
  gpu: GpuContext,
  variant: MatmulVariant,
  head: TernaryTable,
  q: QuantizedRows,
  logits: GPUBuffer,
): Promise<Dispatch[]> {
  return Promise.all(
    head.shards.map(({ matrix, firstRow, rows }) => {
      const part = { firstRow: 0, rows, column: firstRow, stride: head.rows };
      return ternaryMatmul(gpu, 'lm head', matrix, 'store', variant, q, logits, part);
    }),
  );
}
