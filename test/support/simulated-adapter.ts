// An adapter whose true times the test knows, with what real ones add to them: latency, noise, a clock rate that changes, a coarse
// clock, and other programs.
import type { Clock } from '../../src/gpu/clock';
import type { GpuContext } from '../../src/gpu/context';
import { fixedGrid } from '../../src/gpu/grid';
import type { Tunable } from '../../src/gpu/tuner';
import { random } from './random';

/** What an adapter and its machine are like. Times in ms. */
export interface AdapterTraits {
  /** From submitting until a page hears that it is done, beside the work. */
  latencyMs: number;
  /** Standard deviation of the latency, as a share of it. */
  latencyJitter: number;
  /** Standard deviation of the logarithm of what work takes. */
  noise: number;
  /** The share of runs that something holds up, by up to as much again as they take and up to `holdUpMs`. */
  outliers: number;
  holdUpMs: number;
  /** Work takes so many times as long at first, and that goes back to 1 within some `rampMs`. 1: no ramp. */
  ramp: number;
  rampMs: number;
  /** What a page's clock is rounded down to. */
  clockStepMs: number;
}

/** A context whose dispatches take as many ms as they have workgroups along x. */
export class SimulatedAdapter {
  readonly gpu: GpuContext;
  readonly clock: Clock;
  #ms = 0;
  readonly #random: () => number;

  constructor(
    private readonly traits: AdapterTraits,
    seed: number,
  ) {
    this.#random = random(seed);
    const { clockStepMs } = traits;
    this.#ms = this.#random() * clockStepMs;
    this.gpu = this.#context();
    this.clock = {
      now: () => (clockStepMs > 0 ? Math.floor(this.#ms / clockStepMs) * clockStepMs : this.#ms),
      stepMs: () => clockStepMs,
    };
  }

  /** The time that has truly passed, ms. */
  get ms(): number {
    return this.#ms;
  }

  spend(ms: number): void {
    this.#ms += ms;
  }

  /** A kernel whose variant n takes `costs[n]`, and `checkMs` to compile and check. */
  kernel(costs: readonly number[], checkMs: number): Tunable<number> {
    return {
      name: 'kernel',
      checked: 'kernel check',
      candidates: costs.map((_, i) => i),
      check: async () => {
        this.spend(checkMs);
        return true;
      },
      work: async (variant) => {
        const pipeline = {} as GPUComputePipeline;
        const bindGroup = {} as GPUBindGroup;
        return { dispatches: [{ label: '', pipeline, bindGroup, grid: fixedGrid(costs[variant]!) }] };
      },
    };
  }

  #run(work: number): void {
    const { latencyMs, latencyJitter, noise, outliers, holdUpMs, ramp, rampMs } = this.traits;
    this.#ms += latencyMs * Math.max(0.3, 1 + latencyJitter * this.#normal());
    const slow = 1 + (ramp - 1) * Math.exp(-this.#ms / rampMs);
    let took = work * slow * Math.exp(noise * this.#normal());
    if (this.#random() < outliers) took += this.#random() * Math.min(holdUpMs, took + latencyMs);
    this.#ms += took;
  }

  /** Box and Muller. */
  #normal(): number {
    const radius = Math.sqrt(-2 * Math.log(1 - this.#random()));
    return radius * Math.cos(2 * Math.PI * this.#random());
  }

  #context(): GpuContext {
    const encoder = () => {
      let work = 0;
      const pass = {
        setPipeline() {},
        setBindGroup() {},
        dispatchWorkgroups: (ms: number) => void (work += ms),
        end() {},
      };
      return { beginComputePass: () => pass, finish: () => ({ work }) };
    };
    return {
      assertAlive() {},
      capabilities: {},
      device: {
        adapterInfo: { vendor: 'v', architecture: 'a', device: 'd', description: 'x' },
        features: new Set<string>(),
        limits: {},
        createCommandEncoder: encoder,
        queue: {
          submit: (commands: readonly { work: number }[]) => {
            for (const { work } of commands) this.#run(work);
          },
          onSubmittedWorkDone: async () => {},
        },
      },
    } as unknown as GpuContext;
  }
}
