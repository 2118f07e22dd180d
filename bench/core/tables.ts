// A report to be read: as tables, in a terminal or a page, and as Markdown.

import type { StepProfile } from '../../src/inference/step-profile';
import type { Race, TuningReport } from '../../src/gpu/tuner';
import type { CeilingRates } from './ceilings';
import { adapterName, type Measured, type ModelReport, type Report, type Speed } from './report';
import { verdictOf } from './verdict';
import { digits, giga, mega } from './numbers';

/** A table of a report: a heading, column names, rows of text. */
export interface Table {
  title: string;
  columns: string[];
  rows: string[][];
}

/** One line on the ceilings. */
export function describeCeilings(rates: CeilingRates): string {
  const { bytesPerSecond, multiplyAddsPerSecond, pairsPerSecond } = rates;
  return (
    `${giga(bytesPerSecond)} GB/s read, ${giga(multiplyAddsPerSecond)} G int8 multiply-adds/s by dot4I8Packed, ` +
    `${giga(pairsPerSecond)} G/s in pairs`
  );
}

/** The figures of one model, to be shown as they are. */
export function tablesOf(model: ModelReport): Table[] {
  const { tuning, profiles } = model;
  return [
    factTable(model),
    speedTable(model),
    ...(tuning ? [tuningTable(tuning)] : []),
    ...profiles.map(profileTable),
  ];
}

function factTable(model: ModelReport): Table {
  const { load, gpuBytes: gpu, memory, cpu, dispatches, generate, step } = model;
  const rows: [string, string][] = [
    ['Ceilings of this run', describeCeilings(model.ceilings)],
    [
      'Model',
      `${digits(model.parameters / 1e6)} M weights, ${model.weightEncoding}, context ${model.contextLength}`,
    ],
    [
      'A decode step',
      `${mega(step.bytes)} of weights, ${giga(step.multiplyAdds)} G multiply-adds, ${dispatches.decode} dispatches${describeRounds(step)}`,
    ],
    [
      'Loading',
      `${digits(load.totalMs)} ms (upload ${digits(load.uploadMs)}, compile ${digits(load.compileMs)}) for ${mega(load.fileBytes)}`,
    ],
    [
      'GPU memory',
      `${mega(gpu.total)}: layers ${mega(gpu.layers)}, embedding ${mega(gpu.embedding)}, head ${mega(gpu.head)}, work ${mega(gpu.work)}; a session's KV cache ${mega(gpu.kvCache)}`,
    ],
    [
      'CPU time of a decode step',
      `encode ${digits(cpu.encode.median)} ms, submit ${digits(cpu.submit.median)} ms (medians)`,
    ],
  ];
  rows.push(['Variants', describeVariants(model.variants)]);
  if (memory) {
    const { idle, peakLoading, growth } = memory;
    const grown = growth ? `; ${digits(growth.bytes / 1e3)} kB more after ${growth.tokens} tokens` : '';
    rows.push([
      'JavaScript memory',
      `idle ${mega(idle)}, at most ${mega(peakLoading - idle)} more while loading${grown}`,
    ]);
  }
  if (generate) {
    const { msPerToken, prefillMs, decodeMsPerToken } = generate;
    rows.push([
      'Generate loop',
      `${digits(msPerToken.best)} ms/token over all (median ${digits(msPerToken.median)}): prompt of ${generate.promptTokens} tokens in ` +
        `${digits(prefillMs.best)} ms, then ${digits(decodeMsPerToken.best)} ms/token for ${generate.completionTokens}`,
    ]);
  }
  return { title: 'Facts', columns: ['', ''], rows };
}

/** What the kernels count of themselves, where they do. */
function describeRounds({ rounds, traffic }: ModelReport['step']): string {
  if (rounds === undefined || traffic === undefined) return '';
  return `, ${rounds} waits for memory one after the other, ${mega(traffic)} read and written`;
}

/** `decodeMatmul: split 1, blocks 4; normThreads: 8`. */
function describeVariants(variants: ModelReport['variants']): string {
  const describe = (value: unknown): string =>
    typeof value === 'object' && value !== null
      ? Object.entries(value)
          .map(([key, own]) => `${key} ${String(own)}`)
          .join(', ')
      : String(value);
  return Object.entries(variants)
    .map(([name, value]) => `${name}: ${describe(value)}`)
    .join('; ');
}

