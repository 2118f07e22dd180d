// Choosing among the tokens of a mask: forbidden ones never come, and filters do not count them.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { GpuContext } from '../../../src/gpu/context';
import { NO_TOKEN, type SampleMode, type SamplerParameters } from '../../../src/kernels/sample';
import { checkMasked } from '../../../src/kernels/sample-check';
import { combinations } from '../../support/effort';
import { openContext } from '../../support/engine';
import { normals, random } from '../../support/reference';
import { readWords } from '../../support/reference-gpu';
import { keptTokens, Sampler, type Setting } from '../../support/sampler';

let gpu: GpuContext;
beforeAll(async () => {
  gpu = await openContext();
});
afterAll(() => gpu.destroy());

const MODES: [string, Partial<SampleMode>][] = [
  ['greedy', { masked: true }],
  ['greedy with penalties', { masked: true, penalties: true }],
  ['drawn', { masked: true, random: true }],
  ['drawn with penalties', { masked: true, penalties: true, random: true }],
];

/** About half of the tokens, by a seed. */
function half(vocabulary: number, seed: number): (token: number) => boolean {
  const next = random(seed);
  const bits = Array.from({ length: vocabulary }, () => next() < 0.5);
  return (token) => bits[token] ?? false;
}

/** Threads that share the work of few tokens in several ways. */
const MANY = combinations(64, 256);

const create = (setting: Setting): Promise<Sampler> => Sampler.create(gpu, setting);

describe.each(MODES)('%s', (_name, mode) => {
  // Each size is compiled on its own, so that tests share them. Ends of words of 32 bits and of slices of 1024 tokens, and sizes that are no whole vectors of four.
  test.each([33, 3001])('passes the check with known answers, of %i tokens', async (size) => {
    const all = { penalties: false, random: false, masked: true, ...mode };
    // Many share the work, which is no other for few tokens.
    for (const threads of size > 1024 ? [8, 256] : [8]) {
      expect(await checkMasked(gpu, size, threads, all)).toBe(true);
    }
  });

  test.each(combinations([1, 33, 1025, 3001], [33, 3001]))(
    'of %i tokens takes the only one that may come',
    async (size) => {
      const logits = normals(size, 1);
      for (const only of new Set([
        0,
        size - 1,
        size >> 1,
        Math.min(1023, size - 1),
        Math.min(32, size - 1),
      ])) {
        const sampler = await create({ logits, mode, allowed: (token) => token === only });
        expect(await sampler.draw()).toBe(only);
      }
    },
  );

  test('gives no token where none may come, and counts none', async () => {
    for (const threads of [8, 256]) {
      const sampler = await create({ logits: normals(3001, 2), mode, threads, allowed: () => false });
      expect(await sampler.draw()).toBe(NO_TOKEN);
      expect(Math.max(...(await readWords(gpu, sampler.buffers.history, 3001)))).toBe(0);
    }
  });

  test('gives no token where the logit of a forbidden one is not finite, as of any other', async () => {
    for (const value of [NaN, Infinity, -Infinity]) {
      const logits = normals(3001, 4);
      logits[1234] = value;
      const sampler = await create({ logits, mode, allowed: (token) => token !== 1234 });
      expect(await sampler.draw()).toBe(NO_TOKEN);
    }
  });

  test('gives what no mask would, where all may come', async () => {
    const logits = normals(3001, 5);
    const options = { topK: 300, topP: 0.95, minP: 0.001, frequencyPenalty: 0.1 };
    const plain = await create({ logits, mode: { ...mode, masked: false }, options });
    const masked = await create({ logits, mode, options });
    expect(await masked.histogram(40)).toEqual(await plain.histogram(40));
  });
});

test('the check fails where the kernel that draws without filters does not see the last token', async () => {
  const own = await openContext();
  const compile = own.pipeline.bind(own);
  own.pipeline = (spec) =>
    compile(
      spec.shader === 'sample_survey'
        ? { ...spec, constants: { ...spec.constants, VOCABULARY: 3000 } }
        : spec,
    );
  const mode = { random: true, masked: true, penalties: false };
  expect(await checkMasked(own, 3001, 8, mode)).toBe(false);
  own.destroy();
});

