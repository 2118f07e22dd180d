// Shows what a chip's compiler made of the kernels: as tables for a terminal, and as a page for bench/results.

import { markdownTable, textTable, type Table } from '../../bench/core/tables';
import type { Chip } from './chips';
import type { PipelineUse } from './pipelines';
import { faults, type Compiled } from './verdict';

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
      `Nothing ran: Mesa's RADV compiled every pipeline that a model of the shape ${shape} has, with every candidate of the ` +
      'tuner, on a stub of the kernel interface. Drivers of other systems have other compilers.',
    'A wave has 64 lanes. VGPRs are vector registers a lane; RDNA gives every wave all 128 scalar registers (SGPRs). Waves is ' +
      'how many a SIMD can hold at once, 16 at most. Scratch and LDS (workgroup memory) are bytes. Latency is what the compiler ' +
      'takes one wave to need, in cycles, with each loop counted as a fixed number of rounds: it compares two versions of one ' +
      'kernel and foretells no time. Kernels of a decode step should leave room for 8 waves; attention and norms for 4, as they ' +
      'have too few to fill a chip.',
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
    columns: ['when', 'kernel', 'dispatches', 'variant', ...FIGURES.map(([name]) => name)],
    rows: compiled
      .filter(({ use }) => use.isFirst === isFirst)
      .map(({ use, statistics }) => [
        use.phase,
        [use.shader, ...use.conditions].join(' '),
        use.labels.join(', '),
        variantsOf(use),
        ...FIGURES.map(([, figure]) => String(statistics[figure])),
      ]),
  });
  return [table('What runs where nothing was measured', true), table('Other candidates', false)];
}

const FIGURES = [
  ['VGPRs', 'vgprs'],
  ['SGPRs', 'sgprs'],
  ['spilled', 'spilledVgprs'],
  ['scratch', 'scratch'],
  ['LDS', 'lds'],
  ['waves', 'waves'],
  ['instructions', 'instructions'],
  ['latency', 'latency'],
] as const;

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

function verdictOf({ compiled }: ChipReport): string {
  const wrong = faults(compiled);
  if (wrong.length > 0) return wrong.map((each) => `- ${each}`).join('\n');
  return 'No first candidate spills or uses scratch memory, and kernels of a decode step leave room for as many waves as they should.';
}
