// Random matrices in the blocks of Q4_0, Q4_K and Q6_K: as a file has them, as numbers, and on a GPU.
import { arrangeBlocks, blockRowSize } from '../../src/formats/block-rows';
import { paddedRows } from '../../src/formats/canonical';
import { ENCODINGS, type BlockEncoding } from '../../src/formats/encodings';
import { decodeBlocks } from '../../src/formats/floats';
import type { GpuContext } from '../../src/gpu/context';
import { createBlockMatrix, writeBlocks } from '../../src/kernels/block-matrix';
import type { BlockMatrix } from '../../src/kernels/matrices';
import { toHalf } from './gguf-writer';
import { random } from './random';

/** The encodings that kernels read as they are. */
export const BLOCK_ENCODINGS = ['Q4_0', 'Q4_K', 'Q6_K'] as const;

/** Where a block has its halves, as ggml-common.h has them. */
const HALVES: Readonly<Record<BlockEncoding, readonly number[]>> = { Q4_0: [0], Q4_K: [0, 2], Q6_K: [208] };

/**
 * Blocks of any bits, so that every code and every small scale comes up, but for their halves, which are uniform in ±0.5, times `scale`.
 * `values` are what the decoder makes of them, which has golden values of ggml (`test/unit/formats`).
 */
export function randomBlocks(
  encoding: BlockEncoding,
  count: number,
  seed: number,
  scale = 1,
): { bytes: Uint8Array<ArrayBuffer>; values: Float32Array } {
  const next = random(seed);
  const { blockBytes, byteLength } = ENCODINGS[encoding];
  const bytes = Uint8Array.from({ length: byteLength(count) }, () => Math.floor(next() * 256));
  const view = new DataView(bytes.buffer);
  for (let block = 0; block < bytes.length; block += blockBytes) {
    for (const half of HALVES[encoding]) view.setUint16(block + half, toHalf((next() - 0.5) * scale), true);
  }
  const values = new Float32Array(count);
  decodeBlocks(encoding, bytes, values);
  return { bytes, values };
}

/** Random blocks on a GPU, in shards of given lengths, as if a device could not bind more. */
export function blockShards(
  gpu: GpuContext,
  encoding: BlockEncoding,
  cols: number,
  lengths: readonly number[],
  scale?: number,
): { matrix: BlockMatrix; values: Float32Array } {
  const rows = lengths.reduce((sum, length) => sum + length, 0);
  const { bytes, values } = randomBlocks(encoding, rows * cols, rows + cols, scale);
  let firstRow = 0;
  const shards = lengths.map((length) => {
    const [shard] = createBlockMatrix(gpu, 'shard', { encoding, rows: length, cols }, 'work').shards;
    const placed = { ...shard!, firstRow };
    firstRow += length;
    return placed;
  });
  const matrix: BlockMatrix = { format: encoding, rows, cols, shards };
  const size = blockRowSize(encoding, cols);
  const codes = new Uint32Array(paddedRows(rows) * size.codes);
  const scales = new Uint32Array(paddedRows(rows) * size.scales);
  arrangeBlocks(bytes, encoding, cols, { rows, codes, scales });
  writeBlocks(gpu, matrix, { firstRow: 0, rows, codes, scales });
  return { matrix, values };
}
