// Choosing the next token: greedy, drawn under each filter, and with penalties.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { GpuContext } from '../../../src/gpu/context';
import { NO_TOKEN, type SampleMode, type SamplerParameters } from '../../../src/kernels/sample';
import { combinations } from '../../support/effort';
import { openContext } from '../../support/engine';
import { integers, largestError, normals, random } from '../../support/reference';
import { readFloats, readWords } from '../../support/reference-gpu';
import { chiSquare, IN_PROMPT, keptTokens, OFF, Sampler, softmax } from '../../support/sampler';

let gpu: GpuContext;
beforeAll(async () => {
  gpu = await openContext();
});
afterAll(() => gpu.destroy());

/** Threads that share the work in several ways. */
const MANY = combinations(64, 256);

// Vocabularies are a constant of the kernels: tests take the sizes of others where they can, as each is compiled on its own.

describe('logits that are not all finite', () => {
  const modes: [string, Partial<SampleMode>][] = [
    ['greedy', {}],
    ['drawn', { random: true }],
    ['with penalties', { penalties: true, random: true }],
  ];
  const values = [NaN, Infinity, -Infinity];
  const cases = modes.flatMap(([name, mode]) => values.map((value) => [name, value, mode] as const));

  test.each(cases)('give no token, and count none: %s, %d', async (_name, value, mode) => {
    const logits = normals(3001, 4);
    logits[1234] = value;
    for (const threads of [8, 256]) {
      const sampler = await Sampler.create(gpu, {
        logits,
        mode,
        options: { topK: 40, topP: 0.9, minP: 0.1 },
        threads,
      });
      expect(await sampler.draw()).toBe(NO_TOKEN);
      expect(Math.max(...(await readWords(gpu, sampler.buffers.history, 3001)))).toBe(0);
    }
    const none = await Sampler.create(gpu, { logits: new Float32Array(40).fill(value), mode });
    expect(await none.draw()).toBe(NO_TOKEN);
  });

  test('are not those that are as large as a number can be', async () => {
    const logits = new Float32Array(40).fill(-3.3e38);
    logits[5] = 3.3e38;
    expect(await (await Sampler.create(gpu, { logits })).draw()).toBe(5);
  });
});

describe('greedy', () => {
  // One slice of 1024 tokens, its edges, and several.
  test.each(combinations([1, 5, 1023, 1024, 1025, 3001], [5, 1025, 3001]))(
    'takes the best of %i tokens, wherever it is',
    async (vocabulary) => {
      const logits = normals(vocabulary, 1);
      for (const best of new Set([0, vocabulary - 1, vocabulary >> 1, Math.min(1023, vocabulary - 1)])) {
        const own = logits.slice();
        own[best] = 9;
        expect(await (await Sampler.create(gpu, { logits: own })).draw()).toBe(best);
      }
    },
  );

  test('takes the lowest of equally good tokens, whoever finds them', async () => {
    // Within a thread, among threads, and among slices.
    const ties = [
      [3, 11, 19],
      [5, 6, 7],
      [1023, 1024],
      [2, 2999],
      [1500, 2500],
    ];
    for (const tie of ties) {
      const logits = new Float32Array(3001).fill(-1);
      for (const token of tie) logits[token] = 2;
      for (const threads of new Set([8, MANY, 256])) {
        expect(await (await Sampler.create(gpu, { logits, threads })).draw()).toBe(tie[0]);
      }
    }
    expect(await (await Sampler.create(gpu, { logits: new Float32Array(3001) })).draw()).toBe(0);
  });

  test('sees logits that all are far below zero', async () => {
    const logits = new Float32Array(1025).fill(-3e30);
    logits[700] = -2e30;
    expect(await (await Sampler.create(gpu, { logits })).draw()).toBe(700);
  });
});

test.each([{ random: false }, { random: true }])('moves the state on, with $random', async (mode) => {
  const logits = normals(40, 1);
  const sampler = await Sampler.create(gpu, { logits, mode, history: new Uint32Array(40).fill(IN_PROMPT) });
  const token = await sampler.draw(1, 3);
  const { state, history, ids } = sampler.buffers;
  // From position 5, count 7, step 3.
  expect([...(await readWords(gpu, state, 4))]).toEqual([12, 1, 4, 0]);
  expect(await readWords(gpu, ids, 1)).toEqual(Uint32Array.of(token));
  const expected = new Uint32Array(40).fill(IN_PROMPT);
  expected[token]!++;
  expect(await readWords(gpu, history, 40)).toEqual(expected);
});

