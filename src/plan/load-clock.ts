// What a load waits for, one thing after the other: a stopwatch, and what it shows in the end.

/** What a load waited for, ms. What goes on beside something else counts only as far as it was waited for, so all add up to `total`. */
export interface LoadTimes {
  /** Adapter and device, and what they can do. 0 where the device was there. */
  device: number;
  /** The files: until they could be read, with their headers and the tokenizer made of them. */
  open: number;
  /** Tensors: downloaded or read from the cache, converted and brought onto the GPU. */
  upload: number;
  /** Kernels that ran on known answers, compiled for that where need be. */
  check: number;
  /** Variants that were timed in this load. */
  tune: number;
  /** Kernels that were compiled, or were on their way. */
  compile: number;
  /** Until all that was there, ms. The worker had started by then. */
  total: number;
  /** Kernels that were compiled, or found in what the device had, before the model was ready. */
  pipelines: number;
}

/** What time goes to. */
export type LoadPhase = Exclude<keyof LoadTimes, 'total' | 'pipelines'>;

/** Gives the time since it was last asked to one phase or another. Begins when it is made. */
export class LoadClock {
  readonly #spent: Record<LoadPhase, number> = {
    device: 0,
    open: 0,
    upload: 0,
    check: 0,
    tune: 0,
    compile: 0,
  };
  #last: number;

  constructor(private readonly now: () => number = () => performance.now()) {
    this.#last = now();
  }

  /** The time since the last call was `phase`'s, but for what others are known to have had of it, ms. */
  lap(phase: LoadPhase, others: Partial<Record<LoadPhase, number>> = {}): void {
    const now = this.now();
    let left = now - this.#last;
    this.#last = now;
    for (const [other, ms] of Object.entries(others) as [LoadPhase, number][]) {
      const share = Math.min(left, ms);
      this.#spent[other] += share;
      left -= share;
    }
    this.#spent[phase] += left;
  }

  /** All of it, with the number of kernels that there are by now. */
  times(pipelines: number): LoadTimes {
    const spent = { ...this.#spent };
    const total = Object.values(spent).reduce((sum, ms) => sum + ms, 0);
    return { ...spent, total, pipelines };
  }
}
