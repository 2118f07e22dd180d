// Int8 numbers in two planes: nothing is lost, and what the upper plane leaves open is as evenly distributed as the bound takes it for.
import { describe, expect, it } from 'vitest';
import {
  boundFactor,
  ditherOf,
  MISS,
  packPlanes,
  PLANE_STEP,
  planeRow,
  splitCode,
} from '../../../src/formats/planes';
import { normals } from '../../support/reference';

const DITHERS = Array.from({ length: 17 }, (_, i) => i - 8);
const CODES = Array.from({ length: 255 }, (_, i) => i - 127);

describe('a number', () => {
  it('is its two parts and the dither, whatever that is', () => {
    for (const dither of DITHERS) {
      for (const code of CODES) {
        const { high, low } = splitCode(code, dither);
        expect(PLANE_STEP * high + dither + low).toBe(code);
        expect(high >= -8 && high <= 7 && low >= 0 && low <= 16).toBe(true);
      }
    }
  });

  it('has every lower part once over all dithers', () => {
    for (const code of CODES) {
      const lows = DITHERS.map((dither) => splitCode(code, dither).low);
      expect(new Set(lows).size).toBe(17);
    }
  });
});

describe('the dither', () => {
  it('takes each of 17 values about as often', () => {
    const counts = new Map<number, number>();
    const columns = 17_000;
    for (let c = 0; c < columns; c++) counts.set(ditherOf(c), (counts.get(ditherOf(c)) ?? 0) + 1);
    expect([...counts.keys()].sort((a, b) => a - b)).toEqual(DITHERS);
    // A thousand each, with a deviation of 31.
    for (const count of counts.values()) expect(Math.abs(count - 1000)).toBeLessThan(5 * 31);
  });

  it('of a column says nothing of that of the next', () => {
    const n = 17_000;
    let sum = 0;
    for (let c = 0; c < n; c++) sum += ditherOf(c) * ditherOf(c + 1);
    // Products of two such, whose variance is 24, have a deviation of 24.
    expect(Math.abs(sum / n)).toBeLessThan((5 * 24) / Math.sqrt(n));
  });
});

describe('the bound', () => {
  it('is as many deviations as its probability asks for, and a little for rounding', () => {
    // Chernoff: exp(-k²/2) = MISS; a deviation of an error is √24.
    const deviations = Math.sqrt(-2 * Math.log(MISS));
    expect(boundFactor(2560) / Math.sqrt(24)).toBeGreaterThan(deviations);
    expect(boundFactor(2560) / Math.sqrt(24)).toBeLessThan(1.01 * deviations);
  });

  it('holds, and is not far from what errors come to', () => {
    const cols = 2560;
    let most = 0;
    for (let row = 0; row < 200; row++) {
      const weights = normals(cols, row).map((value) =>
        Math.max(-127, Math.min(127, Math.round(value * 50))),
      );
      const x = normals(cols, 1000 + row);
      const error = weights.reduce((sum, w, c) => sum + x[c]! * (splitCode(w, ditherOf(c)).low - 8), 0);
      const norm = Math.hypot(...x);
      most = Math.max(most, Math.abs(error) / (boundFactor(cols) * norm));
    }
    expect(most).toBeLessThan(1);
    // The largest of 200 normal errors is 2.8 deviations on average; the bound is 7.4.
    expect(most).toBeGreaterThan(0.25);
  });
});

describe('planes', () => {
  it('have each number in its place', () => {
    const [rows, cols] = [11, 600];
    const codes = Int8Array.from({ length: rows * cols }, (_, i) => ((i * 7919) % 255) - 127);
    const { high, low } = packPlanes(codes, cols);
    const { pieces, tops, high: highWords, low: lowWords } = planeRow(cols);
    expect([high.length, low.length]).toEqual([16 * highWords, 16 * lowWords]);
    // Ten pieces, whose highest bits take two vectors.
    expect([pieces, tops]).toEqual([10, 2]);
    const found = codes.map((_, at) => {
      const [row, col] = [Math.floor(at / cols), at % cols];
      const [block, piece, quad] = [row >> 3, col >> 6, (col & 63) >> 2];
      const vector = (block * pieces + piece) * 16 + (row & 7) + (quad >> 3) * 8;
      const nibble = (high[vector * 4 + (quad & 3)]! >>> (8 * (col & 3) + 4 * ((quad >> 2) & 1))) & 15;
      const half = (low[vector * 4 + ((quad >> 1) & 3)]! >>> (16 * (quad & 1))) & 0xffff;
      const top = 2 * pieces * 16 + (block * tops + (piece >> 3)) * 8 + (row & 7);
      const bit = (low[top * 4 + ((piece >> 1) & 3)]! >>> (16 * (piece & 1) + quad)) & 1;
      const l = Math.floor((half + 65536 * bit) / 17 ** (col & 3)) % 17;
      return 17 * ((nibble << 28) >> 28) + ditherOf(col) + l;
    });
    expect(found).toEqual(codes);
  });

  it('take a 34th more than bytes', () => {
    const { high, low, scales } = planeRow(2560);
    // Four bits of each and a highest bit for four columns; 64 bytes and two halves are a piece of int8.
    expect((4 * (high + low + scales)) / (40 * 68)).toBeCloseTo(1 + 2 / 68, 10);
  });
});
