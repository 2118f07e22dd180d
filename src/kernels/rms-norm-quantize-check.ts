// Known answers for the kernel that normalises and quantises rows.

import { CHUNK } from '../formats/canonical';
import type { GpuContext } from '../gpu/context';
import { unpackActivations } from './activation-packing';
import { isClose, run, sequence, TOLERANCE, withBuffers } from './known-answers';
import type { ActivationPacking } from './matrices';
import { rmsNormQuantize } from './rms-norm-quantize';

const NORM_EPS = 1e-5;

/** One way of quantising rows. */
export interface NormForm {
  packing: ActivationPacking;
  /** Without a norm. */
  plain: boolean;
  /** The result has a scale for each group of 64 columns; `scalePer` says whether they are the same along a row. */
  groups: boolean;
  scalePer: 'token' | 'group';
}

/** Whether RMSNorm and quantisation are right with `threads` threads, in each of `forms`. */
export async function checkNorm(
  gpu: GpuContext,
  threads: number,
  forms: readonly NormForm[],
): Promise<boolean> {
  // Two vectors for some of the most threads, one for the others; several for few; the last group is not full.
  const cols = 1500;
  const random = sequence(2);
  const x = Float32Array.from({ length: cols }, () => (random() % 2001) / 1000 - 1);
  const weight = Float32Array.from({ length: cols }, () => 0.5 + (random() % 1000) / 1000);
  const rms = Math.sqrt(x.reduce((sum, v) => sum + v * v, 0) / cols + NORM_EPS);
  const normed = Float64Array.from(x, (v, i) => (v / rms) * weight[i]!);
  for (const form of forms) {
    const y = form.plain ? Float64Array.from(x) : normed;
    if (!(await checkNormForm(gpu, threads, form, { x, weight, y }))) return false;
  }
  return true;
}

async function checkNormForm(
  gpu: GpuContext,
  threads: number,
  { packing, plain, groups, scalePer }: NormForm,
  { x, weight, y }: { x: Float32Array; weight: Float32Array; y: Float64Array },
): Promise<boolean> {
  const cols = x.length;
  const padded = Math.ceil(cols / CHUNK) * CHUNK;
  return withBuffers(gpu, async (scratch) => {
    const out = {
      padded,
      values: scratch(new Uint32Array(padded)),
      scales: scratch(new Float32Array((padded / CHUNK) * 2)),
      groups,
    };
    const shape = { cols, eps: NORM_EPS, threads, packing, scalePer };
    const weights = plain ? undefined : scratch(weight);
    const dispatch = await rmsNormQuantize(gpu, 'check', shape, scratch(x), weights, out);
    const result = await run(gpu, [dispatch], out.values);
    if (packing === 'floats') {
      const padding = new Float64Array(padded);
      padding.set(y);
      return isClose(result, padding);
    }
    const q = unpackActivations(new Uint32Array(result.buffer), padded, packing);
    const scales = new Float32Array(await gpu.read(out.scales));
    const width = groups ? CHUNK : padded;
    return Array.from({ length: padded / width }, (_, i) => i).every((i) => {
      const own = q.subarray(i * width, (i + 1) * width);
      const wanted = y.subarray(i * width, (i + 1) * width);
      const scaled = scalePer === 'group' ? wanted : y;
      const s = 127 / scaled.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
      // Rounding may fall to either side of a half.
      const rounded = own.every((value, j) => Math.abs(value - (wanted[j] ?? 0) * s) < 0.501);
      const sum = own.reduce((total, v) => total + v, 0);
      return rounded && scales[2 * i + 1] === sum && Math.abs(scales[2 * i]! * s - 1) < TOLERANCE;
    });
  });
}
