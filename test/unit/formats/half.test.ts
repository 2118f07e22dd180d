import { describe, expect, it } from 'vitest';
import {
  areFiniteHalves,
  bfloatsToFloats,
  floatsToHalves,
  halfToFloat,
  halvesToFloats,
} from '../../../src/formats/half';
import { toHalf } from '../../support/gguf-writer';
import { random } from '../../support/random';

const everyHalf = Uint16Array.from({ length: 65536 }, (_, i) => i);

const isNaNHalf = (half: number) => (half & 0x7fff) > 0x7c00;

// Bits of non-negative halves are ordered like their values; 0x7c00 stands for 65536 when rounding.
const valueOf = (bits: number) => (bits === 0x7c00 ? 65536 : halfToFloat(bits));

/** The nearest half, by trying the two around a number. */
function nearestHalf(value: number): number {
  const sign = Object.is(value, -0) || value < 0 ? 0x8000 : 0;
  const magnitude = Math.abs(value);
  let low = 0;
  for (let step = 1 << 14; step; step >>= 1) {
    if (low + step <= 0x7c00 && valueOf(low + step) <= magnitude) low += step;
  }
  if (low === 0x7c00) return sign | low;
  const below = magnitude - valueOf(low);
  const above = valueOf(low + 1) - magnitude;
  return sign | (below < above || (below === above && low % 2 === 0) ? low : low + 1);
}

describe('halves', () => {
  it.each([
    // From the IEEE 754 binary16 table.
    [0x0000, 0],
    [0x0001, 2 ** -24],
    [0x03ff, 1023 * 2 ** -24],
    [0x0400, 2 ** -14],
    [0x3555, 0.333251953125],
    [0x3c00, 1],
    [0xc000, -2],
    [0x7bff, 65504],
    [0x7c00, Infinity],
    [0xfc00, -Infinity],
  ])('%i is %f, and back', (bits, value) => {
    expect(halfToFloat(bits)).toBe(value);
    expect(toHalf(value)).toBe(bits);
  });

  it('become the same floats one by one and in bulk, all 65,536', () => {
    const floats = new Float32Array(65536);
    halvesToFloats(everyHalf, floats);
    expect(everyHalf.every((half) => Object.is(floats[half], halfToFloat(half)))).toBe(true);
  });

  it('come back from floats as they were; NaNs quiet', () => {
    const floats = new Float32Array(65536);
    const back = new Uint16Array(65536);
    halvesToFloats(everyHalf, floats);
    floatsToHalves(floats, back);
    expect(back).toEqual(everyHalf.map((half) => (isNaNHalf(half) ? half | 0x200 : half)));
  });

  it('are the nearest to any float, ties to even', () => {
    const next = random(16);
    const bits = Uint32Array.from({ length: 20_000 }, () => next() * 2 ** 32);
    // Exponents around and below the range of halves, where rounding is delicate; ties from every half on.
    for (let i = 0; i < 10_000; i++) bits[i] = (bits[i]! & 0x807fffff) | ((98 + (i % 50)) << 23);
    const ties = Array.from({ length: 0x7c00 }, (_, half) => {
      const above = half === 0x7bff ? 65536 : halfToFloat(half + 1);
      return (halfToFloat(half) + above) / 2;
    });
    const floats = new Float32Array([...new Float32Array(bits.buffer), ...ties, ...ties.map((tie) => -tie)]);
    const halves = new Uint16Array(floats.length);
    floatsToHalves(floats, halves);
    for (const [i, value] of floats.entries()) {
      const right = Number.isNaN(value) ? isNaNHalf(halves[i]!) : halves[i] === nearestHalf(value);
      if (!right) expect.fail(`${value} became ${halves[i]}`);
    }
  });
});

describe('halves that are all finite', () => {
  it('are told from those with one that is infinite or NaN, at any place and alignment', () => {
    const all = new Uint16Array(24).fill(0xfbff); // −65504, the largest
    for (let from = 0; from < 4; from++) {
      for (let to = from; to <= from + 5; to++) {
        const halves = all.subarray(from, to);
        expect(areFiniteHalves(halves)).toBe(true);
        for (const bits of [0x7c00, 0xfc00, 0x7e00, 0xffff, 0x7c01]) {
          for (let i = 0; i < halves.length; i++) expect(areFiniteHalves(halves.with(i, bits))).toBe(false);
          for (let i = 0; i < halves.length; i++) {
            // In place, where the view need not begin at a multiple of four bytes; and beside it, which is not looked at.
            halves[i] = bits;
            expect(areFiniteHalves(halves)).toBe(false);
            expect(areFiniteHalves(all.subarray(to))).toBe(true);
            halves[i] = 0xfbff;
          }
        }
      }
    }
  });

  it('are exactly those of an exponent that is not all ones', () => {
    for (let bits = 0; bits < 65536; bits++) {
      expect(areFiniteHalves(Uint16Array.of(0, bits))).toBe(Number.isFinite(halfToFloat(bits)));
      expect(areFiniteHalves(Uint16Array.of(bits, 0))).toBe(Number.isFinite(halfToFloat(bits)));
    }
  });
});

describe('bfloats', () => {
  it('are the upper half of floats', () => {
    const floats = new Float32Array(3);
    bfloatsToFloats(Uint16Array.of(0x3f80, 0xc040, 0x7f80), floats);
    expect([...floats]).toEqual([1, -3, Infinity]);
  });
});
