// Known answers for the int8 LM head.

import type { GpuContext } from '../gpu/context';
import { packActivations } from './activation-packing';
import { isClose, run, sequence, withBuffers } from './known-answers';
import { createInt8Matrix, lmHeadInt8, type HeadVariant } from './lm-head-int8';

/** Whether an int8 head variant is right. */
export async function checkHead(gpu: GpuContext, variant: HeadVariant): Promise<boolean> {
  const rows = 8 * 35;
  const cols = 3 * 64;
  const random = sequence(3);
  const codes = Int8Array.from({ length: rows * cols }, () => (random() % 255) - 127);
  const q = Int8Array.from({ length: cols }, () => (random() % 256) - 128);
  const expected = Float64Array.from({ length: rows }, (_, row) => {
    let sum = 0;
    for (let col = 0; col < cols; col++) sum += codes[row * cols + col]! * q[col]!;
    return sum * 0.5 * 0.25;
  });
  const interleaved = new Int8Array(rows * cols);
  for (let row = 0; row < rows; row++) {
    for (let col = 0; col < cols; col++) {
      const vector = ((row >> 3) * (cols / 16) + (col >> 4)) * 8 + (row & 7);
      interleaved[vector * 16 + (col & 15)] = codes[row * cols + col]!;
    }
  }
  const head = createInt8Matrix(gpu, 'check', rows, cols);
  const [shard] = head.shards;
  const { queue } = gpu.device;
  try {
    return await withBuffers(gpu, async (scratch) => {
      queue.writeBuffer(shard!.codes, 0, interleaved);
      queue.writeBuffer(shard!.scales, 0, new Float32Array(rows).fill(0.25));
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
