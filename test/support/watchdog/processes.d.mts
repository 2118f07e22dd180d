// Types of processes.mjs, which is plain JavaScript so that it runs before anything is installed.

/** A running process. */
export interface ProcessInfo {
  pid: number;
  parent: number;
  name: string;
  /** As in `ps`: R runs, S sleeps, D waits for a device, T is stopped, Z has ended. */
  state: string;
}

/** The process `pid` and everything that it started and that is still running, parents first. */
export function processTree(pid: number): ProcessInfo[];

/** Ends `pid` and everything that it started, at once. */
export function killTree(pid: number): void;

/** The native stacks of all threads of `pid`, or a sentence on why there are none. */
export function nativeStacks(pid: number): Promise<string>;
