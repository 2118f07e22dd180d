// Numbers between bounds: every integer and decimal of a range, and none beside it.

import { beforeAll, describe, expect, it } from 'vitest';
import type { NumberBounds } from '../../../src/grammar/json-numbers';
import { grammarOfFormat } from '../../../src/grammar/response-format';
import { samples } from '../../support/effort';
import { random } from '../../support/random';
import { TestCompiler } from '../../support/xgrammar';

let compiler: TestCompiler;
beforeAll(async () => {
  compiler = await TestCompiler.create();
});

function isWithin(
  value: number,
  { minimum, maximum, exclusiveMinimum, exclusiveMaximum }: NumberBounds,
): boolean {
  return (
    value >= (minimum ?? -Infinity) &&
    value <= (maximum ?? Infinity) &&
    value > (exclusiveMinimum ?? -Infinity) &&
    value < (exclusiveMaximum ?? Infinity)
  );
}

/** Bounds at random around `scale`, and numbers on both sides of each. */
function drawn(
  next: () => number,
  scale: number,
  decimals: number,
): { bounds: NumberBounds; probes: number[] } {
  const draw = (): number => Number(((next() - 0.4) * scale).toFixed(decimals));
  const [low, high] = [draw(), draw()].sort((a, b) => a - b) as [number, number];
  const bounds: NumberBounds = {
    [next() < 0.5 ? 'minimum' : 'exclusiveMinimum']: low,
    ...(next() < 0.8 ? { [next() < 0.5 ? 'maximum' : 'exclusiveMaximum']: high } : {}),
  };
  const step = 10 ** -decimals;
  const around = [low, high, 0].flatMap((x) =>
    [-11, -10, -9, -2, -1, 0, 1, 2, 9, 10, 11].map((n) => x + n * step),
  );
  const probes = [...around, ...Array.from({ length: 30 }, draw)].map((x) => Number(x.toFixed(decimals)) + 0);
  return { bounds, probes };
}

describe.each<[type: 'integer' | 'number', scale: number, decimals: number]>([
  ['integer', 30, 0],
  ['integer', 3000, 0],
  ['integer', 1e9, 0],
  ['number', 2, 1],
  ['number', 1, 3],
  ['number', 300, 2],
  ['number', 0.001, 6],
])('%s up to %d with %d decimals', (type, scale, decimals) => {
  it('are derived exactly where they are within the bounds', async () => {
    const next = random(scale + decimals);
    let within = 0;
    for (let sample = 0; sample < samples(25); sample++) {
      const { bounds, probes } = drawn(next, scale, decimals);
      if (!probes.some((x) => isWithin(x, bounds))) continue;
      const grammar = await compiler.compile(
        grammarOfFormat({ type: 'json', schema: { type, ...bounds } }).ebnf,
      );
      for (const probe of probes) {
        const text = decimals === 0 ? String(probe) : trimmed(probe.toFixed(decimals));
        expect(grammar.accepts(text), `${text} within ${JSON.stringify(bounds)}`).toBe(
          isWithin(probe, bounds),
        );
        if (isWithin(probe, bounds)) within++;
      }
      grammar.dispose();
    }
    expect(within).toBeGreaterThan(0);
  });
});

/** Without zeros at the end, as JavaScript writes numbers, but never with an exponent; minus zero is zero. */
function trimmed(text: string): string {
  return text.replace(/\.?0+$/, '').replace(/^-0$/, '0') || '0';
}

describe('texts of numbers', () => {
  it.each(['01', '-0', '1.', '.5', '1e5', '+1', '0x1', '1234567890123456', '1.1234567', '-', ''])(
    'are not %j, in which readers differ or a double loses digits',
    async (text) => {
      const grammar = await compiler.compile(
        grammarOfFormat({ type: 'json', schema: { type: 'number' } }).ebnf,
      );
      expect(grammar.accepts(text)).toBe(false);
    },
  );

  it('follow bounds with exponents and bounds beyond all digits', async () => {
    const schema = { type: 'number', minimum: 1e-7, maximum: 1e300 };
    const grammar = await compiler.compile(grammarOfFormat({ type: 'json', schema }).ebnf);
    expect(['0.000001', '999999999999999', '0', '0.0'].map((text) => grammar.accepts(text))).toEqual([
      true,
      true,
      false,
      false,
    ]);
  });
});
