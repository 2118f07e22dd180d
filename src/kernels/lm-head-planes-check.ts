// Known answers for the int8 LM head in two planes: what comes before it of the activations, about what logits are, and which are made
// exact.

import { halfToFloat } from '../formats/half';
import { boundFactor, ditherOf, packPlanes, PLANE_STEP, splitCode } from '../formats/planes';
import type { GpuContext } from '../gpu/context';
import { createPlaneMatrix } from './int8-rows';
import { isClose, run, sequence, withBuffers } from './known-answers';
import type { HeadVariant } from './lm-head-int8';
import { lmHeadPlanes } from './lm-head-planes';
import type { PlaneMatrix } from './matrices';
import { normThreadsCandidates, rmsNormQuantize } from './rms-norm-quantize';

const ROWS = 8 * 35;
const COLS = 3 * 64;
/** Columns that share a scale. */
const GROUP = 32;
const EPS = 1e-6;
/** How far below the best logits have to be exact: a tenth of the rows, by these numbers. */
const WINDOW = 2000;

/** Whether a variant is right. */
export async function checkPlanesHead(gpu: GpuContext, variant: HeadVariant): Promise<boolean> {
  const { codes, halves, x } = problem();
  const { exact, known } = answers(codes, halves, x);
  const head = createPlaneMatrix(gpu, 'check', ROWS, COLS, 'work');
  try {
    upload(gpu, head, codes, halves);
    return await withBuffers(gpu, async (scratch) => {
      const q = { padded: COLS, values: scratch(new Uint32Array(COLS / 4)), scales: head.scratch.sums };
      const logits = scratch(new Float32Array(ROWS));
      const threads = normThreadsCandidates(gpu.capabilities)[0]!;
      const shape = { cols: COLS, eps: EPS, threads, packing: 'bytes', bound: head.scratch.bound } as const;
      const ones = scratch(new Float32Array(COLS).fill(1));
      const state = scratch(Uint32Array.of(0, 1, 0, 0));
      const norm = await rmsNormQuantize(gpu, 'check', shape, scratch(x), ones, q, state);
      const { contenders, all } = await lmHeadPlanes(gpu, variant, head, q, logits);
      gpu.write(head.scratch.bound, 4, Float32Array.of(WINDOW));
      return (
        isClose(await run(gpu, [norm, ...contenders], logits), known) &&
        isClose(await run(gpu, [norm, ...all], logits), exact)
      );
    });
  } finally {
    const { sums, upper, bound } = head.scratch;
    const ofShards = head.shards.flatMap((shard) => [shard.codes, shard.low, shard.scales]);
    for (const buffer of [...ofShards, sums, upper, bound]) gpu.free(buffer);
  }
}

/** Integers of which the largest is 127, so that they are their own codes. */
function problem(): { codes: Int8Array; halves: Uint16Array; x: Float32Array } {
  const random = sequence(3);
  const codes = Int8Array.from({ length: ROWS * COLS }, () => (random() % 255) - 127);
  const x = Float32Array.from({ length: COLS }, (_, col) => (col === 5 ? 127 : (random() % 255) - 127));
  // Different for every group, and in f16 what they are here.
  const halves = Uint16Array.from({ length: (ROWS * COLS) / GROUP }, () => 0x3400 + (random() % 0x400));
  return { codes, halves, x };
}

/** What logits are, and what is known of them when those that may be in the window are exact. */
function answers(
  codes: Int8Array,
  halves: Uint16Array,
  x: Float32Array,
): { exact: Float64Array; known: Float64Array } {
  const norm = 1 / Math.sqrt(x.reduce((sum, value) => sum + value ** 2, 0) / COLS + EPS);
  const [exact, about, off] = [new Float64Array(ROWS), new Float64Array(ROWS), new Float64Array(ROWS)];
  for (let row = 0; row < ROWS; row++) {
    for (let col = 0; col < COLS; col++) {
      const at = row * COLS + col;
      const part = halfToFloat(halves[Math.floor(at / GROUP)]!) * x[col]! * norm;
      const dither = ditherOf(col);
      exact[row]! += part * codes[at]!;
      about[row]! += part * (PLANE_STEP * splitCode(codes[at]!, dither).high + dither + 8);
      off[row]! += part ** 2;
    }
  }
  const bounds = off.map((squares) => boundFactor(COLS) * Math.sqrt(squares));
  const least = about.reduce((most, value, row) => Math.max(most, value - bounds[row]!), -Infinity) - WINDOW;
  return { exact, known: about.map((value, row) => (value + bounds[row]! < least ? value : exact[row]!)) };
}

function upload(gpu: GpuContext, { shards }: PlaneMatrix, codes: Int8Array, halves: Uint16Array): void {
  const { high, low } = packPlanes(codes, COLS);
  const pieces = COLS / 64;
  const scales = new Uint32Array(ROWS * pieces);
  for (let row = 0; row < ROWS; row++) {
    for (let piece = 0; piece < pieces; piece++) {
      const first = (row * pieces + piece) * 2;
      scales[((row >> 3) * pieces + piece) * 8 + (row & 7)] = halves[first]! | (halves[first + 1]! << 16);
    }
  }
  for (const shard of shards) {
    gpu.write(shard.codes, 0, high);
    gpu.write(shard.low, 0, low);
    gpu.write(shard.scales, 0, scales);
  }
}
