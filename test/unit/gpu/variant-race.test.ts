// How often the tuner finds a variant that is as good as the best, on adapters whose true times are known.
import { describe, expect, it } from 'vitest';
import { Tuner } from '../../../src/gpu/tuner';
import { storeInMemory, type TuningRecords } from '../../../src/gpu/tuning-memory';
import { verdictOf } from '../../../src/gpu/variant-race';
import { random } from '../../support/random';
import { SimulatedAdapter, type AdapterTraits } from '../../support/simulated-adapter';

/** The hash of all shaders is part of what is remembered, and takes longer than a draw. */
const shadersHash = async () => 'as they are';

const DRAWS = 100;
const BUDGET_MS = 300;
/** As kernels have on GPUs, give or take two. */
const CANDIDATES = 6;
/** Everything is measured after fewer loads than this, or never. */
const MOST_LOADS = 200;

interface Scenario {
  name: string;
  /** What the first variant takes, ms: something between these. */
  costMs: readonly [number, number];
  checkMs: number;
  traits: AdapterTraits;
  /** Of 100 draws, so many at least pick a variant within 5 % of the best. */
  good: number;
  /** The same, at most, of the method before: undefined where that is no worse, but knows no budget. */
  naive?: number;
}

/** A discrete GPU under a browser: latencies of 0.3 to 2 ms were measured for submit and wait, noise of a few percent. */
const FAST: AdapterTraits = {
  latencyMs: 1,
  latencyJitter: 0.15,
  noise: 0.03,
  outliers: 0.05,
  holdUpMs: 5,
  ramp: 1,
  rampMs: 1,
  clockStepMs: 0.1,
};
const SOFTWARE: AdapterTraits = { ...FAST, latencyMs: 0.3, noise: 0.05, outliers: 0.1, holdUpMs: 60 };

// In 400 draws each (seeds 1 to 400) the choice was within 5 % of the best in 399, 399, 399, 399, 400 and 399, and on the busy
// machine in 378; by the method before in 107, 105, 112, 62, 230 and 361, and in 346. Loads until all was decided, the median and
// the most: 5 and 32, 9 and 50, 5 and 28, 16 and 96, 5 and 31, 12 and 111, 23 and 129.
const SCENARIOS: Scenario[] = [
  { name: 'a fast GPU', costMs: [0.005, 0.1], checkMs: 5, traits: FAST, good: 99, naive: 50 },
  {
    name: 'a fast GPU that takes 2 ms a submit',
    costMs: [0.005, 0.1],
    checkMs: 5,
    traits: { ...FAST, latencyMs: 2 },
    good: 99,
    naive: 50,
  },
  {
    name: 'a fast GPU whose clock doubles in 50 ms',
    costMs: [0.005, 0.1],
    checkMs: 5,
    traits: { ...FAST, ramp: 2, rampMs: 50 },
    good: 99,
    naive: 50,
  },
  {
    name: 'a fast GPU, time in steps of 1 ms',
    costMs: [0.005, 0.1],
    checkMs: 5,
    traits: { ...FAST, clockStepMs: 1 },
    good: 99,
    naive: 50,
  },
  { name: 'an integrated GPU', costMs: [0.1, 3], checkMs: 20, traits: FAST, good: 99, naive: 75 },
  { name: 'a software adapter', costMs: [17, 58], checkMs: 50, traits: SOFTWARE, good: 99 },
  {
    name: 'a software adapter on a busy machine',
    costMs: [17, 58],
    checkMs: 50,
    traits: { ...SOFTWARE, noise: 0.1, outliers: 0.3 },
    good: 90,
  },
];

interface Outcome {
  /** What was picked takes so many times what the best takes. */
  loss: number;
  loads: number;
  /** The most that a load has spent beyond its budget, ms. */
  over: number;
}

/** The true times of a draw's variants: the first may be the best, and the rest differ by up to two thirds either way. */
function drawCosts([least, most]: readonly [number, number], next: () => number): number[] {
  const first = least * (most / least) ** next();
  return Array.from({ length: CANDIDATES }, (_, i) => (i === 0 ? first : first * 1.7 ** (2 * next() - 1)));
}

function lossOf(costs: readonly number[], picked: number): number {
  return costs[picked]! / Math.min(...costs);
}

/** Loads again and again, each with its budget, until nothing is left to be measured. */
async function tuned({ costMs, checkMs, traits }: Scenario, seed: number): Promise<Outcome> {
  const costs = drawCosts(costMs, random(seed));
  const store = storeInMemory();
  let over = -Infinity;
  for (let loads = 1; ; loads++) {
    const adapter = new SimulatedAdapter(traits, 1000 * seed + loads);
    const { gpu, clock } = adapter;
    const tuner = new Tuner(gpu, { clock, budgetMs: BUDGET_MS, store, shadersHash });
    const picked = await tuner.choose(adapter.kernel(costs, checkMs));
    await tuner.save();
    over = Math.max(over, adapter.ms - BUDGET_MS - checkMs);
    const [record] = Object.values((await store.load()) as TuningRecords);
    const measured = Object.keys(record?.times['kernel'] ?? {}).length;
    if (measured === CANDIDATES || loads === MOST_LOADS) return { loss: lossOf(costs, picked), loads, over };
  }
}

