import { describe, expect, it } from 'vitest';
import { bytesSource } from '../../../src/files/byte-source';
import { areFiniteScales, blockPieces, blockRowSize, PLANES } from '../../../src/formats/block-rows';
import { ENCODINGS, type BlockEncoding } from '../../../src/formats/encodings';
import { halfToFloat } from '../../../src/formats/half';
import { expectFailure } from '../../support/expect-failure';
import { BLOCK_ENCODINGS, randomBlocks } from '../../support/random-blocks';

/** All pieces of a matrix in one run. */
async function arranged(
  bytes: Uint8Array,
  encoding: BlockEncoding,
  rows: number,
  cols: number,
  pieceBytes?: number,
) {
  const size = blockRowSize(encoding, cols);
  const padded = Math.ceil(rows / 8) * 8;
  const codes = new Uint32Array(padded * size.codes);
  const scales = new Uint32Array(padded * size.scales);
  const counts: number[] = [];
  const tensor = { name: 'w', shape: [rows, cols], encoding, offset: 0 };
  for await (const piece of blockPieces(bytesSource(bytes), tensor, { pieceBytes })) {
    codes.set(piece.codes, piece.firstRow * size.codes);
    scales.set(piece.scales, piece.firstRow * size.scales);
    counts.push(piece.rows);
  }
  return { codes, scales, counts };
}

const signed = (value: number, bits: number): number => (value << (32 - bits)) >> (32 - bits);
const halves = (word: number): [number, number] => [halfToFloat(word & 0xffff), halfToFloat(word >>> 16)];

/** One weight by what the layout is said to be. */
function weightAt(
  { codes, scales }: { codes: Uint32Array; scales: Uint32Array },
  encoding: BlockEncoding,
  cols: number,
  row: number,
  col: number,
): number {
  const pieces = Math.ceil(cols / 64);
  const [block, lane] = [row >> 3, row & 7];
  const [piece, chunk, j, b] = [col >> 6, (col >> 4) & 3, (col & 15) >> 2, col & 3];
  const byte = (plane: number): number => {
    const vector = ((block * pieces + piece) * PLANES[encoding] + plane) * 8 + lane;
    return (codes[vector * 4 + j]! >>> (8 * b)) & 0xff;
  };
  const upper = (byte(chunk >> 1) >> (4 * (chunk & 1))) & 15;
  if (encoding === 'Q4_0') {
    return halves(scales[(block * pieces + piece) * 8 + lane]!)[chunk >> 1]! * signed(upper, 4);
  }
  const word = (i: number): number => scales[((block * (pieces / 4) + (piece >> 2)) * 5 + i) * 8 + lane]!;
  const [d, m] = halves(word(4));
  if (encoding === 'Q6_K') {
    const n = signed((upper << 2) | ((byte(2) >> (2 * chunk)) & 3), 6);
    return d * signed(word(piece & 3) >>> (8 * chunk), 8) * n;
  }
  const [a, minimum] = [0, 6].map((bit) => (word(piece & 3) >>> (12 * (chunk >> 1) + bit)) & 63);
  return d * a! * (signed(upper, 4) + 8) - m * minimum!;
}

describe('blocks in the order of the kernels', () => {
  const shapes: [BlockEncoding, number, number][] = [
    ['Q4_0', 37, 96],
    ['Q4_K', 37, 512],
    ['Q6_K', 37, 512],
  ];
  it.each(shapes)('%s: %i rows of %i columns have the numbers of the file', async (encoding, rows, cols) => {
    const { bytes, values } = randomBlocks(encoding, rows * cols, 1);
    const matrix = await arranged(bytes, encoding, rows, cols);
    const actual = values.map((_, i) => weightAt(matrix, encoding, cols, Math.floor(i / cols), i % cols));
    expect(actual).toEqual(values);
  });

  it.each(shapes)(
    '%s: %i rows of %i columns come in pieces of whole row blocks',
    async (encoding, rows, cols) => {
      const { bytes } = randomBlocks(encoding, rows * cols, 2);
      // Room for twenty rows, of which sixteen are whole row blocks.
      const inPieces = await arranged(bytes, encoding, rows, cols, ENCODINGS[encoding].byteLength(cols) * 20);
      expect(inPieces.counts).toEqual([16, 16, 5]);
      expect(inPieces).toEqual({ ...(await arranged(bytes, encoding, rows, cols)), counts: [16, 16, 5] });
    },
  );

  it.each(shapes)('%s: what is padding in %i rows of %i columns is zero', async (encoding, rows, cols) => {
    const { bytes } = randomBlocks(encoding, rows * cols, 3);
    const matrix = await arranged(bytes, encoding, rows, cols);
    for (const col of [0, cols - 1]) expect(weightAt(matrix, encoding, cols, 39, col)).toBe(0);
    // Columns behind the last of 96 are the other half of a piece.
    if (encoding === 'Q4_0') expect(weightAt(matrix, encoding, cols, 0, 100)).toBe(0);
  });

  it('a number takes 4.5, 4.625 and 6.625 bits', () => {
    const bits = BLOCK_ENCODINGS.map((encoding) => {
      const { codes, scales } = blockRowSize(encoding, 2048);
      return ((codes + scales) * 32) / 2048;
    });
    expect(bits).toEqual([4.5, 4.625, 6.625]);
  });

  it.each(BLOCK_ENCODINGS)(
    '%s: a scale that is no finite number is found wherever it is',
    async (encoding) => {
      const [rows, cols] = [24, 512];
      const { blockBytes } = ENCODINGS[encoding];
      const offsets = { Q4_0: [0], Q4_K: [0, 2], Q6_K: [208] }[encoding];
      const sound = randomBlocks(encoding, rows * cols, 4).bytes;
      expect(areFiniteScales(encoding, await arranged(sound, encoding, rows, cols))).toBe(true);
      for (const block of [0, 1, sound.length / blockBytes - 1]) {
        for (const offset of offsets) {
          const bytes = sound.slice();
          // Infinity.
          new DataView(bytes.buffer).setUint16(block * blockBytes + offset, 0x7c00, true);
          expect(areFiniteScales(encoding, await arranged(bytes, encoding, rows, cols))).toBe(false);
        }
      }
    },
  );

  it('a tensor that goes beyond its file is refused', async () => {
    const { bytes } = randomBlocks('Q6_K', 8 * 256, 5);
    await expectFailure(arranged(bytes.subarray(0, -1), 'Q6_K', 8, 256), 'corrupt-file');
  });

  it('reading ends when it is aborted', async () => {
    const { bytes } = randomBlocks('Q4_K', 16 * 256, 6);
    const abort = new AbortController();
    const tensor = { name: 'w', shape: [16, 256], encoding: 'Q4_K', offset: 0 } as const;
    const pieces = blockPieces(bytesSource(bytes), tensor, { signal: abort.signal, pieceBytes: 1 });
    expect((await pieces.next()).value).toMatchObject({ firstRow: 0, rows: 8 });
    abort.abort();
    await expectFailure(pieces.next(), 'aborted');
  });
});