describe('drawing', () => {
  const mode = { random: true };

  /** The 99.9 % point of the chi-square distribution with 11 degrees of freedom. */
  const CHI_SQUARE_11 = 31.26;

  test.each(combinations([0.7, 1, 2], [0.7]))(
    'follows softmax at temperature %d, step by step',
    async (temperature) => {
      const logits = normals(12, 5);
      const sampler = await Sampler.create(gpu, { logits, mode, options: { temperature, seed: 42 } });
      const histogram = await sampler.histogram(4000);
      expect(chiSquare(histogram, softmax(logits, temperature))).toBeLessThan(CHI_SQUARE_11);
    },
  );

  test('follows softmax seed by seed', async () => {
    const logits = normals(12, 5);
    const histogram = await (await Sampler.create(gpu, { logits, mode })).histogramOfSeeds(1500);
    expect(chiSquare(histogram, softmax(logits, 1))).toBeLessThan(CHI_SQUARE_11);
  });

  test('gives a thousand unlikely tokens the share that they have together', async () => {
    const logits = new Float32Array(3001).fill(-9);
    logits[77] = 0;
    const draws = 2000;
    const tail = 3000 * Math.exp(-9);
    const share = tail / (1 + tail);
    const histogram = await (await Sampler.create(gpu, { logits, mode, threads: MANY })).histogram(draws);
    const deviation = Math.sqrt((share * (1 - share)) / draws);
    expect(Math.abs((draws - histogram[77]!) / draws - share)).toBeLessThan(3.3 * deviation);
  });

  test('gives the same token for the same seed and step', async () => {
    const sampler = await Sampler.create(gpu, { logits: normals(3001, 6), mode });
    for (const [seed, step] of [
      [1, 0],
      [1, 9],
      [2 ** 32 - 1, 0],
    ] as const) {
      expect(await sampler.draw(seed, step)).toBe(await sampler.draw(seed, step));
    }
  });

  // Few threads add up in a loop, many share the work; 3001 logits are no whole vectors of four.
  test.each([
    [{}, MANY],
    [{ topK: 7 }, MANY],
    [{ topP: 0.3 }, MANY],
    [{ minP: 0.4 }, MANY],
    [{ topK: 900, topP: 0.95, minP: 0.01 }, MANY],
    [{ topK: 900, topP: 0.95 }, 256],
    [{ topK: 2 ** 31, topP: 0 }, MANY],
  ])('with %j gives the same tokens with 8 and with %i threads', async (options, threads) => {
    const logits = normals(3001, 6);
    const few = await Sampler.create(gpu, { logits, mode, options });
    const many = await Sampler.create(gpu, { logits, mode, options, threads });
    expect(await many.histogram(20)).toEqual(await few.histogram(20));
  });

  test('gives other tokens for other seeds and other steps', async () => {
    const sampler = await Sampler.create(gpu, { logits: new Float32Array(3001), mode });
    const tokens: number[] = [];
    for (const [seed, step] of [
      [1, 0],
      [1, 1],
      [1, 2],
      [2, 0],
      [3, 0],
    ] as const) {
      tokens.push(await sampler.draw(seed, step));
    }
    expect(new Set(tokens).size).toBe(tokens.length);
  });

  // Seeds for which the random word of token 5 at step 0 has 24 ones, 32 ones, 24 zeros, 32 zeros in front: found by search.
  test.each([24_931_919, 250_705_256, 7_874_290, 2_203_715_696])(
    'has bounded noise, also with seed %i, where it is extreme',
    async (seed) => {
      const logits = new Float32Array(12);
      // e^-40: no noise of 32 bits makes up for that.
      logits[5] = -40;
      expect(await (await Sampler.create(gpu, { logits, mode })).draw(seed)).not.toBe(5);
      logits[5] = 40;
      expect(await (await Sampler.create(gpu, { logits, mode })).draw(seed)).toBe(5);
    },
  );
});

