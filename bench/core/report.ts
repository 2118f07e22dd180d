// What a benchmark finds out, as data and as Markdown.

import type { Capabilities } from '../../src/gpu/capabilities';
import type { StepProfile } from '../../src/inference/step-profile';
import type { CeilingRates, Ceilings } from './ceilings';
import type { Timing } from './measure';
import type { GpuBytes } from '../../src/gpu/buffers';

/** Either a measurement, or why there is none. */
export type Measured<T> = T | { tokens: number; skipped: string };

/** One speed beside what the ceilings allow. */
export interface Speed {
  /** Tokens evaluated (prefill), or that stood in the context (decode). */
  tokens: number;
  /** A whole prompt (prefill) or one token (decode), ms. */
  time: Timing;
  /** By the best time. */
  tokensPerSecond: number;
  /** The least time that the ceilings allow, ms, and which of the two says so. */
  floorMs: number;
  bound: 'bytes' | 'dots';
  /** floorMs / best time. */
  efficiency: number;
  /** The same with a floor for whichever way to multiply is fastest, be it dot4I8Packed or two at a time. */
  efficiencyOfBest: number;
}

/** JavaScript memory, bytes: heap and buffers outside it. */
export interface MemoryReport {
  /** Before loading. */
  idle: number;
  /** Highest seen while loading. */
  peakLoading: number;
  /** What `tokens` decoded tokens left behind after garbage collection. */
  growth: { tokens: number; bytes: number } | undefined;
}

/** The whole generate loop, as a page would use it: chat prompt in, stream out. */
export interface GenerateLoop {
  promptTokens: number;
  completionTokens: number;
  /** Wall-clock time of the whole loop for each token that came out, prompt included, ms. */
  msPerToken: Timing;
  /** Up to the first token, ms. */
  prefillMs: Timing;
  /** Between tokens, ms. */
  decodeMsPerToken: Timing;
}

/** All about one model on one adapter. */
export interface ModelReport {
  model: string;
  architecture: string;
  /** Remarks on how this model was run. */
  notes: string[];
  date: string;
  parameters: number;
  weightEncoding: string;
  contextLength: number;
  /** The ceilings of the same run. */
  ceilings: CeilingRates;
  /** Loading, ms: until all bytes are uploaded, until pipelines are compiled, and in all. */
  load: { uploadMs: number; compileMs: number; totalMs: number; fileBytes: number };
  /** After loading; the KV cache is what each session for the whole context adds to that. */
  gpuBytes: GpuBytes;
  memory: MemoryReport | undefined;
  dispatches: { decode: number; prefill: number };
  /** The kernel variants that ran, as the engine names them. */
  variants: Readonly<Record<string, unknown>>;
  /** CPU time of one decode step, ms: encoding it, and handing it to the queue. */
  cpu: { encode: Timing; submit: Timing };
  /** Bytes and multiply-adds of a decode step. */
  step: { bytes: number; multiplyAdds: number };
  decode: Measured<Speed>[];
  prefill: Measured<Speed>[];
  generate: GenerateLoop | undefined;
  profiles: StepProfile[];
}

/** Everything that was measured on one adapter. */
export interface Report {
  adapter: { vendor: string; architecture: string; device: string; description: string };
  /** What ran it: Node and its platform, or the browser. */
  environment: string;
  capabilities: Capabilities;
  /** Of the latest run. */
  ceilings: Ceilings;
  models: ModelReport[];
}

/** The name of an adapter, fit for a file, without versions: `llvmpipe`, `swiftshader-driver`, `nvidia-lovelace`. */
export function adapterSlug({ vendor, architecture, device, description }: Report['adapter']): string {
  const name = description.replace(/[:(].*$/, '').replaceAll(/\d+(\.\d+)+/g, '');
  const words = (name.trim() || [vendor, architecture, device].join(' ')).toLowerCase();
  return words.replaceAll(/[^a-z0-9]+/g, '-').replaceAll(/^-|-$/g, '') || 'unknown';
}

/** `report` with the models of `older` that it has not measured itself. */
export function mergeReports(older: Report | undefined, report: Report): Report {
  const kept = older?.models.filter(({ model }) => report.models.every((own) => own.model !== model)) ?? [];
  const models = [...kept, ...report.models].toSorted((a, b) => a.parameters - b.parameters);
  return { ...report, models };
}

/** A number with three digits that count: 0.00123, 1.23, 123, 12300. */
export function digits(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  return value >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(3)));
}

const giga = (value: number): string => digits(value / 1e9);
const mega = (bytes: number): string => `${digits(bytes / 1e6)} MB`;

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
  return [factTable(model), speedTable(model), ...model.profiles.map(profileTable)];
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
      `${mega(step.bytes)} of weights, ${giga(step.multiplyAdds)} G multiply-adds, ${dispatches.decode} dispatches`,
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
  const { vendor, architecture, device, description } = report.adapter;
  const name = description || [vendor, architecture, device].filter(Boolean).join(' ');
  const parts = [
    `# ${name}`,
    `${report.environment}. Written by \`npm run bench -- --save\`.`,
    `Efficiency is the least time that the ceilings allow, divided by the measured one. A ceiling is what a kernel reaches ` +
      `that does nothing but read memory, or multiply bytes in registers; the floor of a step is the larger of (bytes of ` +
      `weights and head / read rate) and (multiply-adds / rate of dot4I8Packed); 'of best' is the same where multiplying ` +
      `two bytes at a time in 32 bits is faster, and counts instead. Attention is not in the floor. Times are the best ` +
      `of several; for decoding at a context the KV cache is taken as filled, without values.`,
  ];
  for (const model of report.models) {
    parts.push(`## ${model.model}`, `${model.architecture}, ${model.date}`);
    if (model.notes.length > 0) parts.push(model.notes.map((note) => `- ${note}`).join('\n'));
    parts.push(...tablesOf(model).map(markdownTable));
  }
  return `${parts.join('\n\n')}\n`;
}
