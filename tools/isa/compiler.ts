// What differs between the compilers of vendors: what they print, what of it is shown, and what of it is a fault.

import type { PipelineUse } from './pipelines';

/** How the output of one compiler is read, and judged. `S` is what it says of a pipeline. */
export interface Compiler<S> {
  /** What the lines that were printed of pipeline `id` say. Throws where something is missing. */
  read: (lines: readonly string[], id: number) => S;
  /** What is wrong with what runs where nothing was measured: predicates of a sentence. */
  faults: (use: PipelineUse, statistics: S) => string[];
  /** Columns of a table. */
  figures: readonly (readonly [title: string, of: (statistics: S) => number])[];
  /** What the columns mean, for the page. */
  legend: string;
  /** What is said where nothing is wrong. */
  fine: string;
}

/** A pipeline, and what the compiler made of it. */
export interface Compiled {
  use: PipelineUse;
  /** By the titles of columns. */
  figures: readonly (readonly [title: string, value: number])[];
  /** What is wrong, a sentence each. Other candidates than the first have none: the tuner has to like them before they run. */
  faults: readonly string[];
}

/** Reads what was printed of one pipeline. */
export function compiledBy<S>(
  { read, faults, figures }: Compiler<S>,
  use: PipelineUse,
  lines: readonly string[],
): Compiled {
  const statistics = read(lines, use.id);
  const name = `${use.shader} (${use.phase}: ${use.labels.join(', ')})`;
  return {
    use,
    figures: figures.map(([title, of]) => [title, of(statistics)]),
    faults: use.isFirst ? faults(use, statistics).map((fault) => `${name} ${fault}.`) : [],
  };
}
