import { describe, expect, it } from 'vitest';
import { bytesSource, type ByteSource } from '../../../src/files/byte-source';
import { ENCODINGS, type EncodingName } from '../../../src/formats/encodings';
import { floatPieces, type FloatOptions } from '../../../src/formats/floats';
import { floatsToHalves, halvesToFloats } from '../../../src/formats/half';
import { FLOAT_ENCODERS, encodeTernary } from '../../support/gguf-writer';
import golden from '../../fixtures/ggml-blocks.json';
import { expectFailure } from '../../support/expect-failure';
import { random, randomCodes } from '../../support/random';

async function read(
  bytes: Uint8Array,
  encoding: EncodingName,
  elements: number,
  options?: FloatOptions,
): Promise<Float32Array> {
  const out = new Float32Array(elements).fill(NaN);
  const tensor = { name: 'w', shape: [elements], encoding, offset: 0 };
  for await (const { firstElement, values } of floatPieces(bytesSource(bytes), tensor, 'f32', options)) {
    out.set(values, firstElement);
  }
  return out;
}

async function readHalves(bytes: Uint8Array, encoding: EncodingName, elements: number): Promise<Uint16Array> {
  const out = new Uint16Array(elements);
  const tensor = { name: 'w', shape: [elements], encoding, offset: 0 };
  for await (const { firstElement, values } of floatPieces(bytesSource(bytes), tensor, 'f16')) {
    out.set(values, firstElement);
  }
  return out;
}

function fromBase64(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'base64'));
}

function normals(count: number, seed: number): Float32Array {
  const next = random(seed);
  return Float32Array.from({ length: count }, () => next() + next() + next() + next() - 2);
}

