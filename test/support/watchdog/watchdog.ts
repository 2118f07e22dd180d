// Fences hangs in: a test file that makes no progress is looked at, killed with its browsers, and run once more.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import {
  ForksPoolWorker,
  type PoolOptions,
  type PoolRunnerInitializer,
  type PoolWorker,
  type WorkerRequest,
} from 'vitest/node';
import { killTree, nativeStacks, processTree } from './processes.mjs';

const POOL = 'watched-forks';
/** How often the watchdog looks, ms. */
const INTERVAL = 500;
/** How long a process has for a report of its JavaScript, ms. One that is blocked in native code never writes it. */
const REPORT_LIMIT = 5_000;
/** How long a process may take to end, ms. Vitest itself waits for a minute and then leaves it behind. */
const ENDING_LIMIT = 40_000;

/** A test file that hung. */
export interface Hang {
  project: string;
  /** Relative to the root of the repository. */
  file: string;
  /** What it was doing: `the test "…"`, or what comes before and after tests. */
  doing: string;
  /**
   * What became of the file: it runs once more; it hung then too; it had finished, and its process did not end; or it went on
   * while it was looked at.
   */
  outcome: 'rerun' | 'again' | 'ending' | 'recovered';
}

/** What progress.ts writes down. */
interface Progress {
  pid: number;
  file: string;
  /** Counted anew in each file. */
  step: number;
  doing: string;
}

function stepOf({ file, step }: Progress): string {
  return `${file} ${step}`;
}

function sameStep(a: Progress | undefined, b: Progress | undefined): boolean {
  return (a && stepOf(a)) === (b && stepOf(b));
}

/** The folder that holds, while tests run, a file for each process with what it does. .ci/vitest.mjs reads it too. */
function progressFolder(): string {
  const folder = process.env.TERNION_PROGRESS_FOLDER;
  if (!folder) return mkdtempSync(join(tmpdir(), 'ternion-tests-'));
  mkdirSync(folder, { recursive: true });
  return folder;
}

/** TERNION_HANG_SECONDS, or five minutes, in ms. 0: for ever, for those who debug a test. */
function hangLimit(): number {
  const seconds = process.env.TERNION_HANG_SECONDS;
  return seconds === undefined ? 300_000 : Number(seconds) * 1000;
}

/** Gives Vitest's projects a pool in which hangs are noticed, and keeps the list of those. */
export class Watchdog {
  readonly hangs: Hang[] = [];
  /** The longest that one step of a file may take, ms: loading it, its hooks, or one test. */
  readonly limitMs = hangLimit();
  readonly #folder = progressFolder();
  #workers = 0;

