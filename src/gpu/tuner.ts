// Chooses among the variants of a kernel: those that are right on this adapter, and of those the fastest.

import { TernionError, throwIfAborted } from '../errors';
import { encodePass, type Dispatch, type GpuContext } from './context';
import { TuningMemory, type CheckRecord, type TuningStore } from './tuning-memory';

/** Dispatches to be timed, and the step that they are timed for. */
export interface TimedWork {
  dispatches: readonly Dispatch[];
  /** Default 1. */
  tokens?: number;
  /** Position of the first token. Default 0. */
  position?: number;
}

/** A kernel with several variants. */
export interface Tunable<Variant> {
  /** Names the choice, in reports and in what is remembered of times; with the shape, where that matters. */
  name: string;
  /** Names all that `check` depends on beside the variant: under this, what it finds is remembered. */
  checked: string;
  /** The likeliest to be the fastest first. */
  candidates: readonly Variant[];
  /** Runs every pipeline of a variant on this device and compares with known answers. */
  check(variant: Variant): Promise<boolean>;
  /** Typical work, to be timed. */
  work(variant: Variant): Promise<TimedWork>;
}

/** What was chosen, and what was found to be wrong on this adapter. */
export interface TuningReport {
  /** By name of the tunable: the variant as JSON. */
  chosen: Record<string, string>;
  /** `name: variant` of each variant that gave a wrong answer or did not compile. */
  rejected: string[];
}

/** How the tuner may spend time. */
export interface TunerOptions {
  /** Most time to spend on alternatives, ms; checking the variants that will run is not counted. 0: no alternatives. */
  budgetMs?: number | undefined;
  /** What earlier loads have found here is not looked for again. */
  store?: TuningStore | undefined;
  /** Ends the tuning between two checks or measurements. */
  signal?: AbortSignal | undefined;
  /** Takes the first candidate of each kernel as it is: for tools that look for the fault in a kernel that is wrong. */
  unchecked?: boolean | undefined;
  /** Milliseconds; replaceable for tests. */
  now?: () => number;
}

/** Measurements shorter than this say little on a clock of 0.1 ms. */
const LEAST_MS = 1;
const ROUNDS = 3;
/** Times on a busy machine scatter: what is not clearly faster is not worth a change. */
const CLEARLY = 0.9;

/** Tunes one kernel after the other within a common budget. */
export class Tuner {
  readonly report: TuningReport = { chosen: {}, rejected: [] };
  readonly #now: () => number;
  #budgetMs: number;
  #memory: Promise<TuningMemory> | undefined;

  constructor(
    private readonly gpu: GpuContext,
    private readonly options: TunerOptions = {},
  ) {
    this.#budgetMs = options.budgetMs ?? 300;
    this.#now = options.now ?? (() => performance.now());
  }

  /**
   * The fastest right variant that the budget allows to find. Times of earlier loads count; each load tries some of the
   * rest. Rejects with `kernel-check-failed` if no variant is right.
   */
  async choose<Variant extends object | number>(tunable: Tunable<Variant>): Promise<Variant> {
    if (this.options.unchecked) return this.#chosen(tunable.name, tunable.candidates[0]!);
    const memory = await this.#open();
    const times = memory.times(tunable.name);
    const known = (variant: Variant): number => times[JSON.stringify(variant)] ?? 1;
    // A stable sort: what is not known keeps its place behind what is known to be faster than the first.
    const order = [...tunable.candidates].sort((a, b) => known(a) - known(b));
    let best: Variant = await this.#firstRight(memory, tunable, order);
    // What the check of the first one took, compilation included, is what another will take.
    const estimateMs = memory.checks(tunable.checked)[JSON.stringify(best)]!.ms;
    for (const variant of order.slice(order.indexOf(best) + 1)) {
      const key = JSON.stringify(variant);
      if (key in times || this.#budgetMs < estimateMs) continue;
      const start = this.#now();
      if (await this.#isRight(memory, tunable, variant)) {
        const ratio = await this.#compare(tunable, variant, best);
        times[JSON.stringify(best)] ??= 1;
        times[key] = ratio * known(best);
        if (ratio < CLEARLY) best = variant;
      }
      this.#budgetMs -= this.#now() - start;
    }
    return this.#chosen(tunable.name, best);
  }

  #chosen<Variant>(name: string, variant: Variant): Variant {
    this.report.chosen[name] = JSON.stringify(variant);
    return variant;
  }

