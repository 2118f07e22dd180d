// Log-probabilities of the chosen token and the likeliest ones, against log-softmax in float64.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { GpuContext } from '../../../src/gpu/context';
import {
  createLogprobBuffers,
  logprobs,
  MOST_LOGPROBS,
  readRecord,
  recordWords,
  type RatedToken,
} from '../../../src/kernels/logprobs';
import { checkLogprobs } from '../../../src/kernels/logprobs-check';
import { NO_TOKEN } from '../../../src/kernels/sample';
import { openContext } from '../../support/engine';
import { normals } from '../../support/reference';
import { filled, readFloats, readWords, run } from '../../support/reference-gpu';

let gpu: GpuContext;
beforeAll(async () => {
  gpu = await openContext();
});
afterAll(() => gpu.destroy());

interface Setting {
  logits: Float32Array;
  chosen: number;
  count: number;
  threads?: number;
}

/** What is read back, and the words behind it. */
async function rated({ logits, chosen, count, threads = 8 }: Setting) {
  const vocabulary = logits.length;
  const sampling = { logits: gpu.upload('logits', logits), ids: gpu.upload('ids', Uint32Array.of(chosen)) };
  const buffers = createLogprobBuffers(gpu, vocabulary, sampling);
  const all = recordWords(MOST_LOGPROBS);
  const record = filled(gpu, 'record', all);
  const { before, behind } = await logprobs(gpu, vocabulary, threads, count, { ...buffers, record });
  run(gpu, [before]);
  // What penalties do to the logits afterwards does not count.
  gpu.write(sampling.logits, 0, new Float32Array(vocabulary).fill(9));
  run(gpu, [behind]);
  const words = await readWords(gpu, record, all);
  expect(await readFloats(gpu, buffers.plain, vocabulary)).toEqual(logits);
  const { ids, plain, candidates, masses } = buffers;
  for (const buffer of [sampling.logits, ids, plain, candidates, masses, buffers.record, record])
    gpu.free(buffer);
  return { ...readRecord(words.slice(0, recordWords(count))), rest: words.slice(recordWords(count)) };
}

function expected({ logits, chosen, count }: Setting): { chosen: RatedToken; likeliest: RatedToken[] } {
  const top = logits.reduce((most, logit) => Math.max(most, logit));
  const total = logits.reduce((sum, logit) => sum + Math.exp(logit - top), 0);
  const rate = (token: number): RatedToken => {
    return { token, logprob: logits[token]! - top - Math.log(total) };
  };
  const order = [...logits.keys()].sort((a, b) => logits[b]! - logits[a]! || a - b);
  return { chosen: rate(chosen), likeliest: order.slice(0, count).map(rate) };
}

async function compare(setting: Setting): Promise<void> {
  const { chosen, likeliest, rest } = await rated(setting);
  const right = expected(setting);
  expect(likeliest.map(({ token }) => token)).toEqual(right.likeliest.map(({ token }) => token));
  for (const [is, should] of [[chosen, right.chosen] as const, ...zip(likeliest, right.likeliest)]) {
    expect(is.token).toBe(should.token);
    // A few units of f32 for numbers of up to a hundred, and of `exp` and `log`.
    expect(Math.abs(is.logprob - should.logprob)).toBeLessThan(2e-5);
  }
  expect(new Set(rest)).toEqual(rest.length > 0 ? new Set([0xdeadbeef]) : new Set());
}

function zip<T>(a: readonly T[], b: readonly T[]): (readonly [T, T])[] {
  return a.map((each, i) => [each, b[i]!] as const);
}

describe('log-probabilities', () => {
  test('pass the check with known answers', async () => {
    for (const threads of [4, 8, 256]) expect(await checkLogprobs(gpu, threads)).toBe(true);
  });

  // One slice of 1024 tokens, its edges, and several.
  test.each([1, 5, 1023, 1024, 1025, 5000])('of %i tokens', async (vocabulary) => {
    const logits = normals(vocabulary, vocabulary, 5);
    for (const chosen of new Set([0, vocabulary - 1, vocabulary >> 1]))
      await compare({ logits, chosen, count: 20 });
  });

  test.each([0, 1, 2, 19, 20])('with %i alternatives', async (count) => {
    await compare({ logits: normals(3000, 1, 5), chosen: 2999, count });
  });

  test.each([4, 64, 256])('by %i threads', async (threads) => {
    await compare({ logits: normals(3000, 2, 5), chosen: 7, count: 20, threads });
  });

  test('of equal logits begin with the lowest token', async () => {
    const { chosen, likeliest } = await rated({ logits: new Float32Array(3000), chosen: 2000, count: 20 });
    expect(likeliest.map(({ token }) => token)).toEqual(Array.from({ length: 20 }, (_, i) => i));
    expect(chosen.logprob).toBeCloseTo(-Math.log(3000), 4);
  });

  test('of one token that is all but certain, and of those that are all but impossible', async () => {
    const logits = new Float32Array(2000).fill(-60);
    logits[1500] = 40;
    const { chosen, likeliest } = await rated({ logits, chosen: 3, count: 2 });
    expect(likeliest[0]).toEqual({ token: 1500, logprob: 0 });
    expect(chosen.logprob).toBeCloseTo(-100, 4);
  });

  test('where no token could be chosen say so, and read nothing outside', async () => {
    const { chosen } = await rated({ logits: normals(50, 1), chosen: NO_TOKEN, count: 3 });
    expect(chosen.token).toBe(NO_TOKEN);
  });
});