  /** For `pool` in the configuration: one process for each file, as `forks` has them. */
  readonly pool: PoolRunnerInitializer = {
    name: POOL,
    createPoolWorker: (options) =>
      new WatchedWorker(this, options, join(this.#folder, `${process.pid}-${++this.#workers}`)),
  };
}

/**
 * A process that runs one test file, or one after the other where a project isolates none. To Vitest it is one worker, even if the
 * process was replaced.
 */
class WatchedWorker implements PoolWorker {
  // Only by this name would Vitest give another file to it.
  readonly name = POOL;
  readonly cacheFs = true;
  readonly #watchdog: Watchdog;
  readonly #options: PoolOptions;
  /** Path of the file with the process's progress; reports of Node are written beside it. */
  readonly #path: string;
  readonly #listeners: [event: string, callback: (arg: unknown) => void][] = [];
  /** What Vitest has asked the process to do, for the one that takes its place. */
  readonly #requests: WorkerRequest[] = [];
  #fork: ForksPoolWorker;
  #file = '';
  #step = '';
  #since = 0;
  #limit: number;
  #hung = false;
  /** The process is no more, or Vitest is ending it. */
  #ended = false;
  /** Another process is being started; it is sent all requests when it listens. */
  #replacing = false;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(watchdog: Watchdog, options: PoolOptions, path: string) {
    this.#watchdog = watchdog;
    this.#options = options;
    this.#path = path;
    this.#limit = watchdog.limitMs;
    this.#fork = this.#newFork();
  }

  on(event: string, callback: (arg: unknown) => void): void {
    this.#listeners.push([event, callback]);
    this.#fork.on(event, callback);
  }

  off(event: string, callback: (arg: unknown) => void): void {
    const i = this.#listeners.findIndex((each) => each[0] === event && each[1] === callback);
    if (i >= 0) this.#listeners.splice(i, 1);
    this.#fork.off(event, callback);
  }

  send(message: WorkerRequest): void {
    if (message.type === 'start') this.#requests.push(message);
    if (message.type === 'run') this.#begin(message);
    if (message.type === 'stop') {
      this.#limit = Math.min(this.#limit, ENDING_LIMIT);
      this.#since = performance.now();
      this.#requests.length = 0;
    }
    if (!this.#replacing) this.#fork.send(message);
  }

  /** What the process ran before has ended: in its place another one runs this file alone. */
  #begin(message: WorkerRequest & { type: 'run' }): void {
    this.#file = message.context.files.map(({ filepath }) => filepath).join(', ');
    this.#requests.splice(0, Infinity, ...this.#requests.filter(({ type }) => type === 'start'), message);
    this.#since = performance.now();
    this.#hung = false;
  }

  async start(): Promise<void> {
    await this.#fork.start();
    this.#watch();
  }

  async stop(): Promise<void> {
    this.#unwatch();
    await this.#fork.stop();
  }

  deserialize(data: unknown): unknown {
    return data;
  }

  #newFork(): ForksPoolWorker {
    const { env, execArgv } = this.#options;
    return new ForksPoolWorker({
      ...this.#options,
      env: { ...env, TERNION_PROGRESS: this.#path },
      // SIGUSR2 makes Node write where its JavaScript is.
      execArgv: [
        ...execArgv,
        '--report-on-signal',
        '--report-exclude-network',
        `--report-directory=${this.#path}.reports`,
      ],
    });
  }

  #watch(): void {
    this.#since = performance.now();
    // A process that ended by itself has nothing left to watch; Vitest says what became of it.
    this.#ended = false;
    this.#fork.on('exit', () => this.#unwatch());
    this.#timer = setInterval(() => this.#look(), INTERVAL);
  }

