import { describe, expect, it } from 'vitest';
import { bytesSource, type ByteSource } from '../../../src/files/byte-source';
import { canonicalWords, codeAt, paddedRows } from '../../../src/formats/canonical';
import { floatPieces } from '../../../src/formats/floats';
import { parseGguf } from '../../../src/formats/gguf';
import { packedTernaryPieces } from '../../../src/formats/packed';
import { parseSafetensors } from '../../../src/formats/safetensors';
import { readI2sScale, ternaryPieces } from '../../../src/formats/ternary';
import { packCodes } from '../../support/gguf-writer';
import { expectFailure } from '../../support/expect-failure';
import { fileSource } from '../../support/model-files';
import { randomCodes } from '../../support/random';
import { collectPieces } from '../../support/ternary-pieces';

/** Words of a packed matrix [rows, cols]; scales stay NaN, as there are none. */
async function unpack(source: ByteSource, shape: readonly number[], offset: number, pieceBytes?: number) {
  const [quarter, cols] = shape as [number, number];
  const pieces = packedTernaryPieces(source, { name: 'w', shape, offset }, { pieceBytes });
  const { words, scales } = await collectPieces(pieces, quarter * 4, cols, 'row');
  expect(scales.every(Number.isNaN)).toBe(true);
  return words;
}

describe('packedTernaryPieces', () => {
  // Quarters at and off multiples of 8 rows (one of 1, 3: blocks that all four quarters share), rows off words and chunks.
  it.each([
    [32, 64],
    [64, 256],
    [4, 16],
    [12, 64],
    [100, 48],
    [68, 20],
    [36, 7],
    [160, 192],
  ])('gives the canonical words of [%i, %i], in pieces of any size', async (rows, cols) => {
    const codes = randomCodes(rows * cols, rows, 4);
    const packed = packCodes(codes, rows, cols);
    const file = new Uint8Array(packed.length + 1);
    file.set(packed, 1);
    const source = bytesSource(file);
    const words = await unpack(source, [rows / 4, cols], 1);
    for (let row = 0; row < paddedRows(rows); row++) {
      for (let col = 0; col < Math.ceil(cols / 64) * 64; col++) {
        const expected = row < rows && col < cols ? codes[row * cols + col] : 1;
        if (codeAt(words, row, col, cols) !== expected) expect.fail(`wrong code at ${row}, ${col}`);
      }
    }
    expect(words.length).toBe(canonicalWords(rows, cols));
    expect(await unpack(source, [rows / 4, cols], 1, 1)).toEqual(words);
    expect(await unpack(source, [rows / 4, cols], 1, cols * 16)).toEqual(words);
  });

  it('gives the words that the I2_S file of the same model gives', async () => {
    const hf = fileSource('test/fixtures/models/ternion-tiny-safetensors/model.safetensors');
    const gguf = fileSource('public/models/ternion-tiny-i2_s.gguf');
    const ours = await parseSafetensors(hf);
    const theirs = (await parseGguf(gguf)).tensors;
    const names = { q_proj: 'attn_q', k_proj: 'attn_k', o_proj: 'attn_output' };
    for (const [hfName, ggufName] of Object.entries(names)) {
      const name = `model.layers.2.self_attn.${hfName}`;
      const packed = ours.get(`${name}.weight`)!;
      const tensor = theirs.get(`blk.2.${ggufName}.weight`)!;
      const [rows, cols] = tensor.shape as [number, number];
      const { words } = await collectPieces(ternaryPieces(gguf, tensor), rows, cols, 'row');
      expect(await unpack(hf, packed.shape, packed.offset)).toEqual(words);
      const scale = ours.get(`${name}.weight_scale`)!;
      const floats = floatPieces(hf, { ...scale, encoding: 'BF16' }, 'f32');
      const relative = (await floats.next()).value!.values[0]! / (await readI2sScale(gguf, tensor));
      expect(Math.abs(relative - 1)).toBeLessThan(2 ** -8); // bfloat16 has 8 bits
    }
  });

  it('refuses shapes that are no matrix, and bytes past the end', async () => {
    const source = bytesSource(new Uint8Array(64));
    await expectFailure(
      packedTernaryPieces(source, { name: 'w', shape: [64], offset: 0 }).next(),
      'corrupt-file',
    );
    await expectFailure(
      packedTernaryPieces(source, { name: 'w', shape: [0, 4], offset: 0 }).next(),
      'corrupt-file',
    );
    await expectFailure(
      packedTernaryPieces(source, { name: 'w', shape: [5, 16], offset: 0 }).next(),
      'corrupt-file',
    );
    const huge = packedTernaryPieces(source, { name: 'w', shape: [1, 2 ** 30], offset: 0 });
    await expectFailure(huge.next(), 'unsupported-feature');
  });
});
