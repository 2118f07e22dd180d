// Chooses among the variants of a kernel: those that are right on this adapter, and of those the fastest.

import { TernionError, throwIfAborted, untilAborted } from '../errors';
import { systemClock, type Clock } from './clock';
import type { GpuContext } from './context';
import { workDone } from './map-async';
import { Runners, type TimedWork } from './timed-work';
import { TuningMemory, type CheckRecord, type TuningStore } from './tuning-memory';
import {
  race,
  ratioOf,
  spreadOf,
  type Course,
  type Evidence,
  type Runner,
  type Verdict,
} from './variant-race';

export type { TimedWork };

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

/** What was measured of a variant beside the one that was the best until then. */
export interface Race {
  /** Name of the tunable. */
  kernel: string;
  /** Both as JSON. */
  variant: string;
  against: string;
  verdict: Verdict;
  /** The time of `variant` over that of `against`: the median of `pairs` measurements of both. 1 where there are none. */
  ratio: number;
  /** How far those measurements lie from the median, in the middle: a share of it. */
  spread: number;
  pairs: number;
  /** Of the tunable's work once, by the latest measurement, ms; undefined where none came to an end. */
  ms: number | undefined;
  againstMs: number | undefined;
}

/** What was chosen, what was found to be wrong on this adapter, and what was measured in this load. */
export interface TuningReport {
  /** By name of the tunable: the variant as JSON. */
  chosen: Record<string, string>;
  /** `name: variant` of each variant that gave a wrong answer or did not compile. */
  rejected: string[];
  races: Race[];
}

/** What a tuner has spent, ms. */
export interface TunerTimes {
  checkMs: number;
  tuneMs: number;
}

/** How the tuner may spend time. */
export interface TunerOptions {
  /** Most time to spend on alternatives, ms; checking the variants that will run is not counted. 0: no alternatives. */
  budgetMs?: number | undefined;
  /** What earlier loads have found here is not looked for again. */
  store?: TuningStore | undefined;
  /** Resolves to what is remembered only as long as it stays the same; of all shaders if it is not given. */
  shadersHash?: (() => Promise<string>) | undefined;
  /** Ends the tuning: a check that waits for its kernels goes on for nobody, a measurement comes to its end. */
  signal?: AbortSignal | undefined;
  /** Takes the first candidate of each kernel as it is: for tools that look for the fault in a kernel that is wrong. */
  unchecked?: boolean | undefined;
  /** Replaceable for tests. */
  clock?: Clock;
}

const BUDGET_MS = 300;

/** Tunes one kernel after the other within a common budget. */
export class Tuner {
  readonly report: TuningReport = { chosen: {}, rejected: [], races: [] };
  readonly #clock: Clock;
  /** What checks took that were not of the budget, ms. */
  #checkMs = 0;
  #isSpending = false;
  /** Of the budget. */
  #spentMs = 0;
  /** Brings `#spentMs` up to date. */
  #count = (): void => {};
  #memory: Promise<TuningMemory> | undefined;

  constructor(
    private readonly gpu: GpuContext,
    private readonly options: TunerOptions = {},
  ) {
    this.#clock = options.clock ?? systemClock();
  }

  /** What checks of variants took that run whatever the budget, and what alternatives took, ms. */
  get spent(): TunerTimes {
    return { checkMs: this.#checkMs, tuneMs: this.#spentMs };
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
    const runners = new Runners(this.gpu, this.options.signal, this.#clock, tunable);
    for (const variant of order.slice(order.indexOf(best) + 1)) {
      const key = JSON.stringify(variant);
      if (key in times || this.#leftMs() < estimateMs) continue;
      const end = this.#spend();
      if (await this.#isRight(memory, tunable, variant)) {
        if (await this.#isFaster(memory, runners, tunable.name, variant, best)) best = variant;
      }
      end();
    }
    return this.#chosen(tunable.name, best);
  }

  /** Whether `variant` is known to be faster than `best`. If the budget allows to find out, that is remembered. */
  async #isFaster<Variant>(
    memory: TuningMemory,
    runners: Runners<Variant>,
    name: string,
    variant: Variant,
    best: Variant,
  ): Promise<boolean> {
    const [times, trials] = [memory.times(name), memory.trials(name)];
    const [key, against] = [JSON.stringify(variant), JSON.stringify(best)];
    const before = trials[key];
    const trial = before?.against === against ? before : { against, stage: 0, ratios: [] };
    const course = this.#course();
    const made = Promise.all([runners.of(variant), runners.of(best)]);
    const [challenger, champion] = await untilAborted(made, this.options.signal);
    const verdict = await race(challenger, champion, course, trial);
    const kernel = { kernel: name, variant: key, against };
    this.report.races.push({ ...kernel, verdict, ...summaryOf(trial, challenger, champion) });
    delete trials[key];
    if (verdict === 'undecided') {
      trials[key] = trial;
      return false;
    }
    const known = (times[against] ??= 1);
    // What cannot be told apart from the best does not come before it in the next load either.
    times[key] = known * (verdict === 'faster' ? ratioOf(trial) : Math.max(1, ratioOf(trial)));
    return verdict === 'faster';
  }

  #leftMs(): number {
    return (this.options.budgetMs ?? BUDGET_MS) - this.#spentMs;
  }

  /** Begins to spend the budget; what it returns ends that. */
  #spend(): () => void {
    const start = this.#clock.now();
    const before = this.#spentMs;
    const spend = (): void => void (this.#spentMs = before + this.#clock.now() - start);
    this.#count = spend;
    this.#isSpending = true;
    return () => {
      spend();
      this.#isSpending = false;
    };
  }

  #course(): Course {
    return {
      stepMs: this.#clock.stepMs(),
      leftMs: () => {
        this.#count();
        return this.#leftMs();
      },
      settle: () => workDone(this.gpu.device),
    };
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
    this.#memory ??= TuningMemory.open(this.gpu, this.options.store, this.options.shadersHash);
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
    const start = this.#clock.now();
    try {
      const right = await untilAborted(tunable.check(variant), this.options.signal);
      const ms = this.#clock.now() - start;
      if (!this.#isSpending) this.#checkMs += ms;
      return { right, ms };
    } catch (error) {
      this.gpu.assertAlive();
      // What does not compile is as useless as what is wrong; anything else is a fault to hear of.
      if (!(error instanceof TernionError) || error.code !== 'internal') throw error;
      return undefined;
    }
  }
}

function summaryOf(
  trial: Evidence,
  challenger: Runner,
  champion: Runner,
): Pick<Race, 'ratio' | 'spread' | 'pairs' | 'ms' | 'againstMs'> {
  return {
    ratio: ratioOf(trial),
    spread: spreadOf(trial),
    pairs: trial.ratios.length,
    ms: challenger.ms || undefined,
    againstMs: champion.ms || undefined,
  };
}