  #unwatch(): void {
    this.#ended = true;
    clearInterval(this.#timer);
    rmSync(this.#path, { force: true });
  }

  #look(): void {
    const progress = this.#progress();
    const step = progress && stepOf(progress);
    if (step !== undefined && step !== this.#step) {
      this.#step = step;
      this.#since = performance.now();
    } else if (this.#watchdog.limitMs > 0 && performance.now() - this.#since > this.#limit) {
      clearInterval(this.#timer);
      void this.#dealWithHang(progress);
    }
  }

  /** What the process does; undefined before it has got to any setup file, and amid a write. */
  #progress(): Progress | undefined {
    try {
      return JSON.parse(readFileSync(this.#path, 'utf8')) as Progress;
    } catch {
      return undefined;
    }
  }

  async #dealWithHang(progress: Progress | undefined): Promise<void> {
    const hang = this.#hang(progress);
    this.#watchdog.hangs.push(hang);
    const request = this.#requests.at(-1);
    console.error(
      `\nWATCHDOG: ${hang.file} (${hang.project}) hangs: no progress for ${this.#limit / 1000} s in ${hang.doing}.`,
    );
    if (progress) console.error(await describeProcess(progress.pid, `${this.#path}.reports`));
    rmSync(`${this.#path}.reports`, { recursive: true, force: true });
    if (this.#ended || this.#requests.at(-1) !== request || !sameStep(this.#progress(), progress)) {
      hang.outcome = 'recovered';
      if (!this.#ended) this.#watch();
    } else if (hang.outcome === 'rerun') {
      this.#hung = true;
      await this.#rerun(progress);
    } else await this.#kill(progress);
    console.error(`WATCHDOG: ${hang.file} (${hang.project}): ${OUTCOMES[hang.outcome]}.\n`);
  }

  #hang(progress: Progress | undefined): Hang {
    const ending = this.#requests.length === 0;
    const outcome = ending ? 'ending' : this.#hung ? 'again' : 'rerun';
    return {
      project: this.#options.project.name,
      file: relative(this.#options.project.vitest.config.root, this.#file),
      doing: ending ? 'the end of the process' : (progress?.doing ?? 'the start of the process'),
      outcome,
    };
  }

  async #kill(progress: Progress | undefined): Promise<void> {
    if (progress) killTree(progress.pid);
    else await this.#fork.stop();
    this.#unwatch();
  }

  /** Another process takes the place of this one, and is asked for the same; Vitest forgets what the first one told. */
  async #rerun(progress: Progress | undefined): Promise<void> {
    this.#replacing = true;
    for (const [event, callback] of this.#listeners) this.#fork.off(event, callback);
    await this.#kill(progress);
    // In the same turn as the kill: it would wait for ever for an end that has come already.
    if (progress) await this.#fork.stop();
    this.#step = '';
    this.#fork = this.#newFork();
    await this.#fork.start();
    for (const [event, callback] of this.#listeners) this.#fork.on(event, callback);
    this.#watch();
    // Those too that come meanwhile.
    for (const request of this.#requests) await this.#sendAgain(request);
    this.#replacing = false;
  }

  /** Resolves when the process may be sent the next request: it refuses to run anything before it says that it has started. */
  async #sendAgain(request: WorkerRequest): Promise<void> {
    const fork = this.#fork;
    const started = new Promise<void>((resolve) => {
      const listen = (message: unknown): void => {
        if (!isStarted(message)) return;
        fork.off('message', listen);
        resolve();
      };
      if (request.type !== 'start') resolve();
      else fork.on('message', listen);
      fork.on('exit', () => resolve());
    });
    fork.send(request);
    await started;
  }
}

function isStarted(message: unknown): boolean {
  return typeof message === 'object' && message !== null && 'type' in message && message.type === 'started';
}

const OUTCOMES: Record<Hang['outcome'], string> = {
  rerun: 'its process was killed, and the file runs once more',
  again: 'it was killed, and is not tried a third time',
  ending: 'its tests had finished; the process was killed',
  recovered: 'it went on while it was looked at, and is left alone',
};

/** What can be found out about a process from outside, and from its own report if it can still write one. */
async function describeProcess(pid: number, reports: string): Promise<string> {
  const tree = processTree(pid).map(({ pid, name, state }) => `  ${pid} ${name} (${state})`);
  return [
    'Its processes:',
    ...tree,
    'JavaScript:',
    await javaScriptStack(pid, reports),
    'Native code:',
    await nativeStacks(pid),
  ].join('\n');
}

/** Node's own report has more than this; these parts say where it is and what it waits for. */
interface NodeReport {
  javascriptStack: { message?: string; stack?: string[] };
  libuv: { type: string; is_active?: boolean }[];
}

async function javaScriptStack(pid: number, folder: string): Promise<string> {
  if (process.platform === 'win32') return '  not known on Windows';
  mkdirSync(folder, { recursive: true });
  process.kill(pid, 'SIGUSR2');
  for (let waited = 0; waited < REPORT_LIMIT; waited += INTERVAL) {
    await delay(INTERVAL);
    const report = readReport(folder);
    if (report) return describeReport(report);
  }
  return '  the process is blocked in native code and writes no report';
}

function readReport(folder: string): NodeReport | undefined {
  const [name] = readdirSync(folder);
  try {
    return name === undefined
      ? undefined
      : (JSON.parse(readFileSync(join(folder, name), 'utf8')) as NodeReport);
  } catch {
    // It is still being written.
    return undefined;
  }
}

function describeReport({ javascriptStack: { message, stack = [] }, libuv }: NodeReport): string {
  const active = libuv.filter((handle) => handle.is_active).map(({ type }) => type);
  const lines = message ? [message, ...stack] : ['none is running: it waits for something'];
  return [...lines, `open handles: ${active.join(', ')}`].map((line) => `  ${line}`).join('\n');
}
