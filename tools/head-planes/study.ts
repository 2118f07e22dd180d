// What is known of a product with an int8 matrix when only the high bits of its codes were read, in float64: how far off it can
// be, and which rows may still have the largest logit.

/** Columns that share a scale, as in shaders/int8_rows.wgsl. */
export const GROUP = 32;

/** An int8 matrix with a scale for every 32 columns of a row. */
export interface Codes {
  rows: number;
  cols: number;
  codes: Int8Array;
  scales: Float64Array;
}

/** `values` [rows, cols] in int8. */
export function quantized(values: ArrayLike<number>, rows: number, cols: number): Codes {
  const codes = new Int8Array(rows * cols);
  const scales = Float64Array.from({ length: codes.length / GROUP }, (_, group) => {
    let most = 0;
    for (let i = group * GROUP; i < (group + 1) * GROUP; i++) most = Math.max(most, Math.abs(values[i] ?? 0));
    return most / 127;
  });
  for (let i = 0; i < codes.length; i++) {
    const scale = scales[Math.floor(i / GROUP)] ?? 0;
    codes[i] = scale > 0 ? Math.round((values[i] ?? 0) / scale) : 0;
  }
  return { rows, cols, codes, scales };
}

/** Activations in int8 with one scale. */
export function quantizedActivations(x: Float64Array): { a: Float64Array; scale: number } {
  const scale = x.reduce((most, value) => Math.max(most, Math.abs(value)), 0) / 127;
  return { a: x.map((value) => Math.round(value / scale)), scale };
}

/** How far off the product of a row can be: proven bounds. */
export const BOUNDS = ['L1', 'Cauchy–Schwarz', 'less of both, by group'] as const;

/** What the high bits say of one step, for each row. */
export interface Step<Bound extends string = (typeof BOUNDS)[number]> {
  logits: Float64Array;
  errors: Float64Array;
  bounds: Record<Bound, Float64Array>;
}

/**
 * One step with `low` bits of each code left unread: what they come to is taken to be in the middle of what it can be, so the
 * error is a product of activations and residuals of at most (2^low − 1) / 2. L1 needs nothing but scales; Cauchy–Schwarz the
 * norm of a row's residuals; less of both the norm of each group's.
 */
export function step(matrix: Codes, x: Float64Array, low: number): Step {
  const { rows, cols, codes, scales } = matrix;
  const { a, scale } = quantizedActivations(x);
  const half = (2 ** low - 1) / 2;
  const groups = cols / GROUP;
  const magnitudes = new Float64Array(groups);
  const squares = new Float64Array(groups);
  for (let c = 0; c < cols; c++) {
    const g = Math.floor(c / GROUP);
    magnitudes[g]! += Math.abs(a[c]!);
    squares[g]! += a[c]! ** 2;
  }
  const norm = Math.sqrt(squares.reduce((sum, square) => sum + square, 0));
  const floats = (): Float64Array => new Float64Array(rows);
  const result: Step = {
    logits: floats(),
    errors: floats(),
    bounds: { L1: floats(), 'Cauchy–Schwarz': floats(), 'less of both, by group': floats() },
  };
  for (let r = 0; r < rows; r++) {
    let [logit, error, l1, residuals, less] = [0, 0, 0, 0, 0];
    for (let g = 0; g < groups; g++) {
      let [product, off, square] = [0, 0, 0];
      for (let c = g * GROUP; c < (g + 1) * GROUP; c++) {
        const code = codes[r * cols + c]!;
        const residual = (code & (2 ** low - 1)) - half;
        product += code * a[c]!;
        off += residual * a[c]!;
        square += residual ** 2;
      }
      const s = scales[r * groups + g]! * scale;
      const most = s * half * magnitudes[g]!;
      logit += s * product;
      error += s * off;
      l1 += most;
      residuals += s ** 2 * square;
      less += Math.min(most, s * Math.sqrt(square * squares[g]!));
    }
    result.logits[r] = logit;
    result.errors[r] = error;
    result.bounds.L1[r] = l1;
    result.bounds['Cauchy–Schwarz'][r] = Math.sqrt(residuals) * norm;
    result.bounds['less of both, by group'][r] = less;
  }
  return result;
}

/** The share of rows whose logit may be the largest, or within `distance` of it, by what the high bits say. */
export function candidates(
  { logits, errors }: Pick<Step, 'logits' | 'errors'>,
  bound: Float64Array,
  distance: number,
): number {
  const known = logits.map((logit, row) => logit - errors[row]!);
  const least = known.reduce((most, value, row) => Math.max(most, value - bound[row]!), -Infinity);
  return known.filter((value, row) => value + bound[row]! >= least - distance).length / known.length;
}

/** Mean and standard deviation. */
export function moments(values: Float64Array): { mean: number; deviation: number } {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const square = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  return { mean, deviation: Math.sqrt(square) };
}
