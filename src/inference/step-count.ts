// What a step costs a GPU beside arithmetic, counted from what its kernels say of themselves: nothing runs.

import { TernionError } from '../errors';
import type { Dispatch } from '../gpu/context';
import type { KvCache } from './kv-cache';
import type { Transformer } from './transformer';

/** What a step of some dispatches comes to. */
export interface StepCount {
  /** Those that the step does not do without. */
  dispatches: number;
  /** Times that memory is waited for, one after the other: see `Cost` in src/gpu/cost.ts. */
  rounds: number;
  /** Bytes that are read or written, each once a dispatch. */
  bytes: number;
}

/** What `dispatches` come to for `tokens` tokens from `position` on. Throws `internal` for a kernel that says nothing of itself. */
export function countStep(dispatches: readonly Dispatch[], position: number, tokens = 1): StepCount {
  const total: StepCount = { dispatches: 0, rounds: 0, bytes: 0 };
  for (const { label, grid, cost } of dispatches) {
    if (!grid(tokens, position)) continue;
    if (!cost) throw new TernionError('internal', `The kernel of '${label}' does not say what it costs.`);
    total.dispatches++;
    total.rounds += cost.rounds(tokens, position);
    total.bytes += cost.bytes(tokens, position);
  }
  return total;
}

/** A greedy decode step at `position`, from the id of a token to that of the next one. */
export async function countToken(
  transformer: Transformer,
  cache: KvCache,
  position: number,
): Promise<StepCount> {
  const { decode } = await transformer.forwardPass(cache);
  const { dispatches, wanted } = await transformer.sampler({
    penalties: false,
    random: false,
    masked: false,
  });
  return countStep([...decode, ...transformer.head(wanted), ...dispatches], position);
}
