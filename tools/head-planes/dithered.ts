// What is known of a product with an int8 matrix when only the upper of its two dithered planes was read (src/formats/planes.ts), in
// float64: how far off it is, and the bound.

import { boundFactor, ditherOf, PLANE_STEP, splitCode } from '../../src/formats/planes';
import { GROUP, quantizedActivations, type Codes, type Step } from './study';

export const DITHERED = 'dithered';

/** One step: of each code 17·h + d + 8 is known. */
export function ditheredStep(matrix: Codes, x: Float64Array): Step<typeof DITHERED> {
  const { rows, cols, codes, scales } = matrix;
  const { a, scale } = quantizedActivations(x);
  const dithers = Int8Array.from({ length: cols }, (_, c) => ditherOf(c));
  const [logits, errors, bound] = [new Float64Array(rows), new Float64Array(rows), new Float64Array(rows)];
  const factor = boundFactor(cols);
  for (let r = 0; r < rows; r++) {
    let [logit, error, squares] = [0, 0, 0];
    for (let c = 0; c < cols; c++) {
      const code = codes[r * cols + c]!;
      const { high } = splitCode(code, dithers[c]!);
      const part = scales[(r * cols + c - (c % GROUP)) / GROUP]! * scale * a[c]!;
      logit += part * code;
      error += part * (code - PLANE_STEP * high - dithers[c]! - 8);
      squares += part ** 2;
    }
    logits[r] = logit;
    errors[r] = error;
    bound[r] = factor * Math.sqrt(squares);
  }
  return { logits, errors, bounds: { [DITHERED]: bound } };
}