describe('floatPieces', () => {
  it.each(['BF16', 'Q8_0', 'Q4_0', 'Q4_K', 'Q6_K', 'TQ1_0', 'TQ2_0'] as const)(
    'reads blocks of %s as llama.cpp does',
    async (encoding) => {
      const expected = new Float32Array(fromBase64(golden[encoding].floats).slice().buffer);
      const values = await read(fromBase64(golden[encoding].bytes), encoding, expected.length);
      // Q4_K's minimum is subtracted in float32 there, and in double here before it is rounded.
      const tolerance = encoding === 'Q4_K' ? 2 ** -22 : 0;
      for (const [i, value] of values.entries()) {
        expect(Math.abs(value - expected[i]!)).toBeLessThanOrEqual(tolerance * Math.abs(expected[i]!));
      }
    },
  );

  // Half a step of each: 11 and 8 bits of mantissa, and the quantisation step of values up to 2; 4- and 6-bit blocks also
  // round their scales.
  it.each([
    ['F32', 0],
    ['F16', 2 ** -11],
    ['BF16', 2 ** -8],
    ['Q8_0', 2 / 127 / 2 + 0.002],
    ['Q4_0', 2 / 7 / 2 + 0.002],
    ['Q4_K', 4 / 15 / 2 + 0.05],
    ['Q6_K', 2 / 31 / 2 + 0.02],
  ] as const)('reads back what was written as %s, within %f', async (encoding, error) => {
    const values = normals(2048, 1);
    const back = await read(FLOAT_ENCODERS[encoding](values), encoding, 2048);
    for (const [i, value] of values.entries()) expect(Math.abs(back[i]! - value)).toBeLessThanOrEqual(error);
  });

  it.each(['I2_S', 'TQ1_0', 'TQ2_0', 'Q2_0', 'Q2_0_128', 'PQ2_0'] as const)(
    'reads %s as (code - 1) scale',
    async (encoding) => {
      const codes = randomCodes(3 * 256, 2, encoding === 'TQ1_0' ? 3 : 4);
      const blocks = (3 * 256) / ENCODINGS[encoding].blockElements;
      const scales = Array.from({ length: blocks }, (_, i) => (encoding === 'I2_S' ? 0.7 : (i + 1) / 32));
      const values = await read(encodeTernary(encoding, codes, scales), encoding, codes.length);
      for (const [i, value] of values.entries()) {
        const scale = scales[Math.floor(i / ENCODINGS[encoding].blockElements)]!;
        expect(value).toBe(Math.fround((codes[i]! - 1) * Math.fround(scale)) + 0);
      }
    },
  );

  it.each(['F32', 'F16', 'Q8_0', 'Q6_K', 'I2_S', 'Q2_0'] as const)(
    'gives %s piece by piece',
    async (encoding) => {
      const bytes =
        encoding === 'I2_S' || encoding === 'Q2_0'
          ? encodeTernary(encoding, randomCodes(2560, 3), 0.5)
          : FLOAT_ENCODERS[encoding](normals(2560, 3));
      const whole = await read(bytes, encoding, 2560);
      expect(await read(bytes, encoding, 2560, { pieceElements: 512 })).toEqual(whole);
      expect(await read(bytes, encoding, 2560, { pieceElements: 1 })).toEqual(whole);
    },
  );

  it.each(['F32', 'BF16', 'Q8_0', 'Q4_K'] as const)('rounds %s to the nearest halves', async (encoding) => {
    const bytes = FLOAT_ENCODERS[encoding](normals(1024, 4));
    const expected = new Uint16Array(1024);
    floatsToHalves(await read(bytes, encoding, 1024), expected);
    expect(await readHalves(bytes, encoding, 1024)).toEqual(expected);
  });

  it('passes f16 and f32 through without a copy where they are aligned, and gets them right where not', async () => {
    const values = normals(256, 5);
    for (const shift of [0, 1, 2, 4]) {
      const file = new Uint8Array(shift + 1024);
      file.set(new Uint8Array(values.buffer), shift);
      const floats = floatPieces(
        bytesSource(file),
        { name: 'w', shape: [256], encoding: 'F32', offset: shift },
        'f32',
      );
      const piece = (await floats.next()).value!;
      expect(piece.values).toEqual(values);
      expect(piece.values.buffer === file.buffer).toBe(shift % 4 === 0);
      const halves = floatPieces(
        bytesSource(file),
        { name: 'w', shape: [256], encoding: 'F16', offset: shift },
        'f16',
      );
      const first = (await halves.next()).value!;
      expect(new Uint8Array(first.values.slice().buffer)).toEqual(file.slice(shift, shift + 512));
      expect(first.values.buffer === file.buffer).toBe(shift % 2 === 0);
    }
  });

  it('reads halves as floats exactly', async () => {
    const halves = Uint16Array.from({ length: 0x7c00 }, (_, i) => i);
    const expected = new Float32Array(0x7c00);
    halvesToFloats(halves, expected);
    expect(await read(new Uint8Array(halves.buffer), 'F16', 0x7c00)).toEqual(expected);
  });

  it('refuses broken blocks, and bytes past the end', async () => {
    await expectFailure(read(new Uint8Array(34), 'Q8_0', 33), 'corrupt-file', 'whole blocks');
    await expectFailure(read(new Uint8Array(33), 'Q8_0', 32), 'corrupt-file');
  });

  it('reads the scale of I2_S ahead, and then the codes in order', async () => {
    const inner = bytesSource(encodeTernary('I2_S', randomCodes(1024, 6), 0.5));
    const reads: { offset: number; length: number; ahead: boolean }[] = [];
    const source: ByteSource = {
      size: inner.size,
      read: (offset, length, options) => {
        reads.push({ offset, length, ahead: options?.ahead === true });
        return inner.read(offset, length, options);
      },
    };
    const tensor = { name: 'w', shape: [1024], encoding: 'I2_S' as const, offset: 0 };
    const pieces = floatPieces(source, tensor, 'f32', { pieceElements: 512 });
    while (!(await pieces.next()).done);
    // Four codes a byte; the scale is in the 32 bytes behind them.
    expect(reads).toEqual([
      { offset: 256, length: 32, ahead: true },
      { offset: 0, length: 128, ahead: false },
      { offset: 128, length: 128, ahead: false },
    ]);
  });

  it('stops when the signal fires', async () => {
    const tensor = { name: 'w', shape: [1024], encoding: 'F32' as const, offset: 0 };
    const controller = new AbortController();
    const options = { signal: controller.signal, pieceElements: 256 };
    const pieces = floatPieces(bytesSource(new Uint8Array(4096)), tensor, 'f32', options);
    await pieces.next();
    controller.abort();
    await expectFailure(pieces.next(), 'aborted');
  });
});
