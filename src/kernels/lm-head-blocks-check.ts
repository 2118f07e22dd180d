// Known answers for the LM head in the blocks of a file.

import { arrangeBlocks, blockRowSize } from '../formats/block-rows';
import { ENCODINGS, type BlockEncoding } from '../formats/encodings';
import { decodeBlocks } from '../formats/floats';
import type { GpuContext } from '../gpu/context';
import { packActivations } from './activation-packing';
import { createBlockMatrix, writeBlocks } from './block-matrix';
import { isClose, run, sequence, withBuffers } from './known-answers';
import { lmHeadBlocks } from './lm-head-blocks';
import type { HeadVariant } from './lm-head-int8';

const ROWS = 8 * 11;
/** Whole blocks of every encoding, and no whole number of rounds of most variants. */
const COLS = 3 * 256;

/** Where a block has its halves, which must be numbers. */
const HALVES: Readonly<Record<BlockEncoding, readonly number[]>> = { Q4_0: [0], Q4_K: [0, 2], Q6_K: [208] };

/** Whether a variant of the head is right for that encoding. */
export async function checkBlocksHead(
  gpu: GpuContext,
  variant: HeadVariant,
  encoding: BlockEncoding,
): Promise<boolean> {
  const bytes = randomBlocks(encoding);
  const weights = new Float32Array(ROWS * COLS);
  decodeBlocks(encoding, bytes, weights);
  const random = sequence(3);
  const q = Int8Array.from({ length: COLS }, () => (random() % 256) - 128);
  const expected = Float64Array.from({ length: ROWS }, (_, row) =>
    q.reduce((sum, value, col) => sum + weights[row * COLS + col]! * value * 0.5, 0),
  );
  const head = createBlockMatrix(gpu, 'check', { encoding, rows: ROWS, cols: COLS }, 'work');
  const size = blockRowSize(encoding, COLS);
  const codes = new Uint32Array(ROWS * size.codes);
  const scales = new Uint32Array(ROWS * size.scales);
  arrangeBlocks(bytes, encoding, COLS, { rows: ROWS, codes, scales });
  try {
    writeBlocks(gpu, head, { firstRow: 0, rows: ROWS, codes, scales });
    return await withBuffers(gpu, async (scratch) => {
      const values = scratch(packActivations(q, 'bytes'));
      const quantized = { padded: COLS, values, scales: scratch(new Float32Array([0.5, 0])) };
      const logits = scratch(new Float32Array(ROWS));
      return isClose(
        await run(gpu, await lmHeadBlocks(gpu, variant, head, quantized, logits), logits),
        expected,
      );
    });
  } finally {
    for (const shard of head.shards) {
      gpu.free(shard.codes);
      gpu.free(shard.scales);
    }
  }
}

/** Any codes and small scales, and halves in [0.25, 0.5). */
function randomBlocks(encoding: BlockEncoding): Uint8Array {
  const random = sequence(5);
  const { blockBytes, byteLength } = ENCODINGS[encoding];
  const bytes = Uint8Array.from({ length: byteLength(ROWS * COLS) }, () => random());
  for (let block = 0; block < bytes.length; block += blockBytes) {
    for (const half of HALVES[encoding]) bytes[block + half + 1] = 0x34 | (bytes[block + half + 1]! & 3);
  }
  return bytes;
}