function speedTable({ prefill, decode }: ModelReport): Table {
  const columns = ['', 'tokens/s', 'ms best', 'ms median', 'floor ms', 'bound by', 'efficiency', 'of best'];
  const row = (what: string, speed: Measured<Speed>): string[] => {
    const name = `${what} ${speed.tokens}`;
    if ('skipped' in speed) return [name, speed.skipped, '', '', '', '', '', ''];
    const { time, tokensPerSecond, floorMs, bound, efficiency, efficiencyOfBest } = speed;
    const times = [tokensPerSecond, time.best, time.median, floorMs].map(digits);
    return [name, ...times, bound, efficiency.toFixed(3), efficiencyOfBest.toFixed(3)];
  };
  return {
    title: 'Speed',
    columns,
    rows: [
      ...prefill.map((speed) => row('Prefill of', speed)),
      ...decode.map((speed) => row('Decode at context', speed)),
    ],
  };
}

/** What the tuner measured, and what it found to be wrong. */
function tuningTable({ races, rejected }: TuningReport): Table {
  const wrong = rejected.map((each) => {
    const [kernel = '', ...variant] = each.split(': ');
    return [kernel, variant.join(': '), '', '', '', '', 'wrong'];
  });
  return {
    title: 'Variants of kernels: what the tuner measured',
    columns: ['kernel', 'variant', 'beside', 'time over that of', 'spread', 'pairs', ''],
    rows: [...races.map(raceRow), ...wrong],
  };
}

function raceRow({ kernel, variant, against, ratio, spread, pairs, verdict }: Race): string[] {
  const measured = pairs > 0 ? [ratio.toFixed(2), `${(100 * spread).toFixed(1)} %`] : ['', ''];
  const said = { faster: 'faster', 'not-faster': 'not faster', undecided: 'not decided' }[verdict];
  return [kernel, variant, against, ...measured, String(pairs), said];
}

function profileTable({ tokens, context, kernels, totalMs }: StepProfile): Table {
  return {
    title:
      tokens === 1
        ? `Kernels of a decode step at context ${context}`
        : `Kernels of a prefill of ${tokens} tokens`,
    columns: ['kernel', 'dispatches', 'ms', 'share'],
    rows: [
      ...kernels.map(({ label, count, milliseconds }) => [
        label,
        String(count),
        digits(milliseconds),
        `${((100 * milliseconds) / totalMs).toFixed(1)} %`,
      ]),
      ['all', String(kernels.reduce((sum, { count }) => sum + count, 0)), digits(totalMs), '100 %'],
    ],
  };
}

/** Lines of text in columns, for a terminal. */
export function textTable({ title, columns, rows }: Table): string {
  const all = columns.some((column) => column) ? [columns, ...rows] : rows;
  const widths = columns.map((_, i) => Math.max(...all.map((row) => row[i]!.length)));
  const line = (row: string[]): string =>
    row
      .map((cell, i) => cell.padEnd(widths[i]!))
      .join('  ')
      .trimEnd();
  return [title, ...all.map((row) => `  ${line(row)}`)].join('\n');
}

/** The same as Markdown, under a heading of the third rank. */
export function markdownTable({ title, columns, rows }: Table): string {
  const line = (cells: string[]): string => `| ${cells.join(' | ')} |`;
  return [`### ${title}`, '', line(columns), line(columns.map(() => '---')), ...rows.map(line)].join('\n');
}

/** The whole report as a Markdown page. */
export function markdown(report: Report): string {
  const parts = [
    `# ${adapterName(report.adapter)}`,
    `${report.environment}. Ternion ${report.version}. Written by \`npm run bench -- --save\`.`,
    `Efficiency is the least time that the ceilings allow, divided by the measured one. A ceiling is what a kernel reaches ` +
      `that does nothing but read memory, or multiply bytes in registers; the floor of a step is the larger of (bytes of ` +
      `weights and head / read rate) and (multiply-adds / rate of dot4I8Packed); 'of best' is the same where multiplying ` +
      `two bytes at a time in 32 bits is faster, and counts instead. Attention is not in the floor. Times are the best ` +
      `of several; for decoding at a context the KV cache is taken as filled, without values.`,
  ];
  for (const model of report.models) {
    parts.push(`## ${model.model}`, `${model.architecture}, ${model.date}`);
    if (model.notes.length > 0) parts.push(model.notes.map((note) => `- ${note}`).join('\n'));
    parts.push(verdictOf(model).join(' '));
    parts.push(...tablesOf(model).map(markdownTable));
  }
  return `${parts.join('\n\n')}\n`;
}
