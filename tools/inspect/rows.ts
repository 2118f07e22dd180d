// Numbers that lie in one run, as rows, and back.

import type { Row } from './formulas';

/** Rows of `cols` values each; views of `values`. */
export function rowsOf<Values extends Row>(values: Values, cols: number): Values[] {
  return Array.from({ length: values.length / cols }, (_, i) => {
    return values.subarray(i * cols, (i + 1) * cols) as Values;
  });
}

/** All rows in one run. */
export function concatenate(rows: readonly Row[]): Float64Array {
  const out = new Float64Array(rows.reduce((sum, row) => sum + row.length, 0));
  let at = 0;
  for (const row of rows) {
    out.set(row, at);
    at += row.length;
  }
  return out;
}
