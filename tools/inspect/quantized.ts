// What rms_norm_quantize should have written: the rows before a matrix.

import type { Reference } from './compare';
import { roundToInt8 } from './formulas';
import type { MatrixInput } from './readings';
import { normTolerance, roundedTolerance } from './tolerance';

/** Rows before they are rounded, and what has a scale of its own; `none`: they stay as they are. */
export interface ExactRows {
  ys: readonly Float64Array[];
  scalePer: 'token' | 'group' | 'none';
}

/** What was read of rows, `padded` columns each, beside what `ys` become. */
export function quantizedRows(
  { values, sums }: MatrixInput,
  padded: number,
  { ys, scalePer }: ExactRows,
): Reference[] {
  // Columns of padding are 0, and nothing else is allowed there.
  const expected = new Float64Array(values.length);
  const allowed = new Float64Array(values.length);
  for (const [token, y] of ys.entries()) {
    const rounded = scalePer === 'none' ? undefined : roundToInt8(y, scalePer);
    const tolerance = rounded?.scaled.map((scaled, i) => roundedTolerance(scaled, rounded.steps[i]!));
    expected.set(rounded?.values ?? y, token * padded);
    allowed.set(tolerance ?? normTolerance(y), token * padded);
  }
  const shape = [ys.length, padded];
  const rows = { result: sums ? 'int8 rows' : 'rows', shape, actual: values, expected, allowed };
  if (!sums) return [rows];
  const { read, counted } = sums;
  const sumShape = [ys.length, read.length / ys.length];
  // Whole numbers that float32 has exactly.
  const exact = new Float64Array(read.length);
  return [rows, { result: 'sums of rows', shape: sumShape, actual: read, expected: counted, allowed: exact }];
}