  /** Writes down what was found. */
  async save(): Promise<void> {
    await (await this.#memory)?.save();
  }

  #open(): Promise<TuningMemory> {
    this.#memory ??= TuningMemory.open(this.gpu, this.options.store);
    return this.#memory;
  }

  async #firstRight<Variant>(
    memory: TuningMemory,
    tunable: Tunable<Variant>,
    order: readonly Variant[],
  ): Promise<Variant> {
    const remembered = Object.keys(memory.checks(tunable.checked)).length > 0;
    for (const variant of order) if (await this.#isRight(memory, tunable, variant)) return variant;
    if (remembered) {
      // No load fails by what is remembered alone.
      memory.forget(tunable.checked);
      this.report.rejected = this.report.rejected.filter((each) => !each.startsWith(`${tunable.name}: `));
      return this.#firstRight(memory, tunable, order);
    }
    const message =
      `No variant of the kernel ${tunable.name} gives right results on this GPU (${order.length} tried). ` +
      'An update of the browser or the graphics driver may help.';
    throw new TernionError('kernel-check-failed', message);
  }

  /** Whether `variant` gives right results here, as it was found now or is remembered. */
  async #isRight<Variant>(
    memory: TuningMemory,
    tunable: Tunable<Variant>,
    variant: Variant,
  ): Promise<boolean> {
    throwIfAborted(this.options.signal);
    const records = memory.checks(tunable.checked);
    const key = JSON.stringify(variant);
    const record = records[key] ?? (await this.#check(tunable, variant));
    if (record) records[key] = record;
    if (record?.right) return true;
    this.report.rejected.push(`${tunable.name}: ${key}`);
    return false;
  }

  /** What the check of `variant` finds. Undefined where it does not run at all, which may be another time's luck. */
  async #check<Variant>(tunable: Tunable<Variant>, variant: Variant): Promise<CheckRecord | undefined> {
    const start = this.#now();
    try {
      const right = await tunable.check(variant);
      return { right, ms: this.#now() - start };
    } catch (error) {
      this.gpu.assertAlive();
      // What does not compile is as useless as what is wrong; anything else is a fault to hear of.
      if (!(error instanceof TernionError) || error.code !== 'internal') throw error;
      return undefined;
    }
  }

  /** Time of `variant` over that of `other`, the best of a few rounds each, taken in turns. */
  async #compare<Variant>(tunable: Tunable<Variant>, variant: Variant, other: Variant): Promise<number> {
    const works = [await tunable.work(variant), await tunable.work(other)] as const;
    const once = Math.max(await this.#time(works[0], 1), await this.#time(works[1], 1), 0.01);
    const repeats = Math.ceil(LEAST_MS / once);
    const best = [Infinity, Infinity];
    for (let round = 0; round < ROUNDS; round++) {
      for (const [i, work] of works.entries()) best[i] = Math.min(best[i]!, await this.#time(work, repeats));
    }
    return best[0]! / best[1]!;
  }

  async #time({ dispatches, tokens, position }: TimedWork, repeats: number): Promise<number> {
    throwIfAborted(this.options.signal);
    const { queue } = this.gpu.device;
    const encoder = this.gpu.device.createCommandEncoder();
    for (let i = 0; i < repeats; i++) encodePass(encoder, dispatches, tokens, position);
    const start = this.#now();
    queue.submit([encoder.finish()]);
    await queue.onSubmittedWorkDone();
    return this.#now() - start;
  }
}
