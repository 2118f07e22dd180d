// RoPE's frequencies under every scaling, against the formulas written another way, and against numbers made elsewhere.
import { describe, expect, it } from 'vitest';
import type { TernionErrorCode } from '../../../src/errors';
import { Metadata, type MetadataValue } from '../../../src/formats/metadata';
import {
  factorsForContext,
  readRopeScaling,
  ropeFrequencies,
  type RopeScaling,
} from '../../../src/model/rope-frequencies';
import { expectFailure } from '../../support/expect-failure';

const key = (name: string): string => `qwen3.${name}`;
const read = (values: Record<string, MetadataValue>, contextLength = 32768): RopeScaling =>
  readRopeScaling(
    new Metadata(new Map(Object.entries(values).map(([name, value]) => [key(`rope.${name}`), value]))),
    key,
    contextLength,
  );

const YARN = {
  kind: 'yarn',
  factor: 4,
  originalContext: 8192,
  betaFast: 32,
  betaSlow: 1,
  extrapolation: 1,
  attentionFactor: 1,
} as const;

/**
 * transformers' way (`_compute_yarn_parameters`): inverse frequencies by interpolation and by extrapolation, and a mask
 * between them.
 */
function inverseFrequencies(
  rotary: number,
  base: number,
  { factor, originalContext, betaFast, betaSlow }: typeof YARN,
) {
  const correction = (rotations: number): number =>
    (rotary * (Math.log(originalContext) - Math.log(rotations) - Math.log(2 * Math.PI))) / 2 / Math.log(base);
  const first = Math.max(Math.floor(correction(betaFast)), 0);
  const last = Math.min(Math.ceil(correction(betaSlow)), rotary - 1);
  const result: number[] = [];
  for (let dim = 0; dim < rotary; dim += 2) {
    const position = Math.exp((dim / rotary) * Math.log(base));
    let mask = 1;
    if (dim / 2 >= last) mask = 0;
    else if (dim / 2 > first) mask = (last - dim / 2) / (last - first);
    result.push(mask / position + (1 - mask) / (factor * position));
  }
  return result;
}

function expectClose(actual: Float64Array, expected: readonly number[]): void {
  expect(actual.length).toBe(expected.length);
  for (const [j, frequency] of actual.entries()) {
    expect(Math.abs(frequency / expected[j]! - 1), `pair ${j}`).toBeLessThan(1e-6);
  }
}

describe('the frequencies', () => {
  it('fall from 1 by theta^(2/rotary) from pair to pair', () => {
    const { frequencies, magnitude } = ropeFrequencies({
      rotary: 8,
      ropeTheta: 10000,
      ropeScaling: { kind: 'none' },
    });
    expectClose(frequencies, [1, 0.1, 0.01, 0.001]);
    expect(magnitude).toBe(1);
  });

  it('are divided by linear scaling, and by the factors of the file', () => {
    const ropeScaling = { kind: 'linear', factor: 2 } as const;
    const { frequencies } = ropeFrequencies({ rotary: 8, ropeTheta: 10000, ropeScaling }, [1, 5, 10, 100]);
    expectClose(frequencies, [0.5, 0.01, 0.0005, 0.000005]);
  });

  it('are divided by the factors of longrope alone, with its own magnitude', () => {
    const ropeScaling = { kind: 'longrope', originalContext: 32768, attentionFactor: 1.25 } as const;
    const rope = ropeFrequencies({ rotary: 4, ropeTheta: 100, ropeScaling }, [2, 4]);
    expectClose(rope.frequencies, [0.5, 0.025]);
    expect(rope.magnitude).toBe(1.25);
  });

  it('are divided by the short list up to the original context, and by the long one beyond', () => {
    const scaling = { kind: 'longrope', originalContext: 4096, attentionFactor: 1 } as const;
    const [short, long] = [Float32Array.of(1, 2), Float32Array.of(3, 4)];
    expect(factorsForContext(scaling, { short, long }, 4096)).toBe(short);
    expect(factorsForContext(scaling, { short, long }, 4097)).toBe(long);
    expect(factorsForContext({ kind: 'none' }, { short, long: short }, 4097)).toBe(short);
    expect(factorsForContext({ kind: 'none' }, undefined, 4097)).toBe(undefined);
  });

  // Made by Python from the page's formula with d = 128, b = 1e6, s = 4: Ternary-Bonsai 1.7B and 8B.
  it.each([
    [8192, [1.0, 0.0051311072416166635, 0.0006567333714077246, 0.00010542412585714556, 3.102344401879299e-7]],
    [16384, [1.0, 0.006054706545107663, 0.0008605471763273632, 0.00012402838336134772, 3.102344401879299e-7]],
  ])('of YaRN from a context of %i are those of Ternary-Bonsai', (originalContext, expected) => {
    const ropeScaling = { ...YARN, originalContext };
    const { frequencies, magnitude } = ropeFrequencies({ rotary: 128, ropeTheta: 1e6, ropeScaling });
    expectClose(
      Float64Array.from([0, 23, 30, 36, 63], (pair) => frequencies[pair]!),
      expected,
    );
    expect(magnitude).toBeCloseTo(1.138629436111989, 12);
  });

  it.each([
    [128, 1e6, YARN],
    [128, 1e6, { ...YARN, originalContext: 16384 }],
    [96, 10000, { ...YARN, factor: 16, originalContext: 2048 }],
    [64, 500000, { ...YARN, betaFast: 64, betaSlow: 2 }],
    // A context so short that every pair is beyond its end, and one so long that none is.
    [32, 10000, { ...YARN, originalContext: 8 }],
    [32, 100, { ...YARN, originalContext: 1e9 }],
  ])('of YaRN are those of transformers: %i dimensions, base %i', (rotary, ropeTheta, ropeScaling) => {
    const { frequencies } = ropeFrequencies({ rotary, ropeTheta, ropeScaling });
    expectClose(frequencies, inverseFrequencies(rotary, ropeTheta, ropeScaling as typeof YARN));
  });

  it('of YaRN without extrapolation are those of linear scaling', () => {
    const model = { rotary: 64, ropeTheta: 10000 };
    const yarn = ropeFrequencies({ ...model, ropeScaling: { ...YARN, extrapolation: 0 } });
    const linear = ropeFrequencies({ ...model, ropeScaling: { kind: 'linear', factor: 4 } });
    expectClose(yarn.frequencies, [...linear.frequencies]);
    expect(yarn.magnitude).toBe(1);
  });
});

