// A run of the fuzzer: hands out cases in batches to a process that runs them, and reports what came of them.

import { writeFile } from 'node:fs/promises';
import { CaseProcess, type Limits } from './case-process';
import type { Category } from './category';
import { finding, type Examined } from './examine';
import { parseFuzzOptions, USAGE, type FuzzOptions } from './options';
import { folderOf } from './protocol';
import { serveCases } from './serve-cases';
import { fuzzTable, Tally } from './tally';

/** Seconds on the clock after which a case that does nothing is taken to hang, whatever else the machine does. */
const WALL_SECONDS = 300;
/** Between two lines of progress, seconds. */
const PROGRESS = 60;
/** Cases of a round over all categories. */
const ROUND = 100;

/** The fuzzer's main program, of these categories; sets the exit code. */
export async function fuzz(categories: readonly Category[], args: readonly string[]): Promise<void> {
  let options: FuzzOptions;
  try {
    options = parseFuzzOptions(
      args,
      categories.map(({ name }) => name),
    );
  } catch (error) {
    console.error((error as Error).message);
    process.exitCode = 1;
    return;
  }
  if (options.help) return console.log(USAGE);
  if (options.serve) {
    serveCases(categories, options);
    // Until the fuzzer is gone.
    return new Promise(() => {});
  }
  const run = new FuzzRun(categories, options);
  const stop = (): never => process.exit(1);
  process.on('exit', () => run.stop());
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  await run.all();
}

/** Cases that follow one another in a category. */
interface Batch {
  category: Category;
  first: number;
  count: number;
}

/**
 * Batches of all categories by their shares, each counting its cases from 0 on: in turns, so that a run which is ended by
 * the clock has had all of them.
 */
export function* batches(categories: readonly Category[], cases: number): Generator<Batch, void, undefined> {
  const shares = categories.reduce((sum, { share }) => sum + share, 0);
  let begun = 0;
  for (let round = 0; begun < cases; round++) {
    for (const category of categories) {
      // What a share does not divide evenly is made up for in later rounds.
      const due = (n: number): number => Math.ceil((n * ROUND * category.share) / shares);
      const count = Math.min(due(round + 1) - due(round), cases - begun);
      if (count === 0) continue;
      yield { category, first: due(round), count };
      begun += count;
    }
  }
}

class FuzzRun {
  readonly #tally = new Tally();
  readonly #process: CaseProcess;
  readonly #began = performance.now();

  constructor(
    private readonly categories: readonly Category[],
    private readonly options: FuzzOptions,
  ) {
    const { seed, folder, limit } = options;
    const limits: Limits = { cpuSeconds: limit, wallSeconds: Math.max(WALL_SECONDS, 5 * limit) };
    const args = ['--serve', '--seed', String(seed), '--save', folder];
    this.#process = new CaseProcess(process.argv[1]!, args, limits);
  }

  /** Runs what the options ask for, and reports it. */
  async all(): Promise<void> {
    const { seed, only, index, cases, seconds, json } = this.options;
    console.log(`Seed ${seed}.`);
    const wanted = this.categories.filter(({ name }) => only === undefined || name === only);
    const plan =
      index === undefined ? batches(wanted, cases) : [{ category: wanted[0]!, first: index, count: 1 }];
    let shown = 0;
    for (const batch of plan) {
      if (this.#seconds() >= seconds) break;
      await this.#batch(batch);
      if (this.#seconds() < shown + PROGRESS) continue;
      shown = this.#seconds();
      console.log(
        `${Math.round(shown)} s: ${this.#tally.cases} cases, ${this.#tally.findings.length} findings`,
      );
    }
    this.stop();
    const figures = this.#tally.figures(seed, this.#seconds());
    console.log(`\n${fuzzTable(figures)}`);
    if (json !== undefined) await writeFile(json, `${JSON.stringify(figures, null, 2)}\n`);
    if (figures.findings.length > 0) process.exitCode = 1;
  }

  stop(): void {
    this.#process.stop();
  }

  #seconds(): number {
    return (performance.now() - this.#began) / 1000;
  }

  async #batch({ category, first, count }: Batch): Promise<void> {
    const end = first + count;
    for (let next = first; next < end;) {
      const order = { kind: 'run', category: category.name, first: next, count: end - next } as const;
      const ending = await this.#process.carryOut(order, (index, examined) =>
        this.#add(category, index, examined),
      );
      if (ending.kind === 'done') return;
      const { index, problem, cpuSeconds } = ending;
      // The process that was lost could keep nothing: another one makes the case again for that.
      await this.#process.carryOut({ kind: 'save', category: category.name, index }, () => {});
      this.#add(category, index, { ...finding(problem), cpuSeconds, heapGrowth: 0 });
      next = index + 1;
    }
  }

  #add(category: Category, index: number, examined: Examined): void {
    const { name } = category;
    const { seed } = this.options;
    this.#tally.add(name, index, examined);
    const { problem } = examined;
    if (problem === undefined) return;
    const command = `npm run fuzz -- --seed ${seed} --only ${name} --case ${index}`;
    const folder = folderOf(this.options.folder, name, seed, index);
    this.#tally.findings.push({ category: name, index, problem, command, folder });
    console.error(`\nFINDING in ${name}, case ${index}: ${problem}\n  again: ${command}\n  files: ${folder}`);
  }
}
