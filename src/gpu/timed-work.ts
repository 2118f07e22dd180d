// What a kernel is timed with: its dispatches again and again, each time on the data of another layer.

import { throwIfAborted } from '../errors';
import type { Clock } from './clock';
import { encodePass, type Dispatch, type GpuContext } from './context';
import { workDone } from './map-async';
import { Runner } from './variant-race';

/** Dispatches to be timed, and the step that they are timed for. */
export interface TimedWork {
  dispatches: readonly Dispatch[];
  /** The same on other data, such as the matrices of other layers: repeats take their turns, so that no cache has it all. */
  alternatives?: readonly (readonly Dispatch[])[];
  /** Default 1. */
  tokens?: number;
  /** Position of the first token. Default 0. */
  position?: number;
}

/** The runners of a kernel's variants, each made when it is first wanted. */
export class Runners<Variant> {
  readonly #runners = new Map<Variant, Promise<Runner>>();

  constructor(
    private readonly gpu: GpuContext,
    private readonly signal: AbortSignal | undefined,
    private readonly clock: Clock,
    private readonly kernel: { work(variant: Variant): Promise<TimedWork> },
  ) {}

  of(variant: Variant): Promise<Runner> {
    const runner = this.#runners.get(variant) ?? this.#make(variant);
    this.#runners.set(variant, runner);
    return runner;
  }

  async #make(variant: Variant): Promise<Runner> {
    const { gpu, signal, clock } = this;
    const { dispatches, alternatives = [], tokens, position } = await this.kernel.work(variant);
    const turns = [dispatches, ...alternatives];
    // Goes on where the last run has ended: what that has left in a cache is not used at once.
    let turn = 0;
    return new Runner({
      prepare: (repeats) => {
        throwIfAborted(signal);
        const encoder = gpu.device.createCommandEncoder();
        for (let i = 0; i < repeats; i++)
          encodePass(encoder, turns[turn++ % turns.length]!, tokens, position);
        const commands = encoder.finish();
        return async () => {
          throwIfAborted(signal);
          gpu.assertAlive();
          const start = clock.now();
          gpu.device.queue.submit([commands]);
          await workDone(gpu.device);
          return clock.now() - start;
        };
      },
    });
  }
}
