// Which of two variants of a kernel is faster, told from times with latency, noise and a coarse clock in them. Knows no GPU.

/** Work that can be timed. */
export interface Contender {
  /** Encodes the work `repeats` times over. What it returns runs that, once, and resolves to the ms until it is done. */
  prepare(repeats: number): () => Promise<number>;
}

/** What two contenders meet on. */
export interface Course {
  /** Milliseconds that the clock goes at once. */
  stepMs: number;
  /** Milliseconds that may still be spent. */
  leftMs(): number;
  /** Resolves when all that was prepared is encoded: in a browser another process does that, in its own time. */
  settle(): Promise<void>;
}

/** What was measured so far of a challenger; the next load goes on where the budget has ended this one. */
export interface Evidence {
  /** Index of how closely it was looked: see {@link STAGES}. */
  stage: number;
  /** Natural logarithms of the challenger's time over the champion's, one for each time that both have run. */
  ratios: number[];
}

/** `undecided` where the budget ended before anything could be said. */
export type Verdict = 'faster' | 'not-faster' | 'undecided';

/**
 * How closely two are looked at: far apart is soon told, and what is not takes longer runs. `spanMs` is the time between the
 * two lengths of a run, or of all of a long one, and at least so many steps of the clock; `pairs` how often both run.
 */
const STAGES = [
  { spanMs: 2, steps: 10, pairs: 8 },
  { spanMs: 8, steps: 40, pairs: 32 },
  { spanMs: 24, steps: 60, pairs: 24 },
] as const;
/** Of long work, whose runs are the same at every stage, a pair tells less. */
const MOST_LONG_PAIRS = 60;
/** A pair has to fit a load's budget, also on a clock of 1 ms. */
const MOST_SPAN_MS = 60;
/** Work of so many ms is timed as it is: the latency of a submit, 0.3 to 2 ms, is little of it, and four times as much is dear. */
const LONG_MS = 10;
/** Of a submit and the wait for it, in the slowest of browsers. */
const LATENCY_MS = 2;
/** The longer run of a slope is so many times the shorter one. */
const LONGER = 4;
/** Beyond so many repeats encoding takes longer than what it is for. */
const MOST_REPEATS = 1 << 14;

/** What is so many times faster or slower than before was measured wrongly. */
const ODD = 8;

/** Fewer pairs say nothing. */
const LEAST_PAIRS = 6;
/** So many standard errors make sure: more where few pairs say little of how they scatter. By the draws of the test. */
const SURE = (pairs: number): number => 1.5 + 16 / pairs;
/** No measurement is better than this. */
const LEAST_ERROR = 0.01;
/** To change for less is not worth it; both are fine. */
const WORTH = 0.02;
/** Where it is sure that a challenger gains no more than this, the champion stays. Beyond it, it goes on. */
const IN_VAIN = 0.03;
/** Where three pairs in a row say so, no more are needed. */
const LANDSLIDE = { pairs: 3, ratio: Math.log(1.35) } as const;

/** What `ratios` say, each of which the clock alone makes uncertain by `clockError`. */
export function verdictOf(ratios: readonly number[], clockError: number): Verdict {
  const count = ratios.length;
  if (count >= LANDSLIDE.pairs && isLandslide(ratios)) return 'not-faster';
  // Of each order the same number: a clock that speeds up favours whoever is second.
  if (count < LEAST_PAIRS || count % 2 === 1) return 'undecided';
  const middle = median(ratios);
  // 1.4826 makes a standard deviation of the median distance, 1.25 the standard error of a median.
  const deviation = 1.4826 * median(ratios.map((ratio) => Math.abs(ratio - middle)));
  const error = Math.max(LEAST_ERROR, (1.25 * (SURE(count) * deviation + clockError)) / Math.sqrt(count));
  if (middle < -WORTH && middle + error < 0) return 'faster';
  return middle - error > -IN_VAIN ? 'not-faster' : 'undecided';
}

/** Whether all ratios are far on one side, and scatter less than that: otherwise they are the noise of a busy machine. */
function isLandslide(ratios: readonly number[]): boolean {
  const [least, most] = [Math.min(...ratios), Math.max(...ratios)];
  return least > LANDSLIDE.ratio && most - least < median(ratios);
}

/** The ratio of times that `evidence` speaks for. */
export function ratioOf({ ratios }: Evidence): number {
  return ratios.length === 0 ? 1 : Math.exp(median(ratios));
}

/** How far the ratios of `evidence` lie from their median, in the middle: a share of it, 0 where there are none. */
export function spreadOf({ ratios }: Evidence): number {
  if (ratios.length === 0) return 0;
  const middle = median(ratios);
  return Math.exp(median(ratios.map((ratio) => Math.abs(ratio - middle)))) - 1;
}

/** Whether it is known how long work takes; or why not. */
type Pace = 'known' | 'no time' | 'too short';

/** A contender, and what is known of how long it takes. */
export class Runner {
  /** Of the work once; undefined before the first run. */
  #ms: number | undefined;
  /** Repeats that were enough to tell it from the latency. */
  #repeats = 1;

  constructor(private readonly contender: Contender) {}

  /** Milliseconds of the work once, as far as is known. */
  get ms(): number {
    return this.#ms ?? 0;
  }

  get isLong(): boolean {
    return this.ms >= LONG_MS;
  }

