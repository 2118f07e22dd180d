// Counts what cases came to, and puts it into words.

import type { Examined } from './examine';

/** What was wrong with one case. */
export interface Finding {
  category: string;
  index: number;
  problem: string;
  /** Runs this case alone. */
  command: string;
  /** Where its files are. */
  folder: string;
}

/** The figures of one category. */
export interface CategoryFigures {
  cases: number;
  /** How many cases ended how: `read`, a code, or `finding`. */
  outcomes: Record<string, number>;
  cpuSeconds: number;
  slowest: Extreme;
  /** Bytes. */
  largestGrowth: Extreme;
}

/** The largest figure of a category, and the case that had it. */
export interface Extreme {
  index: number;
  value: number;
}

/** A run of the fuzzer in figures. */
export interface FuzzFigures {
  seed: number;
  seconds: number;
  cases: number;
  categories: Record<string, CategoryFigures>;
  findings: Finding[];
}

/** Collects the figures of a run. */
export class Tally {
  readonly findings: Finding[] = [];
  readonly #categories = new Map<string, CategoryFigures>();

  add(category: string, index: number, { outcome, cpuSeconds, heapGrowth }: Omit<Examined, 'problem'>): void {
    const figures = this.#of(category);
    figures.cases++;
    figures.outcomes[outcome] = (figures.outcomes[outcome] ?? 0) + 1;
    figures.cpuSeconds += cpuSeconds;
    if (cpuSeconds > figures.slowest.value) figures.slowest = { index, value: cpuSeconds };
    if (heapGrowth > figures.largestGrowth.value) figures.largestGrowth = { index, value: heapGrowth };
  }

  /** Cases that have ended. */
  get cases(): number {
    return [...this.#categories.values()].reduce((sum, { cases }) => sum + cases, 0);
  }

  figures(seed: number, seconds: number): FuzzFigures {
    const categories = Object.fromEntries(this.#categories);
    return { seed, seconds, cases: this.cases, categories, findings: this.findings };
  }

  #of(category: string): CategoryFigures {
    let figures = this.#categories.get(category);
    if (!figures) {
      const none = { index: 0, value: 0 };
      figures = { cases: 0, outcomes: {}, cpuSeconds: 0, slowest: none, largestGrowth: none };
      this.#categories.set(category, figures);
    }
    return figures;
  }
}

/** The figures as a table, a line a category, and a last line that says how it went. */
export function fuzzTable({ seed, seconds, cases, categories, findings }: FuzzFigures): string {
  const rows = Object.entries(categories).map(([name, figures]) => [
    name,
    String(figures.cases),
    `${figures.slowest.value.toFixed(2)} s (case ${figures.slowest.index})`,
    `${megabytes(figures.largestGrowth.value)} (case ${figures.largestGrowth.index})`,
    outcomesLine(figures.outcomes),
  ]);
  const table = aligned([['category', 'cases', 'slowest, CPU', 'largest growth', 'outcomes'], ...rows]);
  const found = findings.length === 1 ? '1 finding' : `${findings.length} findings`;
  return `${table}\n\nSeed ${seed}: ${cases} cases in ${Math.round(seconds)} s, ${found}.`;
}

function outcomesLine(outcomes: Readonly<Record<string, number>>): string {
  const sorted = Object.entries(outcomes).sort(([, a], [, b]) => b - a);
  return sorted.map(([outcome, count]) => `${count} ${outcome}`).join(', ');
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

/** Rows of texts in columns that are as wide as their widest text. */
export function aligned(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows
    .map((row) =>
      row
        .map((text, column) => text.padEnd(widths[column]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
