// How likely the model took the chosen token, and the likeliest ones (shaders/logprobs_slices.wgsl, shaders/logprobs.wgsl).

import type { Dispatch, GpuContext } from '../gpu/context';
import { fixedGrid } from '../gpu/grid';
import { areMany, NO_TOKEN, SLICE, sliceCount, type SampleBuffers } from './sample';

/** The most alternatives that can be asked for. */
export const MOST_LOGPROBS = 20;

/** The buffers of log-probabilities. */
export interface LogprobBuffers extends Pick<SampleBuffers, 'logits' | 'ids'> {
  /** f32 [vocabulary]: the logits before penalties. */
  plain: GPUBuffer;
  /** Room for `MOST_LOGPROBS` pairs (f32 logit, u32 token) of each slice. */
  candidates: GPUBuffer;
  /** vec2f [slices]. */
  masses: GPUBuffer;
  /** u32 [recordWords(MOST_LOGPROBS)]: what is read back. */
  record: GPUBuffer;
}

/** Words that are read back of a token with `count` alternatives. */
export function recordWords(count: number): number {
  return 2 + 2 * count;
}

/** Allocates what is not there for sampling anyway. */
export function createLogprobBuffers(
  gpu: GpuContext,
  vocabulary: number,
  { logits, ids }: Pick<SampleBuffers, 'logits' | 'ids'>,
): LogprobBuffers {
  const words = (label: string, count: number): GPUBuffer => gpu.createBuffer(label, count * 4);
  const slices = sliceCount(vocabulary);
  return {
    logits,
    ids,
    plain: words('logits before penalties', vocabulary),
    candidates: words('likeliest of each slice', slices * MOST_LOGPROBS * 2),
    masses: words('mass of each slice', slices * 2),
    record: words('log-probabilities', recordWords(MOST_LOGPROBS)),
  };
}

/** A token with the natural logarithm of its probability. */
export interface RatedToken {
  token: number;
  logprob: number;
}

/** What `record` says: the token that was chosen, and the likeliest ones, likeliest first. */
export function readRecord(words: Uint32Array): { chosen: RatedToken; likeliest: RatedToken[] } {
  const floats = new Float32Array(words.buffer, words.byteOffset, words.length);
  const [chosen, ...likeliest] = Array.from({ length: words.length / 2 }, (_, i): RatedToken => {
    return { token: words[2 * i]!, logprob: floats[2 * i + 1]! };
  });
  return { chosen: chosen!, likeliest: likeliest.filter(({ token }) => token !== NO_TOKEN) };
}

/** Two dispatches, one for before `sample` and one for behind it: logits and ids[0] → record, with `count` alternatives. */
export async function logprobs(
  gpu: GpuContext,
  vocabulary: number,
  threads: number,
  count: number,
  { logits, plain, candidates, masses, ids, record }: LogprobBuffers,
): Promise<{ before: Dispatch; behind: Dispatch }> {
  const slices = sliceCount(vocabulary);
  const shape = gpu.uniform([vocabulary, slices, count]);
  const shared = { THREADS: threads, MOST: MOST_LOGPROBS };
  const conditions = { many: areMany(threads) };
  const [before, behind] = await Promise.all([
    gpu.dispatch(
      'likeliest of slices',
      { shader: 'logprobs_slices', constants: { ...shared, SLICE }, conditions },
      [logits, plain, candidates, masses, shape],
      fixedGrid(slices),
    ),
    gpu.dispatch(
      'log-probabilities',
      { shader: 'logprobs', constants: shared, conditions },
      [plain, candidates, masses, ids, record, shape],
      fixedGrid(1),
    ),
  ]);
  return { before, behind };
}