  /** Finds out how long the work takes, roughly; `like` is another contender for the same work. */
  async pace(course: Course, like: Runner): Promise<Pace> {
    if (this.#ms !== undefined) return 'known';
    if (like.isLong) this.#repeats = 1;
    else this.#repeats = Math.max(this.#repeats, like.#repeats);
    // What is told from the latency twice over is no accident of it.
    const enough = Math.max(0.5, 3 * course.stepMs);
    while (this.#repeats * LONGER <= MOST_REPEATS) {
      if (course.leftMs() <= like.ms * this.#repeats) return 'no time';
      const short = await this.contender.prepare(this.#repeats)();
      if (this.#repeats === 1 && short >= LONG_MS) {
        this.#ms = short;
        return 'known';
      }
      if (course.leftMs() <= LONGER * short) return 'no time';
      const long = await this.contender.prepare(LONGER * this.#repeats)();
      if (long - short >= Math.max(enough, short)) {
        this.#ms = (long - short) / ((LONGER - 1) * this.#repeats);
        return 'known';
      }
      this.#repeats *= LONGER;
    }
    return 'too short';
  }

  /** What `lap` will take, ms, as far as is known. */
  lapMs(spanMs: number): number {
    const repeats = this.#lapRepeats(spanMs);
    return this.isLong ? this.ms * repeats + LATENCY_MS : this.ms * repeats * (1 + LONGER) + 2 * LATENCY_MS;
  }

  /** Prepares a measurement. What it returns makes it, and resolves to the ms of the work once, or to NaN if it failed. */
  lap(spanMs: number): () => Promise<number> {
    const repeats = this.#lapRepeats(spanMs);
    const isLong = this.isLong;
    const short = this.contender.prepare(repeats);
    const long = isLong ? undefined : this.contender.prepare(LONGER * repeats);
    return async () => {
      const first = await short();
      const ms = long ? ((await long()) - first) / ((LONGER - 1) * repeats) : first / repeats;
      const known = this.ms;
      if (!(ms > 0)) return NaN;
      this.#learn(ms);
      // No work takes that much more or less from one run to the next: something held one of the two up.
      return ms > known / ODD && ms < known * ODD ? ms : NaN;
    };
  }

  /** A chip that speeds up makes runs longer ones; one measurement that went wrong does not, as what it would cost is not known. */
  #learn(ms: number): void {
    const wasLong = this.isLong;
    this.#ms = Math.min(1.5 * this.ms, Math.max(this.ms / 1.5, ms));
    if (wasLong && !this.isLong) this.#ms = undefined;
  }

  #lapRepeats(spanMs: number): number {
    const runs = this.isLong ? 1 : LONGER - 1;
    return Math.min(MOST_REPEATS / LONGER, Math.max(1, Math.ceil(spanMs / (runs * this.ms))));
  }
}

/**
 * Whether `challenger` is faster than `champion`. They run in turns (A B B A …) until that is clear; what cannot be told apart
 * is not faster. Adds to `evidence`, and to the budget's expense nothing that is known not to fit.
 */
export async function race(
  challenger: Runner,
  champion: Runner,
  course: Course,
  evidence: Evidence,
): Promise<Verdict> {
  const { ratios } = evidence;
  let failed = 0;
  for (;;) {
    const stage = STAGES[evidence.stage];
    if (!stage || failed > 2 * STAGES[0].pairs) return 'not-faster';
    const areNew = challenger.ms === 0 && champion.ms === 0;
    const isChallengerFirst = ratios.length % 2 === 1;
    const pace = isChallengerFirst
      ? await bothPaces(challenger, champion, course)
      : await bothPaces(champion, challenger, course);
    if (pace !== 'known') return pace === 'no time' ? 'undecided' : 'not-faster';
    // Long work is dear, and the first look at it a measurement like any other.
    if (areNew && challenger.isLong && champion.isLong) ratios.push(Math.log(challenger.ms / champion.ms));
    const spanMs = Math.min(MOST_SPAN_MS, Math.max(stage.spanMs, stage.steps * course.stepMs));
    if (course.leftMs() < challenger.lapMs(spanMs) + champion.lapMs(spanMs)) return 'undecided';
    const ratio = await pair(challenger, champion, course, spanMs, ratios.length % 2 === 1);
    if (Number.isFinite(ratio)) ratios.push(ratio);
    else failed++;
    const verdict = verdictOf(ratios, course.stepMs / spanMs);
    if (verdict !== 'undecided') return verdict;
    const areLong = challenger.isLong && champion.isLong;
    if (ratios.length >= (areLong ? MOST_LONG_PAIRS : stage.pairs)) closer(evidence, areLong);
  }
}

/** Paces `first`, then `second`. */
async function bothPaces(first: Runner, second: Runner, course: Course): Promise<Pace> {
  const pace = await first.pace(course, second);
  return pace === 'known' ? second.pace(course, first) : pace;
}

/** Looks more closely, if that can be done. */
function closer(evidence: Evidence, areLong: boolean): void {
  evidence.stage = areLong ? STAGES.length : evidence.stage + 1;
  evidence.ratios.length = areLong ? evidence.ratios.length : 0;
}

/** The logarithm of the challenger's time over the champion's, each measured once. */
async function pair(
  challenger: Runner,
  champion: Runner,
  course: Course,
  spanMs: number,
  isChallengerFirst: boolean,
): Promise<number> {
  const laps = [challenger.lap(spanMs), champion.lap(spanMs)] as const;
  await course.settle();
  const second = isChallengerFirst ? undefined : await laps[1]();
  const ms = await laps[0]();
  return Math.log(ms / (second ?? (await laps[1]())));
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? NaN;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? NaN)) / 2;
}
