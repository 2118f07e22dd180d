// Known answers for norm, quantisation and matrix in one.

import type { GpuContext } from '../gpu/context';
import { isClose, run, sequence, withBuffers } from './known-answers';
import { normMatmul } from './norm-matmul';
import type { MatmulEpilogue, MatmulVariant } from './ternary-matmul';
import { packCodes } from './ternary-matmul-check';

/** One use of the kernel, each with a pipeline of its own. */
export interface NormMatmulForm {
  cols: number;
  /** Without a norm. */
  plain: boolean;
  epilogue: MatmulEpilogue;
  eps: number;
}

/** Row blocks of the result: an odd number, so that the last workgroup of most variants has too many. */
const BLOCKS = 9;
/** Rows that the last block lacks, where it may. */
const MISSING = 3;
/** What y holds before. */
const BEFORE = 1;

/** Whether a variant is right in each of `forms`: with pipelines that the model has, on few rows. */
export async function checkNormMatmul(
  gpu: GpuContext,
  variant: MatmulVariant,
  forms: readonly NormMatmulForm[],
): Promise<boolean> {
  for (const form of forms) if (!(await checkForm(gpu, variant, form))) return false;
  return true;
}

async function checkForm(gpu: GpuContext, variant: MatmulVariant, form: NormMatmulForm): Promise<boolean> {
  const { cols, plain, epilogue, eps } = form;
  const gated = epilogue.endsWith('-gate');
  const rows = gated ? 16 * BLOCKS : 8 * BLOCKS - MISSING;
  const random = sequence(3);
  const codes = Uint8Array.from({ length: rows * cols }, () => random() % 3);
  const scales = Float32Array.from({ length: Math.ceil(rows / 8) * 8 }, (_, i) => 0.001 * (1 + (i % 7)));
  const row = knownRow(form, random);
  const products = Float64Array.from({ length: rows }, (_, r) => {
    const sum = row.q.reduce((total, q, c) => total + (codes[r * cols + c]! - 1) * q, 0);
    return sum * scales[r]! * row.inverse;
  });
  return withBuffers(gpu, async (scratch) => {
    const matrix = {
      rows,
      cols,
      codes: scratch(packCodes(codes, rows, cols)),
      scales: scratch(scales),
      scaleGroup: 'row',
    } as const;
    const input = { x: scratch(row.x), weight: plain ? undefined : scratch(row.weight), eps };
    const y = scratch(new Float32Array(rows).fill(BEFORE));
    const dispatch = await normMatmul(gpu, 'check', matrix, epilogue, variant, input, y);
    return isClose(await run(gpu, [dispatch], y), resultOf(products, epilogue));
  });
}

/** A row whose codes are known: no value is near a half, and its largest one, 127, is in the last column. */
function knownRow(
  { cols, plain, eps }: NormMatmulForm,
  random: () => number,
): { q: Int8Array; inverse: number; weight: Float32Array; x: Float32Array } {
  const q = Int8Array.from({ length: cols }, () => (random() % 253) - 126);
  q[cols - 1] = 127;
  const weight = Float32Array.from({ length: cols }, () => (plain ? 1 : 0.5 + (random() % 1000) / 1000));
  const x = Float32Array.from(q, (code, i) => {
    const beside = i === cols - 1 ? 0 : ((random() % 601) - 300) / 1000;
    return ((code + beside) * STEP) / weight[i]!;
  });
  const rms = plain ? 1 : Math.sqrt(x.reduce((sum, v) => sum + v * v, 0) / cols + eps);
  return { q, inverse: STEP / rms, weight, x };
}

/** What one code of that row stands for before it is normalised. */
const STEP = 0.02;

function resultOf(products: Float64Array, epilogue: MatmulEpilogue): Float64Array {
  if (epilogue === 'store') return products;
  if (epilogue === 'add') return products.map((value) => value + BEFORE);
  const activate = (x: number): number =>
    epilogue.startsWith('relu2-') ? Math.max(x, 0) ** 2 : x / (1 + Math.exp(-x));
  if (epilogue.endsWith('-times')) return products.map((value) => BEFORE * activate(value));
  const half = products.length / 2;
  return products.subarray(0, half).map((gate, i) => activate(gate) * products[half + i]!);
}
