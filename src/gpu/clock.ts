// What time it is, and how coarsely that is told: browsers round it, to 0.1 ms as a rule and to more where asked to.

import { WAIT_STEP_MS } from './map-async';

/** A clock for measuring. */
export interface Clock {
  /** Milliseconds since some moment. */
  now(): number;
  /** Milliseconds that it goes at once. */
  stepMs(): number;
}

/** Reads of a clock before it is given up to see it move: some 10 ms. Firefox's coarsest takes 17 ms for a step. */
const MOST_READS = 200_000;
const COARSEST_MS = 17;

/** The clock of this thread, with the step that waiting for the GPU adds to its own. */
export function systemClock(): Clock {
  let step: number | undefined;
  const now = (): number => performance.now();
  return { now, stepMs: () => (step ??= Math.max(WAIT_STEP_MS, stepOf(now))) };
}

/** The smallest of a few steps: in between this thread may be stopped. */
export function stepOf(now: () => number): number {
  return Math.min(nextStep(now), nextStep(now), nextStep(now));
}

function nextStep(now: () => number): number {
  const start = now();
  for (let i = 0; i < MOST_READS; i++) {
    const step = now() - start;
    if (step > 0) return step;
  }
  return COARSEST_MS;
}
