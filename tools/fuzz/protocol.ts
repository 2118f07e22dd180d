// What the fuzzer and the process that runs its cases say to each other.

import type { Examined } from './examine';

/** To the process of the cases. */
export type Order =
  | { kind: 'run'; category: string; first: number; count: number }
  /** Only makes the case, and keeps its files in a folder. */
  | { kind: 'save'; category: string; index: number };

/** From the process of the cases. */
export type Report =
  /** `index` begins: whatever happens from now on happens in it. */
  | { kind: 'begin'; index: number }
  | { kind: 'end'; index: number; examined: Examined }
  /** The order was carried out. */
  | { kind: 'done' };

/** The folder of a case's files. */
export function folderOf(root: string, category: string, seed: number, index: number): string {
  return `${root}/${category}-${seed}-${index}`;
}
