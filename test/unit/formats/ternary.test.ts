import { describe, expect, it } from 'vitest';
import { bytesSource, type ByteSource } from '../../../src/files/byte-source';
import { canonicalWords, codeAt, paddedRows, scaleIndex } from '../../../src/formats/canonical';
import type { TernaryEncoding } from '../../../src/formats/encodings';
import { fastConverter, plainWords } from '../../../src/formats/fast-words';
import { parseGguf } from '../../../src/formats/gguf';
import {
  hasUniformScale,
  matrixShape,
  scaleGroup,
  ternaryPieces,
  type TernaryOptions,
} from '../../../src/formats/ternary';
import { encodeTernary } from '../../support/gguf-writer';
import { expectFailure } from '../../support/expect-failure';
import { fileSource } from '../../support/model-files';
import { random, randomCodes } from '../../support/random';
import { collectPieces } from '../../support/ternary-pieces';

function tensorOf(encoding: TernaryEncoding, rows: number, cols: number, offset = 0) {
  return { name: 'w', shape: [rows, cols], encoding, offset };
}

/** Streams codes of a matrix, encoded, at byte 3 of a file: bytes that no typed array can be laid over. */
async function convert(
  encoding: TernaryEncoding,
  codes: Uint8Array,
  rows: number,
  cols: number,
  scales: number | readonly number[],
  options: TernaryOptions = {},
) {
  const encoded = encodeTernary(encoding, codes, scales);
  const file = new Uint8Array(encoded.length + 3);
  file.set(encoded, 3);
  const pieces = ternaryPieces(bytesSource(file), tensorOf(encoding, rows, cols, 3), options);
  return collectPieces(pieces, rows, cols, options.group ?? scaleGroup(encoding));
}

function expectCodes(words: Uint32Array, codes: Uint8Array, rows: number, cols: number): void {
  const paddedCols = Math.ceil(cols / 64) * 64;
  for (let row = 0; row < paddedRows(rows); row++) {
    for (let col = 0; col < paddedCols; col++) {
      const expected = row < rows && col < cols ? codes[row * cols + col] : 1;
      if (codeAt(words, row, col, cols) !== expected) {
        expect.fail(`code at ${row}, ${col} is ${codeAt(words, row, col, cols)}, not ${expected}`);
      }
    }
  }
}

// Rows and columns at and off the sizes of blocks, row blocks and chunks. Only I2_S has rows of broken blocks in real
// files (bitnet_b1_58-3B: 8640 = 67.5 * 128); the others are read all the same if one scale is asked for.
const SIZES: readonly [TernaryEncoding, number, number][] = [
  ['I2_S', 1, 128],
  ['I2_S', 8, 128],
  ['I2_S', 13, 640],
  ['I2_S', 20, 192],
  ['I2_S', 12, 32],
  ['I2_S', 10, 320],
  ['I2_S', 128, 5],
  ['I2_S', 256, 33],
  ['I2_S', 40, 80],
  ['TQ1_0', 5, 256],
  ['TQ1_0', 17, 768],
  ['TQ1_0', 4, 192],
  ['TQ1_0', 256, 7],
  ['TQ2_0', 9, 256],
  ['TQ2_0', 16, 1280],
  ['TQ2_0', 8, 160],
  ['TQ2_0', 512, 3],
  ['Q2_0', 3, 64],
  ['Q2_0', 18, 320],
  ['Q2_0', 4, 48],
  ['Q2_0_128', 11, 128],
  ['Q2_0_128', 8, 384],
  ['Q2_0_128', 6, 192],
  ['PQ2_0', 11, 128],
  ['PQ2_0', 6, 192],
];