describe('the metadata', () => {
  it.each([
    ['nothing', {}],
    ['none, whatever the factor', { 'scaling.type': 'none', 'scaling.factor': 4 }],
    ['linear by 1, as converters of 1bitLLM models write', { 'scaling.type': 'linear', 'scaling.factor': 1 }],
    ['linear by nothing', { 'scaling.type': 'linear' }],
    ['a factor of 0', { 'scaling.factor': 0 }],
  ])('may say %s: no scaling', (_name, values) => {
    expect(read(values)).toEqual({ kind: 'none' });
  });

  it.each([
    ['linear', { 'scaling.type': 'linear', 'scaling.factor': 8 }],
    ['a factor without a type', { 'scaling.factor': 8 }],
    ['the old key', { scale_linear: 8 }],
  ])('may say %s: linear scaling', (_name, values) => {
    expect(read(values)).toEqual({ kind: 'linear', factor: 8 });
  });

  it('may say YaRN in three keys, and the rest has the defaults of llama.cpp', () => {
    const values = { 'scaling.type': 'yarn', 'scaling.factor': 4 };
    expect(read({ ...values, 'scaling.original_context_length': 8192 })).toEqual(YARN);
    expect(read(values)).toEqual({ ...YARN, originalContext: 32768 });
  });

  it('may say all of YaRN', () => {
    const all = {
      'scaling.type': 'yarn',
      'scaling.factor': 4,
      'scaling.original_context_length': 8192,
      'scaling.attn_factor': 0.5,
      'scaling.yarn_attn_factor': 3,
      'scaling.yarn_ext_factor': 0.25,
      'scaling.yarn_beta_fast': 16,
      'scaling.yarn_beta_slow': 2,
    };
    expect(read(all)).toEqual({
      ...YARN,
      attentionFactor: 1.5,
      extrapolation: 0.25,
      betaFast: 16,
      betaSlow: 2,
    });
  });

  it('may say longrope', () => {
    const values = { 'scaling.type': 'longrope', 'scaling.attn_factor': 1.5 };
    expect(read(values)).toEqual({ kind: 'longrope', originalContext: 32768, attentionFactor: 1.5 });
  });

  const yarn = { 'scaling.type': 'yarn', 'scaling.factor': 4 };
  const wrong: [string, Record<string, MetadataValue>, TernionErrorCode, RegExp][] = [
    ['another type', { 'scaling.type': 'dynamic' }, 'unsupported-feature', /'dynamic'/],
    [
      'DeepSeek’s magnitude',
      { ...yarn, 'scaling.yarn_log_multiplier': 0.1 },
      'unsupported-feature',
      /yarn_log/,
    ],
    ['a negative factor', { 'scaling.factor': -4 }, 'corrupt-file', /-4 as rope.scaling.factor/],
    ['a factor that is none', { 'scaling.factor': Infinity }, 'corrupt-file', /factor/],
    ['a context of 0', { ...yarn, 'scaling.original_context_length': 0 }, 'corrupt-file', /original_context/],
    ['a beta of 0', { ...yarn, 'scaling.yarn_beta_slow': 0 }, 'corrupt-file', /beta_slow/],
    ['more than all extrapolated', { ...yarn, 'scaling.yarn_ext_factor': 2 }, 'corrupt-file', /ext_factor/],
  ];

  it.each(wrong)('may not say %s', async (_name, values, code, words) => {
    await expectFailure((async () => read(values))(), code, words);
  });
});