describe('greedy', () => {
  const mode = { masked: true };

  test.each([33, 3001])('takes the best that may come of %i tokens', async (size) => {
    for (const threads of new Set([8, MANY, 256])) {
      const logits = normals(size, size + threads);
      const allowed = half(size, threads);
      const best = [...logits.keys()].filter(allowed).sort((a, b) => logits[b]! - logits[a]!)[0];
      expect(await (await create({ logits, mode, threads, allowed })).draw()).toBe(best);
    }
  });

  test('sees what may come though it is far below zero', async () => {
    const logits = normals(1025, 1);
    logits[700] = -3e38;
    expect(await (await create({ logits, mode, allowed: (token) => token === 700 })).draw()).toBe(700);
  });
});

describe('biases and penalties', () => {
  const size = 3001;
  const logits = normals(size, 6, 3);
  const allowed = half(size, 7);

  test.each([false, true])('however large do not bring a forbidden token back, random %s', async (drawn) => {
    const bias = Float32Array.from({ length: size }, (_, token) => (allowed(token) ? 0 : 1e30));
    const mode = { masked: true, penalties: true, random: drawn };
    const sampler = await create({ logits, mode, bias, allowed, options: { temperature: 1.5 } });
    const histogram = await sampler.histogram(200);
    expect([...histogram.keys()].filter((token) => histogram[token]! > 0 && !allowed(token))).toEqual([]);
  });

  test.each([false, true])('count among those that may come, random %s', async (drawn) => {
    const bias = new Float32Array(size);
    const wanted = [...bias.keys()].find(allowed)!;
    bias[wanted] = 1e30;
    const mode = { masked: true, penalties: true, random: drawn };
    // So cold that what stands under 1e30 would not be finite any more.
    for (const temperature of [1e-6, 1]) {
      const sampler = await create({ logits, mode, bias, allowed, options: { temperature } });
      expect(await sampler.draw()).toBe(wanted);
    }
  });
});

describe('drawing', () => {
  const mode = { masked: true, random: true };
  const size = 3001;
  const logits = normals(size, 8);
  const allowed = half(size, 9);
  // Without a chance: e^-1e9.
  const without = logits.map((logit, token) => (allowed(token) ? logit : -1e9));

  // Few threads add up in a loop, many share the work.
  test.each<[Partial<SamplerParameters>, number]>([
    [{}, 8],
    [{ temperature: 1.5 }, MANY],
    [{ temperature: 1e-6 }, MANY],
    [{ topK: 7 }, 8],
    [{ topK: 7 }, MANY],
    [{ topP: 0.3 }, 8],
    [{ minP: 0.4 }, MANY],
    [{ topK: 1200, topP: 0.95, minP: 0.01 }, MANY],
    [{ topK: 1200, topP: 0.95 }, 256],
    // More than may come.
    [{ topK: 2800, topP: 0.99 }, MANY],
    [{ topK: 2 ** 31, topP: 0 }, MANY],
  ])('with %j and %i threads gives the tokens of logits that forbid as much', async (options, threads) => {
    const masked = await create({ logits, mode, options, threads, allowed });
    const plain = await create({ logits: without, mode: { random: true }, options, threads });
    expect(await masked.histogram(40)).toEqual(await plain.histogram(40));
  });

  test.each<Partial<SamplerParameters>>([
    { topK: 1 },
    { topK: 7 },
    { topK: 30 },
    { topP: 0.3 },
    { topP: 0.9 },
    { minP: 0.4 },
    { topK: 15, topP: 0.8, minP: 0.3 },
  ])('%j keeps those that it keeps of the allowed tokens alone', async (options) => {
    const few = normals(33, 8, 0.35);
    const may = half(33, 10);
    const ids = [...few.keys()].filter(may);
    const own = Float32Array.from(ids, (token) => few[token]!);
    const kept = [...keptTokens(own, options)].map((i) => ids[i]!).sort((a, b) => a - b);
    // Enough that a token of 0.9 % stays away with a probability of e^-9.
    const histogram = await (await create({ logits: few, mode, options, allowed: may })).histogram(1000);
    expect([...histogram.keys()].filter((token) => histogram[token]! > 0)).toEqual(kept);
  });

  // A seed for which the random word of token 5 at step 0 has 32 ones in front (see sample.test.ts): the largest noise there is.
  test('has no noise that makes up for a mask', async () => {
    const flat = new Float32Array(33);
    const sampler = await create({
      logits: flat,
      mode,
      allowed: (token) => token !== 5,
      options: { temperature: 100 },
    });
    for (const seed of [24_931_919, 250_705_256]) expect(await sampler.draw(seed)).not.toBe(5);
  });
});