describe('ternaryPieces', () => {
  it.each(SIZES)('gives the canonical words of %s [%i, %i]', async (encoding, rows, cols) => {
    const codes = randomCodes(rows * cols, rows + cols);
    const { words, scales } = await convert(encoding, codes, rows, cols, 0.5, { group: 'row' });
    expectCodes(words, codes, rows, cols);
    const expected = Array.from({ length: paddedRows(rows) }, (_, row) => (row < rows ? 0.5 : 0));
    expect([...scales]).toEqual(expected);
  });

  it.each(SIZES)('gives the same in small pieces as in one: %s [%i, %i]', async (encoding, rows, cols) => {
    const codes = randomCodes(rows * cols, rows * cols);
    const whole = await convert(encoding, codes, rows, cols, 2, { group: 'row' });
    const parts = await convert(encoding, codes, rows, cols, 2, { group: 'row', pieceBytes: 1 });
    expect(parts).toEqual(whole);
  });

  it.each(['TQ2_0', 'Q2_0', 'Q2_0_128', 'PQ2_0', 'I2_S'] as const)('keeps code 3 of %s', async (encoding) => {
    const codes = randomCodes(8 * 256, 7, 4);
    const { words } = await convert(encoding, codes, 8, 256, 1);
    expectCodes(words, codes, 8, 256);
  });

  it.each([
    ['TQ1_0', 256],
    ['TQ2_0', 256],
    ['Q2_0', 64],
    ['Q2_0_128', 128],
    ['PQ2_0', 128],
  ] as const)('gives each block of %s its own scale, for %i columns', async (encoding, group) => {
    const [rows, cols] = [11, group * 3];
    const next = random(group);
    // Multiples of 1/64 below 2 are exact as halves.
    const blockScales = Array.from({ length: rows * 3 }, () => Math.floor(next() * 128) / 64);
    const { scales } = await convert(encoding, randomCodes(rows * cols, 1), rows, cols, blockScales);
    expect(scales.length).toBe(16 * 3);
    for (let row = 0; row < 16; row++) {
      for (let g = 0; g < 3; g++) {
        const expected = row < rows ? blockScales[row * 3 + g] : 0;
        expect(scales[scaleIndex(row, g * group, cols, group)]).toBe(expected);
      }
    }
  });

  it('splits scales into smaller groups where blocks run over row ends', async () => {
    // Blocks of 256 in rows of 192: groups of 64 are parts of one block each.
    const blockScales = [1, 2, 3];
    const { scales } = await convert('TQ2_0', randomCodes(4 * 192, 2), 4, 192, blockScales, { group: 64 });
    for (let row = 0; row < 4; row++) {
      for (let col = 0; col < 192; col += 64) {
        expect(scales[scaleIndex(row, col, 192, 64)]).toBe(blockScales[(row * 192 + col) >> 8]);
      }
    }
  });

  it('refuses to give one scale to columns that have several', async () => {
    const codes = randomCodes(8 * 512, 3);
    const scales = Array.from({ length: 16 }, (_, block) => 1 + block);
    await expectFailure(convert('TQ2_0', codes, 8, 512, scales, { group: 'row' }), 'unsupported-feature');
  });

  it('refuses encodings that are not ternary, and groups that cut chunks', async () => {
    const source = bytesSource(new Uint8Array(4096));
    const first = (options: TernaryOptions, encoding: 'F16' | 'Q2_0') =>
      ternaryPieces(source, { name: 'w', shape: [8, 64], encoding, offset: 0 }, options).next();
    await expectFailure(first({}, 'F16'), 'invalid-argument');
    await expectFailure(first({ group: 32 }, 'Q2_0'), 'invalid-argument');
  });

  it('refuses an I2_S scale that is no number', async () => {
    await expectFailure(convert('I2_S', randomCodes(1024, 4), 8, 128, NaN), 'corrupt-file', 'NaN');
  });

  it('refuses rows so long that a row block would not fit into memory', async () => {
    const tensor = tensorOf('I2_S', 8, 2 ** 28);
    await expectFailure(ternaryPieces(bytesSource(new Uint8Array(8)), tensor).next(), 'unsupported-feature');
  });

  it.each(['I2_S', 'TQ1_0', 'TQ2_0', 'Q2_0'] as const)(
    'reads every byte of %s once, in order, a bounded number at a time',
    async (encoding) => {
      const [rows, cols] = [100, 512];
      const bytes = encodeTernary(encoding, randomCodes(rows * cols, 5), 1);
      const reads: [number, number][] = [];
      const inner = bytesSource(bytes);
      const source: ByteSource = {
        size: inner.size,
        read: (offset, length) => {
          reads.push([offset, length]);
          return inner.read(offset, length);
        },
      };
      const pieces = ternaryPieces(source, tensorOf(encoding, rows, cols), { pieceBytes: 4096 });
      await collectPieces(pieces, rows, cols, scaleGroup(encoding));
      let end = 0;
      for (const [offset, length] of reads) {
        expect(offset).toBe(end);
        expect(length).toBeLessThanOrEqual(4096);
        end = offset + length;
      }
      expect(end).toBe(bytes.length);
    },
  );

  it('stops when the signal fires', async () => {
    const controller = new AbortController();
    const tensor = tensorOf('Q2_0', 64, 64);
    const source = bytesSource(encodeTernary('Q2_0', randomCodes(64 * 64, 6), 1));
    const pieces = ternaryPieces(source, tensor, { signal: controller.signal, pieceBytes: 1 });
    await pieces.next();
    controller.abort();
    await expectFailure(pieces.next(), 'aborted');
  });
});

