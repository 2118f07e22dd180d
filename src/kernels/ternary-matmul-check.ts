// Known answers for the ternary matrix kernel.

import {
  CHUNK,
  canonicalWords,
  bitIndex,
  scaleCount,
  scaleIndex,
  wordIndex,
  type ScaleGroup,
} from '../formats/canonical';
import type { GpuContext } from '../gpu/context';
import { packActivations } from './activation-packing';
import { isClose, run, sequence, withBuffers } from './known-answers';
import { ternaryMatmul, type MatmulEpilogue, type MatmulVariant } from './ternary-matmul';

/** How the scales of a matrix and of its input lie. */
export interface MatmulForm {
  /** The input has a scale for each group of 64 columns. */
  groups: boolean;
  scaleGroup: ScaleGroup;
}

/** Whether a matmul variant is right with each of `epilogues` in each of `forms`. */
export async function checkMatmul(
  gpu: GpuContext,
  variant: MatmulVariant,
  epilogues: readonly MatmulEpilogue[],
  forms: readonly MatmulForm[],
): Promise<boolean> {
  for (const form of forms) if (!(await checkMatmulForm(gpu, variant, epilogues, form))) return false;
  return true;
}

/** At a size that no variant divides evenly. */
async function checkMatmulForm(
  gpu: GpuContext,
  variant: MatmulVariant,
  epilogues: readonly MatmulEpilogue[],
  { groups, scaleGroup }: MatmulForm,
): Promise<boolean> {
  // Gate and up: 9 row blocks each, so that the last workgroup of every variant that may have too many has.
  const rows = 8 * 18;
  // More chunks than any variant has in one round of its loop, and an odd number.
  const cols = 37 * 64;
  // Of a prompt more than one tile of tokens, the last of which is not full.
  const tokens = variant.tokens === 1 ? 1 : Math.max(9, variant.tokens + 1);
  const room = Math.ceil(tokens / variant.tokens) * variant.tokens;
  const random = sequence(1);
  const codes = Uint8Array.from({ length: rows * cols }, () => random() % 3);
  const q = Int8Array.from({ length: room * cols }, () => (random() % 256) - 128);
  const scales = Float32Array.from(
    { length: scaleCount(rows, cols, scaleGroup) },
    (_, i) => 0.001 * (1 + (i % 7)),
  );
  const inverses = Float32Array.from({ length: (room * cols) / CHUNK }, (_, i) =>
    groups ? 0.25 * (1 + (i % 3)) : 0.5,
  );
  const plain = { rows, cols, codes, scales, scaleGroup };
  const products = plainProducts(plain, q.subarray(0, tokens * cols), inverses);
  return withBuffers(gpu, async (scratch) => {
    const matrix = {
      rows,
      cols,
      codes: scratch(packCodes(codes, rows, cols)),
      scales: scratch(scales),
      scaleGroup,
    };
    const width = groups ? CHUNK : cols;
    const summary = Float32Array.from({ length: (q.length / width) * 2 }, (_, i) => {
      const own = q.subarray((i >> 1) * width, ((i >> 1) + 1) * width);
      if (variant.products === 'floats') return i % 2 ? 0 : 1;
      return i % 2 ? own.reduce((sum, x) => sum + x, 0) : inverses[((i >> 1) * width) / CHUNK]!;
    });
    const values =
      variant.products === 'floats'
        ? Float32Array.from(q, (value, i) => value * inverses[Math.floor(i / CHUNK)]!)
        : packActivations(q, variant.products);
    const quantized = { padded: cols, values: scratch(values), scales: scratch(summary), groups };
    for (const epilogue of epilogues) {
      const start = new Float32Array(room * rows).fill(1);
      const y = scratch(start);
      const half = rows / 2;
      const lower = { firstRow: half, rows: half, column: 0, stride: half };
      const part = epilogue.endsWith('-times') ? lower : undefined;
      const dispatch = await ternaryMatmul(gpu, 'check', matrix, epilogue, variant, quantized, y, part);
      const result = await run(gpu, [dispatch], y, tokens);
      const expected = applyEpilogue(products, epilogue, rows, tokens);
      if (!isClose(result.subarray(0, expected.length), expected)) return false;
    }
    return true;
  });
}

interface PlainMatrix extends Pick<MatmulForm, 'scaleGroup'> {
  rows: number;
  cols: number;
  codes: Uint8Array;
  scales: Float32Array;
}

/** [tokens, rows]: Σ (code − 1) · scale · q · inverse, `inverses` being [tokens, cols / 64]. */
function plainProducts(
  { rows, cols, codes, scales, scaleGroup }: PlainMatrix,
  q: Int8Array,
  inverses: Float32Array,
): Float64Array {
  const tokens = q.length / cols;
  return Float64Array.from({ length: tokens * rows }, (_, i) => {
    const token = Math.floor(i / rows);
    const row = i % rows;
    let result = 0;
    for (let chunk = 0; chunk < cols / CHUNK; chunk++) {
      let sum = 0;
      for (let col = chunk * CHUNK; col < (chunk + 1) * CHUNK; col++)
        sum += (codes[row * cols + col]! - 1) * q[token * cols + col]!;
      const scale = scales[scaleIndex(row, chunk * CHUNK, cols, scaleGroup)]!;
      result += sum * scale * inverses[(token * cols) / CHUNK + chunk]!;
    }
    return result;
  });
}

function applyEpilogue(
  products: Float64Array,
  epilogue: MatmulEpilogue,
  rows: number,
  tokens: number,
): Float64Array {
  if (epilogue === 'store') return products;
  if (epilogue === 'add') return products.map((value) => value + 1);
  const half = rows / 2;
  return Float64Array.from({ length: tokens * half }, (_, i) => {
    const gate = products[Math.floor(i / half) * rows + (i % half)]!;
    const up = products[Math.floor(i / half) * rows + half + (i % half)]!;
    const activate = (x: number): number =>
      epilogue.startsWith('relu2-') ? Math.max(x, 0) ** 2 : x / (1 + Math.exp(-x));
    // Of a part alone, its lower half, times the ones that were there.
    return epilogue.endsWith('-times') ? activate(up) : activate(gate) * up;
  });
}

/** `codes`, one an element of [rows, cols], in the canonical layout. */
export function packCodes(codes: Uint8Array, rows: number, cols: number): Uint32Array {
  const words = new Uint32Array(canonicalWords(rows, cols));
  for (let row = 0; row < rows; row++) {
    for (let col = 0; col < cols; col++)
      words[wordIndex(row, col, cols)]! |= codes[row * cols + col]! << bitIndex(col);
  }
  return words;
}
