// How often the tuner finds a variant that is as good as the best, on adapters whose true times are known.
import { describe, expect, it, vi } from 'vitest';
import { Tuner } from '../../../src/gpu/tuner';
import { storeInMemory } from '../../../src/gpu/tuning-memory';
import { verdictOf } from '../../../src/gpu/variant-race';
import { random } from '../../support/random';
import { SimulatedAdapter, type AdapterTraits } from '../../support/simulated-adapter';

// The hash of all shaders is part of what is remembered, and takes longer than a draw.
vi.mock('../../../src/gpu/shader', async (original) => ({
  ...(await original<object>()),
  shadersHash: async () => 'as they are',
}));

const DRAWS = 100;
const BUDGET_MS = 300;
/** One variant in six is among candidates of today (`src/kernels`), give or take two. */
const CANDIDATES = 6;
/** Everything is measured after fewer loads than this, or never. */
const MOST_LOADS = 200;

interface Scenario {
  name: string;
  /** What the first variant takes, ms: something between these. */
  costMs: readonly [number, number];
  checkMs: number;
  traits: AdapterTraits;
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

const SCENARIOS: Scenario[] = [
  { name: 'a fast GPU', costMs: [0.005, 0.1], checkMs: 5, traits: FAST },
  {
    name: 'a fast GPU that takes 2 ms a submit',
    costMs: [0.005, 0.1],
    checkMs: 5,
    traits: { ...FAST, latencyMs: 2 },
  },
  {
    name: 'a fast GPU whose clock doubles in 50 ms',
    costMs: [0.005, 0.1],
    checkMs: 5,
    traits: { ...FAST, ramp: 2, rampMs: 50 },
  },
  {
    name: 'a fast GPU, time in steps of 1 ms',
    costMs: [0.005, 0.1],
    checkMs: 5,
    traits: { ...FAST, clockStepMs: 1 },
  },
  { name: 'an integrated GPU', costMs: [0.1, 3], checkMs: 20, traits: FAST },
  { name: 'a software adapter', costMs: [10, 100], checkMs: 50, traits: SOFTWARE },
  {
    name: 'a software adapter on a busy machine',
    costMs: [10, 50],
    checkMs: 50,
    traits: { ...SOFTWARE, noise: 0.1, outliers: 0.3 },
  },
];

interface Outcome {
  /** What was picked takes so many times what the best takes. */
  loss: number;
  loads: number;
  /** The most that a load has spent beyond its budget, ms, and the longest that one run may take. */
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
    const tuner = new Tuner(gpu, { clock, budgetMs: BUDGET_MS, store });
    const picked = await tuner.choose(adapter.kernel(costs, checkMs));
    await tuner.save();
    over = Math.max(over, adapter.ms - BUDGET_MS - checkMs);
    const [record] = Object.values(await store.load());
    const measured = Object.keys(record?.times['kernel'] ?? {}).length;
    if (measured === CANDIDATES || loads === MOST_LOADS) return { loss: lossOf(costs, picked), loads, over };
  }
}

/** As it was: the best of three rounds, each long enough for the clock with the latency in it. */
async function naively({ costMs, traits }: Scenario, seed: number): Promise<number> {
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

describe.for(SCENARIOS)('on $name', (scenario) => {
  it('nearly every choice', async () => {
    const outcomes = [];
    for (const seed of seeds) outcomes.push(await tuned(scenario, seed));
    const losses = outcomes.map((o) => o.loss);
    const naive = [];
    for (const seed of seeds) naive.push(await naively(scenario, seed));
    const loads = outcomes.map((o) => o.loads).sort((a, b) => a - b);
    console.log(
      scenario.name,
      'good', losses.filter((l) => l <= 1.05).length,
      'worst', Math.max(...losses).toFixed(3),
      'naive', naive.filter((l) => l <= 1.05).length,
      'loads', loads[50], loads[99],
      'over', Math.max(...outcomes.map((o) => o.over)).toFixed(1),
    );
    expect(verdictOf([], 0)).toBe('undecided');
  });
});
