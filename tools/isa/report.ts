// Shows what a chip's compiler made of the kernels: as tables for a terminal, and as a page for bench/results.

import { markdownTable, textTable, type Table } from '../../bench/core/tables';
import type { Chip } from './chips';
import type { Compiled } from './compiler';
import type { PipelineUse } from './pipelines';

/** What was compiled for one chip. */
export interface ChipReport {
  chip: Chip;
  /** The driver and its version. */
  driver: string;
  compiled: readonly Compiled[];
}

/** For a terminal: the tables, and what is wrong. */
export function reportText(report: ChipReport): string {
  return [...tablesOf(report).map(textTable), verdictOf(report)].join('\n\n');
}

/** A page of all chips, for a model of such a shape. */
export function reportMarkdown(shape: string, reports: readonly ChipReport[]): string {
  const parts = [
    '# What compilers of real GPUs make of the kernels',
    `Written by \`npm run isa -- --model ${shape} ${reports.map(({ chip }) => `--gpu ${chip.name}`).join(' ')} --markdown\`. ` +
      `Nothing ran: Mesa's drivers compiled every pipeline that a model of the shape ${shape} has, with every candidate of the ` +
      'tuner, on a stub of the kernel interface. Drivers of other systems have other compilers.',
    ...new Set(reports.map(({ chip }) => chip.vendor.legend)),
  ];
  for (const report of reports) {
    parts.push(`## ${report.chip.name}: ${report.chip.product}`, `${report.driver}.`, verdictOf(report));
    parts.push(...tablesOf(report).map(markdownTable));
  }
  return `${parts.join('\n\n')}\n`;
}

function tablesOf({ compiled }: ChipReport): Table[] {
  const table = (title: string, isFirst: boolean): Table => ({
    title,
    columns: [
      'when',
      'kernel',
      'dispatches',
      'variant',
      ...(compiled[0]?.figures ?? []).map(([title]) => title),
    ],
    rows: compiled
      .filter(({ use }) => use.isFirst === isFirst)
      .map(({ use, figures }) => [
        use.phase,
        [use.shader, ...use.conditions].join(' '),
        use.labels.join(', '),
        variantsOf(use),
        ...figures.map(([, value]) => String(value)),
      ]),
  });
  return [table('What runs where nothing was measured', true), table('Other candidates', false)];
}

/** The candidate that has the pipeline; of several the first, and how many others. */
function variantsOf({ variants }: PipelineUse): string {
  const [first = '', ...others] = variants;
  return shortVariant(first) + (others.length > 0 ? `, and ${others.length} more` : '');
}

/** `head {"blocks":1,"broadcast":false}` as `head blocks 1`. */
function shortVariant(variant: string): string {
  return variant
    .replace(/"(\w+)":false,?/g, '')
    .replace(/"(\w+)":true/g, '$1')
    .replace(/"(\w+)":/g, '$1 ')
    .replace(/[{}"]/g, '')
    .replace(/,$/, '')
    .replaceAll(',', ', ');
}

function verdictOf({ chip, compiled }: ChipReport): string {
  const wrong = compiled.flatMap(({ faults }) => faults);
  return wrong.length > 0 ? wrong.map((each) => `- ${each}`).join('\n') : chip.vendor.fine;
}