describe('the fast conversions', () => {
  it.each([
    ['I2_S', 128],
    ['I2_S', 96],
    ['TQ1_0', 256],
    ['TQ2_0', 256],
    ['Q2_0', 64],
    ['Q2_0_128', 128],
    ['PQ2_0', 128],
  ] as const)('of %s, rows of multiples of %i, agree with the plain one on any bytes', (encoding, unit) => {
    const next = random(unit);
    // 4 rows of 3 units are whole blocks even for I2_S with 96.
    const [rows, cols] = [20, unit * 3];
    const bytes = Uint8Array.from({ length: rows * cols }, () => Math.floor(next() * 256));
    const fast = new Int32Array(canonicalWords(rows, cols)).fill(0x55555555);
    const plain = fast.slice();
    const convert = fastConverter(encoding, cols);
    expect(convert).toBeDefined();
    convert!(bytes, rows, cols, fast);
    plainWords(encoding)(bytes, rows, cols, plain);
    expect(fast).toEqual(plain);
  });
});

describe('hasUniformScale', () => {
  it.each(['TQ1_0', 'TQ2_0', 'Q2_0', 'Q2_0_128', 'PQ2_0'] as const)(
    'sees whether blocks of %s differ',
    async (encoding) => {
      const codes = randomCodes(16 * 512, 8);
      const tensor = tensorOf(encoding, 16, 512);
      const blocks = (16 * 512) / { TQ1_0: 256, TQ2_0: 256, Q2_0: 64, Q2_0_128: 128, PQ2_0: 128 }[encoding];
      const scales = Array.from({ length: blocks }, () => 0.25);
      const check = () =>
        hasUniformScale(bytesSource(encodeTernary(encoding, codes, scales)), tensor, { pieceBytes: 100 });
      expect(await check()).toBe(true);
      scales[blocks - 1] = 0.5;
      expect(await check()).toBe(false);
    },
  );
});

/** The ternary matrices of a file, by name. */
async function matrices(path: string) {
  const source = fileSource(path);
  const { tensors } = await parseGguf(source);
  const found = new Map<string, { words: Uint32Array; scale: number }>();
  for (const tensor of tensors.values()) {
    if (tensor.shape.length < 2 || tensor.encoding === 'F16') continue;
    const { rows, cols } = matrixShape(tensor.shape);
    const pieces = ternaryPieces(source, tensor, { group: 'row', pieceBytes: 10_000 });
    const { words, scales } = await collectPieces(pieces, rows, cols, 'row');
    found.set(tensor.name, { words, scale: scales[0]! });
  }
  return found;
}

describe('files of one model', () => {
  it.each(['tq1_0', 'tq2_0'])('have the same words as I2_S and as %s, and scales alike', async (other) => {
    const i2s = await matrices('public/models/ternion-tiny-i2_s.gguf');
    const tq = await matrices(`test/fixtures/models/ternion-tiny-${other}.gguf`);
    expect(i2s.size).toBe(28); // 4 layers of 7 matrices
    expect([...tq.keys()]).toEqual([...i2s.keys()]);
    for (const [name, { words, scale }] of tq) {
      expect(words).toEqual(i2s.get(name)!.words);
      // Rounded to a half there: 11 bits.
      expect(Math.abs(scale / i2s.get(name)!.scale - 1)).toBeLessThan(2 ** -11);
    }
  });
});
