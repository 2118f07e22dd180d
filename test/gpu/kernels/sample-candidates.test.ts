// Drawing from many tokens: thresholds are looked for among candidates where these are few, and else among all, and the token is
// the one that the formula gives.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { GpuContext } from '../../../src/gpu/context';
import { candidateRoom, type SamplerParameters } from '../../../src/kernels/sample';
import { openContext } from '../../support/engine';
import { normals } from '../../support/reference';
import { drawnToken, keptTokens, Sampler } from '../../support/sampler';

let gpu: GpuContext;
beforeAll(async () => {
  gpu = await openContext();
});
afterAll(() => gpu.destroy());

// Three parts of 8192 tokens for few threads, and twenty of 1024 for many; no whole vectors of four.
const SIZE = 20_003;
const ROOM = candidateRoom(SIZE);

const PEAKED = normals(SIZE, 21, 3);
/** All within a few hundredths: no bin has few of them. */
const FLAT = normals(SIZE, 22, 0.01);
/** One token has more than half of the mass, and the others have the rest together. */
const TAIL = normals(SIZE, 23, 0.3);
TAIL[12_345] = 10.5;

interface Case {
  kind: string;
  logits: Float32Array;
  options: Partial<SamplerParameters>;
}

const few: Case[] = [
  { kind: 'peaked', logits: PEAKED, options: { topP: 0.9 } },
  { kind: 'peaked', logits: PEAKED, options: { topK: 40 } },
  { kind: 'peaked', logits: PEAKED, options: { topK: 40, topP: 0.9 } },
  { kind: 'peaked', logits: PEAKED, options: { topK: 1000, topP: 0.99, minP: 0.001, temperature: 0.7 } },
  { kind: 'flat', logits: FLAT, options: { topK: 40, topP: 0.5, temperature: 0.001 } },
  { kind: 'long-tailed', logits: TAIL, options: { topP: 0.4 } },
];
const many: Case[] = [
  { kind: 'flat', logits: FLAT, options: { topP: 0.9 } },
  { kind: 'flat', logits: FLAT, options: { topK: 10_000, topP: 0.5 } },
  { kind: 'long-tailed', logits: TAIL, options: { topP: 0.9 } },
  { kind: 'long-tailed', logits: TAIL, options: { topK: 2 ** 31, topP: 0.8, temperature: 0.9 } },
];
const unfiltered: Case[] = [
  { kind: 'peaked', logits: PEAKED, options: {} },
  { kind: 'flat', logits: FLAT, options: { temperature: 2 } },
  { kind: 'long-tailed', logits: TAIL, options: { minP: 1e-5 } },
];

describe.each([8, 256])('by %i threads', (threads) => {
  const create = (logits: Float32Array, options: Partial<SamplerParameters>): Promise<Sampler> =>
    Sampler.create(gpu, { logits, options, mode: { random: true }, threads });

  test.each(few)('$kind logits have few candidates under $options', async ({ logits, options }) => {
    const count = await (await create(logits, options)).countCandidates();
    expect(count).toBeGreaterThanOrEqual(keptTokens(logits, options).size);
    expect(count).toBeLessThan(ROOM / 4);
  });

  test.each(many)(
    '$kind logits have more than there is room for under $options',
    async ({ logits, options }) => {
      expect(await (await create(logits, options)).countCandidates()).toBeGreaterThan(ROOM);
    },
  );

  test.each([...few, ...many, ...unfiltered])(
    'of $kind logits the formula’s token is drawn under $options',
    async ({ logits, options }) => {
      const sampler = await create(logits, options);
      const kept = keptTokens(logits, options);
      for (const step of [0, 1, 2, 3, 77]) {
        expect(await sampler.draw(1, step)).toBe(drawnToken(logits, options, kept, step));
      }
    },
  );
});

test.each([{ topP: 0.9 }, { topK: 40 }, { topK: 40, topP: 0.9 }])(
  'where candidates are fewer than %j keeps, all are looked at',
  async (options) => {
    const sampler = await Sampler.create(gpu, { logits: PEAKED, options, mode: { random: true } });
    const kept = keptTokens(PEAKED, options);
    for (const step of [0, 1, 2]) {
      expect(await sampler.drawOf(3, step)).toBe(drawnToken(PEAKED, options, kept, step));
    }
  },
);

test('tokens that tie beyond all room are all kept', async () => {
  const logits = new Float32Array(SIZE).fill(1);
  const sampler = await Sampler.create(gpu, { logits, options: { topK: 1 }, mode: { random: true } });
  const all = new Set(logits.keys());
  for (const step of [0, 1, 2]) expect(await sampler.draw(1, step)).toBe(drawnToken(logits, {}, all, step));
});
