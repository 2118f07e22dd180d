// Where the time of a step goes, kernel by kernel, on the GPU's own clock.

import { mergeProfiles, profile, type KernelTime } from '../gpu/profiler';
import type { KvCache } from './kv-cache';
import type { Transformer } from './transformer';

/** Where the time of some tokens goes. */
export interface StepProfile {
  /** Tokens evaluated at once: 1 is a decode step, more are a chunk of a prompt. */
  tokens: number;
  /** Tokens that stood in the context before. */
  context: number;
  /** What the dispatches of each kernel took together, the longest first; `count` and `milliseconds` are those of one step. */
  kernels: KernelTime[];
  /** The sum of `kernels`, ms. What passes between two dispatches is not in it. */
  totalMs: number;
}

/**
 * The mean of `repeats` runs of a step of `tokens` tokens at `context`, head and greedy sampling included. The context is
 * not evaluated but taken as there, whatever is in `cache`: kernels take the same time for any values. Undefined where the
 * device has no timestamp queries. `cache` needs room for context and tokens.
 */
export async function profileStep(
  transformer: Transformer,
  cache: KvCache,
  { tokens, context, repeats }: { tokens: number; context: number; repeats: number },
): Promise<StepProfile | undefined> {
  const pass = await transformer.forwardPass(cache);
  const { dispatches, wanted } = await transformer.sampler({
    penalties: false,
    random: false,
    masked: false,
  });
  const ids = new Uint32Array(tokens);
  const runs: KernelTime[][] = [];
  for (let i = 0; i < repeats; i++) {
    transformer.writeIds(ids);
    transformer.writeState(context, tokens, 0);
    const run = await profile(transformer.gpu, (encoder) => {
      transformer.encodeTokens(encoder, pass, tokens, context);
      transformer.encodeNext(encoder, dispatches, wanted);
    });
    if (!run) return undefined;
    runs.push(run);
  }
  const kernels = mergeProfiles(runs).map(({ label, count, milliseconds }) => ({
    label,
    count: count / repeats,
    milliseconds: milliseconds / repeats,
  }));
  kernels.sort((a, b) => b.milliseconds - a.milliseconds);
  const totalMs = kernels.reduce((sum, { milliseconds }) => sum + milliseconds, 0);
  return { tokens, context, kernels, totalMs };
}
