// Owns the process that runs cases, and keeps watch over it: a case that takes too long is ended by ending the process.

import { fork, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { Order, Report } from './protocol';
import type { Examined } from './examine';

/** What a case may take. */
export interface Limits {
  /** Seconds of the processor. */
  cpuSeconds: number;
  /** Seconds on the clock, for cases that wait for what never comes. */
  wallSeconds: number;
}

/** How an order ended: it was carried out, or the process ended in the case `index`, for a reason in words. */
export type Ending = { kind: 'done' } | { kind: 'lost'; index: number; problem: string; cpuSeconds: number };

/** Between two looks at a case, ms. */
const WATCH_MS = 500;
/** Heap of the process, MB: a case that fills it is a finding. */
const HEAP_MB = 2048;

/** A process that runs cases. It is there when it is needed, and started anew after it was lost. */
export class CaseProcess {
  #child: ChildProcess | undefined;

  /** `script` serves cases when it is called with `args`. */
  constructor(
    private readonly script: string,
    private readonly args: readonly string[],
    private readonly limits: Limits,
  ) {}

  /** Has `order` carried out; `onEnd` hears of each case that ended. */
  carryOut(order: Order, onEnd: (index: number, examined: Examined) => void): Promise<Ending> {
    const child = (this.#child ??= this.#start());
    const watch =
      order.kind === 'run'
        ? new CaseWatch(child, this.limits, order.first)
        : // Making a case is the fuzzer's own work.
          new CaseWatch(child, { ...this.limits, cpuSeconds: Infinity }, order.index);
    return new Promise((resolve) => {
      const end = (ending: Ending): void => {
        watch.stop();
        child.removeAllListeners();
        resolve(ending);
      };
      child.on('message', (report: Report) => {
        if (report.kind === 'begin') watch.begin(report.index);
        else if (report.kind === 'end') onEnd(report.index, report.examined);
        else end({ kind: 'done' });
      });
      child.on('exit', (code, signal) => {
        this.#child = undefined;
        const { index, reason, seenCpuSeconds } = watch;
        const problem = reason ?? `the process ended (exit code ${code}, signal ${signal})`;
        end({ kind: 'lost', index, problem, cpuSeconds: seenCpuSeconds });
      });
      child.send(order);
    });
  }

  /** Ends the process. */
  stop(): void {
    this.#child?.removeAllListeners();
    this.#child?.kill('SIGKILL');
    this.#child = undefined;
  }

  #start(): ChildProcess {
    return fork(this.script, this.args, {
      execArgv: [`--max-old-space-size=${HEAP_MB}`],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
  }
}

/** Looks at the case that is running, and kills its process when it takes too much. */
class CaseWatch {
  /** Why the process was killed, if it was. */
  reason: string | undefined;
  /** Seconds of the processor that the case had taken at the last look, as far as the system says. */
  seenCpuSeconds = 0;
  #began = Date.now();
  #cpuBegan: number;
  readonly #timer = setInterval(() => this.#look(), WATCH_MS);

  constructor(
    private readonly child: ChildProcess,
    private readonly limits: Limits,
    /** The case that runs now. */
    public index: number,
  ) {
    this.#cpuBegan = this.#cpu();
  }

  begin(index: number): void {
    this.index = index;
    this.#began = Date.now();
    this.#cpuBegan = this.#cpu();
    this.seenCpuSeconds = 0;
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const { cpuSeconds, wallSeconds } = this.limits;
    const wall = (Date.now() - this.#began) / 1000;
    this.seenCpuSeconds = Math.max(0, this.#cpu() - this.#cpuBegan);
    if (this.seenCpuSeconds > cpuSeconds) this.#kill(`it took more than ${cpuSeconds} s of the processor`);
    else if (wall > wallSeconds) this.#kill(`it did not end within ${wallSeconds} s`);
  }

  #kill(reason: string): void {
    this.reason ??= `it hangs: ${reason}`;
    this.child.kill('SIGKILL');
  }

  #cpu(): number {
    return processorSeconds(this.child.pid) ?? 0;
  }
}

/** Ticks of a second in /proc, on every system that Node runs on. */
const TICKS = 100;

/** Seconds of the processor that a process has had; undefined where the system does not say (outside Linux). */
export function processorSeconds(pid: number | undefined): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // Behind the name, which is in brackets and may have any characters: fields 14 and 15 of the whole line.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) / TICKS;
  } catch {
    return undefined;
  }
}
