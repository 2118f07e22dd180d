// A kernel on a problem of some size, as those who time kernels see it.

import type { TimedWork } from '../../src/gpu/tuner';
import type { CacheFormat } from '../../src/kernels/kv-layout';
import type { Workload } from './workload';

/** The size of a problem. */
export interface KernelProblem {
  /** What the kernel's dimensions are. */
  shape: readonly number[];
  /** Tokens at once. */
  tokens: number;
  /** Tokens in the context, that one included. */
  context: number;
  /** How attention finds keys and values stored. Default: as the adapter prefers. */
  cacheFormat?: CacheFormat | undefined;
}

/** One kernel on one problem. A variant is whatever the kernel calls one, as plain data. */
export interface KernelCase {
  candidates: readonly unknown[];
  check: (variant: unknown) => Promise<boolean>;
  work: (variant: unknown) => Promise<TimedWork>;
  /** What the dispatches of `work` do at least. */
  least: Workload;
  /** How often `work` does it over, each time on other data, so that caches do not hold it. */
  copies: number;
}

/** A case whose variants are known only to the kernel itself: what comes from a command line is taken at its word. */
export function kernelCase<Variant>(
  typed: Pick<KernelCase, 'least' | 'copies'> & {
    candidates: readonly Variant[];
    check: (variant: Variant) => Promise<boolean>;
    work: (variant: Variant) => Promise<TimedWork>;
  },
): KernelCase {
  return {
    ...typed,
    check: (variant) => typed.check(variant as Variant),
    work: (variant) => typed.work(variant as Variant),
  };
}
