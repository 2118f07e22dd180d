// Known answers for the int8 LM head.

import { halfToFloat } from '../formats/half';
import type { GpuContext } from '../gpu/context';
import { packActivations } from './activation-packing';
import { createInt8Matrix } from './int8-rows';
import { isClose, run, sequence, withBuffers } from './known-answers';
import { lmHeadInt8, type HeadVariant } from './lm-head-int8';

/** Columns that share a scale. */
const GROUP = 32;

/** Whether an int8 head variant is right. */
export async function checkHead(gpu: GpuContext, variant: HeadVariant): Promise<boolean> {
  const rows = 8 * 35;
  const cols = 3 * 64;
  const random = sequence(3);
  const codes = Int8Array.from({ length: rows * cols }, () => (random() % 255) - 127);
  const q = Int8Array.from({ length: cols }, () => (random() % 256) - 128);
  // Different for every group, and in f16 what they are here.
  const halves = Uint16Array.from({ length: (rows * cols) / GROUP }, () => 0x3400 + (random() % 0x400));
  const expected = Float64Array.from({ length: rows }, (_, row) => {
    let sum = 0;
    for (let col = 0; col < cols; col++) {
      const at = row * cols + col;
      sum += codes[at]! * halfToFloat(halves[Math.floor(at / GROUP)]!) * q[col]!;
    }
    return sum * 0.5;
  });
  const interleaved = new Int8Array(rows * cols);
  const scales = new Uint32Array((rows * cols) / 64);
  for (let row = 0; row < rows; row++) {
    for (let col = 0; col < cols; col++) {
      const vector = ((row >> 3) * (cols / 16) + (col >> 4)) * 8 + (row & 7);
      interleaved[vector * 16 + (col & 15)] = codes[row * cols + col]!;
    }
    for (let piece = 0; piece < cols / 64; piece++) {
      const first = (row * cols) / GROUP + 2 * piece;
      scales[((row >> 3) * (cols / 64) + piece) * 8 + (row & 7)] =
        halves[first]! | (halves[first + 1]! << 16);
    }
  }
  const head = createInt8Matrix(gpu, 'check', rows, cols, 'work');
  const [shard] = head.shards;
  try {
    return await withBuffers(gpu, async (scratch) => {
      gpu.write(shard!.codes, 0, new Uint32Array(interleaved.buffer));
      gpu.write(shard!.scales, 0, scales);
      const values = scratch(packActivations(q, 'bytes'));
      const quantized = { padded: cols, values, scales: scratch(new Float32Array([0.5, 0])) };
      const logits = scratch(new Float32Array(rows));
      return isClose(
        await run(gpu, await lmHeadInt8(gpu, variant, head, quantized, logits), logits),
        expected,
      );
    });
  } finally {
    gpu.free(shard!.codes);
    gpu.free(shard!.scales);
  }
}