describe('filters', () => {
  const mode = { random: true };

  /** Draws until every token that can come surely has; those are exactly the reference's. */
  async function checkDrawn(logits: Float32Array, options: Partial<SamplerParameters>): Promise<number> {
    const keep = keptTokens(logits, options);
    const { temperature } = { ...OFF, ...options };
    const chances = softmax(logits, temperature, keep);
    // In 1000 draws a token of this chance stays away with a probability of e^-9.
    expect(Math.min(...[...keep].map((token) => chances[token]!))).toBeGreaterThan(0.009);
    const histogram = await (await Sampler.create(gpu, { logits, mode, options })).histogram(1000);
    const drawn = [...histogram.keys()].filter((token) => histogram[token]! > 0);
    expect(drawn).toEqual([...keep].sort((a, b) => a - b));
    return keep.size;
  }

  const logits = normals(40, 8, 0.35);

  type Filtered = [options: Partial<SamplerParameters>, count: number | undefined];
  /** Each filter alone, none, and all of them. */
  const SOME: readonly Filtered[] = [
    [{}, 40],
    [{ topK: 1 }, 1],
    [{ topK: 7 }, 7],
    [{ topP: 0.3 }, undefined],
    [{ minP: 0.4 }, undefined],
    [{ topK: 30, topP: 0.8, minP: 0.6 }, undefined],
  ];
  const OTHERS: readonly Filtered[] = [
    [{ topK: 39 }, 39],
    [{ topK: 40 }, 40],
    [{ topK: 2 ** 31 }, 40],
    [{ topP: 0 }, 1],
    [{ topP: 0.9 }, undefined],
    [{ topP: 0.999999 }, 40],
    [{ minP: 1 }, 1],
    [{ topK: 20, topP: 0.5 }, undefined],
    [{ topK: 20, topP: 0.99 }, undefined],
    [{ topK: 20, minP: 0.5 }, undefined],
    [{ temperature: 3, topP: 0.5, minP: 0.9 }, undefined],
  ];

  test.each(combinations([...SOME, ...OTHERS], SOME))(
    '%j lets exactly the tokens be drawn that the reference keeps',
    async (options, count) => {
      const kept = await checkDrawn(logits, options);
      if (count === undefined) expect(kept).toSatisfy((n: number) => n > 1 && n < 40);
      else expect(kept).toBe(count);
    },
  );

  test('among many tokens the few best are found', async () => {
    const many = normals(3001, 9);
    expect(await checkDrawn(many, { topK: 30 })).toBe(30);
    const peaked = many.map((logit) => 4 * logit);
    expect(await checkDrawn(peaked, { topK: 500, topP: 0.6 })).toBeLessThan(50);
  });

  test('tokens that tie with the last one kept are kept', async () => {
    const ties = Float32Array.from(integers(40, 10, 0, 3), (level) => level / 2);
    const best = ties.filter((logit) => logit === 1.5).length;
    expect(best).toBeGreaterThan(1);
    expect(await checkDrawn(ties, { topK: best + 1 })).toBeGreaterThan(best + 1);
    expect(await checkDrawn(ties, { topK: 1 })).toBe(best);
    expect(await checkDrawn(ties, { topP: 0.01 })).toBe(best);
  });

  test('the draw follows softmax among the tokens kept', async () => {
    const options = { topK: 12, temperature: 1.5, seed: 3 };
    const keep = [...keptTokens(logits, options)];
    const chances = softmax(logits, options.temperature, new Set(keep));
    const histogram = await (await Sampler.create(gpu, { logits, mode, options })).histogram(4000);
    const own = Uint32Array.from(keep, (token) => histogram[token]!);
    // 99.9 % point for 11 degrees of freedom.
    expect(
      chiSquare(
        own,
        Float64Array.from(keep, (token) => chances[token]!),
      ),
    ).toBeLessThan(31.26);
  });
});

describe('penalties', () => {
  const vocabulary = 1025;
  const logits = normals(vocabulary, 11, 3);
  const bias = normals(vocabulary, 12);
  const next = random(13);
  // A third each: not seen, generated up to three times, in the prompt and perhaps generated.
  const history = Uint32Array.from({ length: vocabulary }, () => {
    const times = Math.floor(next() * 4);
    return [0, times, IN_PROMPT + times][Math.floor(next() * 3)]!;
  });

  /** The formulas of shaders/penalize_max.wgsl, in float64. */
  function penalised(options: SamplerParameters, biased: boolean): Float64Array {
    return Float64Array.from(logits, (logit, token) => {
      const times = history[token]! % IN_PROMPT;
      let result = logit;
      if (history[token]! > 0) {
        result = logit > 0 ? logit / options.repetitionPenalty : logit * options.repetitionPenalty;
      }
      if (times > 0) result -= times * options.frequencyPenalty + options.presencePenalty;
      return biased ? result + bias[token]! : result;
    });
  }

  test.each([
    { repetitionPenalty: 1.3 },
    { frequencyPenalty: 0.7 },
    { presencePenalty: 1.5 },
    { repetitionPenalty: 0.8, frequencyPenalty: -0.5, presencePenalty: 0.25 },
    {},
  ])('%j and biases change the logits, and what is best, as the reference does', async (options) => {
    const setting = { logits, mode: { penalties: true }, options, history: history.slice() };
    for (const biased of [false, true]) {
      const sampler = await Sampler.create(gpu, { ...setting, ...(biased && { bias, threads: 256 }) });
      const token = await sampler.draw();
      const expected = penalised({ ...OFF, ...options }, biased);
      // Three operations in f32.
      expect(largestError(await readFloats(gpu, sampler.buffers.logits, vocabulary), expected)).toBeLessThan(
        5e-7,
      );
      expect(token).toBe(expected.indexOf(Math.max(...expected)));
    }
  });

  test('a bias can forbid all tokens but one, also when drawing', async () => {
    const only = new Float32Array(40).fill(-1e9);
    only[17] = 0;
    const setting = { logits: normals(40, 14), bias: only, mode: { penalties: true, random: true } };
    const sampler = await Sampler.create(gpu, { ...setting, options: { temperature: 5 } });
    expect((await sampler.histogram(200))[17]).toBe(200);
  });

  test('a draw sees the penalised logits', async () => {
    // Tokens that were generated often are forbidden by a penalty of 100 a time.
    const often = Uint32Array.from({ length: 40 }, (_, token) => (token % 2 ? 3 : 0));
    const setting = { logits: normals(40, 15), history: often, mode: { penalties: true, random: true } };
    const sampler = await Sampler.create(gpu, { ...setting, options: { frequencyPenalty: 100 } });
    for (let seed = 0; seed < 20; seed++) expect((await sampler.draw(seed)) % 2).toBe(0);
  });
});
