// How coarse a clock is, told from reading it.
import { describe, expect, it } from 'vitest';
import { stepOf } from '../../../src/gpu/clock';

/** A clock that is read every `readMs` and rounds down to `stepMs`. */
function coarse(stepMs: number, readMs: number): () => number {
  let reads = 0;
  return () => Math.floor((reads++ * readMs) / stepMs) * stepMs;
}

describe('the step of a clock', () => {
  it.for([0.1, 1, 16])('of %d ms is found', (stepMs) => {
    expect(stepOf(coarse(stepMs, 0.001))).toBeCloseTo(stepMs, 6);
  });

  it('is no longer for a thread that was stopped in between', () => {
    const now = coarse(0.1, 0.001);
    let calls = 0;
    expect(stepOf(() => now() + (calls++ > 50 ? 500 : 0))).toBeCloseTo(0.1, 6);
  });

  it('of one that stands still is that of the coarsest there is', () => {
    // Firefox rounds to a frame of 60 a second, 16.7 ms, at most.
    expect(stepOf(() => 5)).toBeGreaterThan(16.6);
  });
});
