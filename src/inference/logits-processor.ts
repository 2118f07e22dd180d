// Runs a function of the caller's own on logits, and holds what it leaves there against what kernels can take.

import { TernionError } from '../errors';
import type { LogitsProcessor } from './continuation';

/**
 * Lets `process` change `logits`, f32 [vocabulary]. Tokens that it gives -Infinity leave `mask`. Throws `invalid-argument` if it
 * throws, with its error as the cause, if it is async, and if it leaves NaN or Infinity; `internal` if the model's logits were
 * not finite before.
 */
export function runProcessor(
  process: LogitsProcessor,
  logits: Float32Array,
  tokenIds: readonly number[],
  mask: Uint32Array,
): void {
  if (!areFinite(logits)) throw logitsNotFinite();
  let returned: unknown;
  try {
    returned = process(logits, tokenIds);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new TernionError('invalid-argument', `logitsProcessor has thrown an error: ${why}`, { cause });
  }
  if (returned instanceof Promise) {
    // Its failure would be nobody's.
    returned.catch(() => {});
    throw new TernionError('invalid-argument', 'logitsProcessor returns a promise; it must not be async.');
  }
  if (!areFinite(logits)) forbid(logits, mask);
}

/** Takes tokens of -Infinity out of `mask`. */
function forbid(logits: Float32Array, mask: Uint32Array): void {
  for (let id = 0; id < logits.length; id++) {
    const logit = logits[id]!;
    if (Number.isFinite(logit)) continue;
    if (logit !== -Infinity) {
      const message = `logitsProcessor has left ${logit} for token ${id}; only finite numbers and -Infinity can be used.`;
      throw new TernionError('invalid-argument', message);
    }
    mask[id >> 5]! &= ~(1 << (id & 31));
    // Kernels take what is not finite for a fault of the model.
    logits[id] = 0;
  }
}

/** Every product with zero is zero, but of what is not finite: one sum says it of all, in a tenth of the time of a look at each. */
function areFinite(values: Float32Array): boolean {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i]! * 0;
  return sum === 0;
}

/** The error of logits that are no numbers to choose by, which weights that are sound bring about at worst by their size. */
export function logitsNotFinite(): TernionError {
  return new TernionError('internal', "The model's logits are not finite.");
}
