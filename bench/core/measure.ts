// How times are taken: on the clock of the CPU, often enough, and summed up by numbers that a busy machine bends least.

import { throwIfAborted } from '../../src/errors';
import { workDone } from '../../src/gpu/map-async';

/** What was measured, in milliseconds. The best is least bent by what else the machine does; the median tells how much. */
export interface Timing {
  best: number;
  median: number;
  /** Measurements taken. */
  samples: number;
}

/** The middle of `values`, or the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Sums up measurements; at least one. */
export function summarize(milliseconds: readonly number[]): Timing {
  return {
    best: Math.min(...milliseconds),
    median: median(milliseconds),
    samples: milliseconds.length,
  };
}

/** Takes up to `samples` measurements, and after the first stops when `budgetMs` is spent. */
export async function sample(
  measure: () => Promise<number>,
  samples: number,
  budgetMs: number,
  signal?: AbortSignal,
): Promise<Timing> {
  const taken: number[] = [];
  const start = performance.now();
  do {
    throwIfAborted(signal);
    taken.push(await measure());
  } while (taken.length < samples && performance.now() - start < budgetMs);
  return summarize(taken);
}

/** Milliseconds until the GPU has done what `encode` records. */
export async function timeGpu(
  device: GPUDevice,
  encode: (encoder: GPUCommandEncoder) => void,
): Promise<number> {
  const encoder = device.createCommandEncoder();
  encode(encoder);
  const commands = encoder.finish();
  await workDone(device);
  const start = performance.now();
  device.queue.submit([commands]);
  await workDone(device);
  return performance.now() - start;
}