/** As it was: the best of three rounds, each long enough for the clock with the latency in it. */
function naively({ costMs, traits }: Pick<Scenario, 'costMs' | 'traits'>, seed: number): number {
  const costs = drawCosts(costMs, random(seed));
  const adapter = new SimulatedAdapter(traits, 1000 * seed);
  const { device } = adapter.gpu;
  const time = (ms: number): number => {
    const encoder = device.createCommandEncoder();
    encoder.beginComputePass().dispatchWorkgroups(ms);
    const start = adapter.clock.now();
    device.queue.submit([encoder.finish()]);
    return adapter.clock.now() - start;
  };
  let best = 0;
  for (let other = 1; other < costs.length; other++) {
    const pair = [costs[other]!, costs[best]!] as const;
    const once = Math.max(time(pair[0]), time(pair[1]), 0.01);
    const least = [Infinity, Infinity] as [number, number];
    for (let round = 0; round < 3; round++) {
      least[0] = Math.min(least[0], time(pair[0] * Math.ceil(1 / once)));
      least[1] = Math.min(least[1], time(pair[1] * Math.ceil(1 / once)));
    }
    if (least[0] / least[1] < 0.9) best = other;
  }
  return lossOf(costs, best);
}

const seeds = Array.from({ length: DRAWS }, (_, i) => i + 1);
const isGood = (loss: number): boolean => loss <= 1.05;

describe.for(SCENARIOS)('on $name', (scenario) => {
  it(`at least ${scenario.good} choices of ${DRAWS} are within 5 % of the best, and each load keeps to its budget`, async () => {
    const outcomes: Outcome[] = [];
    for (const seed of seeds) outcomes.push(await tuned(scenario, seed));
    const good = outcomes.filter(({ loss }) => isGood(loss)).length;
    expect(good).toBeGreaterThanOrEqual(scenario.good);
    // Nobody can foretell what holds up a run that was begun within the budget.
    expect(Math.max(...outcomes.map(({ over }) => over))).toBeLessThan(BUDGET_MS / 4);
    expect(Math.max(...outcomes.map(({ loads }) => loads))).toBeLessThan(MOST_LOADS);
  });
});

const MISLED = SCENARIOS.flatMap(({ naive, ...scenario }) => (naive ? [{ ...scenario, naive }] : []));

describe.for(MISLED)('on $name, the best of three runs with the latency in them', (scenario) => {
  it(`picks so well ${scenario.naive} times at most`, () => {
    const good = seeds.filter((seed) => isGood(naively(scenario, seed))).length;
    expect(good).toBeLessThanOrEqual(scenario.naive);
  });
});

describe('a verdict', () => {
  const flat = (log: number, count: number): number[] => Array.from({ length: count }, () => log);

  it('is given for what is clear, either way', () => {
    expect(verdictOf(flat(-0.2, 6), 0)).toBe('faster');
    expect(verdictOf(flat(0.2, 6), 0)).toBe('not-faster');
  });

  it('comes after three pairs where the challenger is far behind', () => {
    expect(verdictOf(flat(0.2, 3), 0)).toBe('undecided');
    expect(verdictOf(flat(0.5, 3), 0)).toBe('not-faster');
    expect(verdictOf([0.5, -0.1, 0.5], 0)).toBe('undecided');
  });

  it('is for the champion where two cannot be told apart', () => {
    expect(verdictOf(flat(-0.01, 6), 0)).toBe('not-faster');
  });

  it('waits where the times scatter more than they differ', () => {
    expect(verdictOf([-0.4, 0.2, -0.3, 0.3, -0.5, 0.2], 0)).toBe('undecided');
  });

  it('does not hang on one run that something has held up', () => {
    expect(verdictOf([-0.2, -0.21, 2, -0.19, -0.2, -0.2], 0)).toBe('faster');
  });

  it('does not believe a clock more than its steps allow', () => {
    // 6 equal readings of a clock whose step is a tenth of what is measured: the true ratio may be 1.
    expect(verdictOf(flat(-0.05, 6), 0.1)).toBe('undecided');
    expect(verdictOf(flat(-0.05, 6), 0)).toBe('faster');
  });

  it('waits for as many pairs of one order as of the other, of which a rising clock rate favours one', () => {
    expect(verdictOf([-0.1, -0.3, -0.1, -0.3, -0.1, -0.3, -0.1], 0)).toBe('undecided');
  });
});
