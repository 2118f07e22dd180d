// What a benchmark finds out, as data.

import type { Capabilities } from '../../src/gpu/capabilities';
import type { StepProfile } from '../../src/inference/step-profile';
import type { CeilingRates, Ceilings } from './ceilings';
import type { Timing } from './measure';
import type { GpuBytes } from '../../src/gpu/buffers';
import type { TuningReport } from '../../src/gpu/tuner';

/** Raised when a field of a report changes its meaning or goes. One that is added is absent in older reports. */
export const SCHEMA_VERSION = 1;

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

/** What a decode step at the least context asks of an adapter. */
export interface StepCost {
  /** Of weights and head: what has to be read at the least. */
  bytes: number;
  multiplyAdds: number;
  /** Times that memory is waited for, one after the other, as the kernels count them; absent where one does not. */
  rounds?: number | undefined;
  /** Bytes that the dispatches read and write, each once a dispatch; likewise. */
  traffic?: number | undefined;
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
  step: StepCost;
  /** What the tuner measured, chose and rejected. */
  tuning?: TuningReport;
  decode: Measured<Speed>[];
  prefill: Measured<Speed>[];
  generate: GenerateLoop | undefined;
  profiles: StepProfile[];
}

/** Everything that was measured on one adapter. */
export interface Report {
  schemaVersion: number;
  /** Of this package. */
  version: string;
  adapter: { vendor: string; architecture: string; device: string; description: string };
  /** What ran it: Node and its platform, or the browser's user agent. */
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

/** What people call an adapter. */
export function adapterName({ vendor, architecture, device, description }: Report['adapter']): string {
  return (
    description || [vendor, architecture, device].filter(Boolean).join(' ') || 'an adapter without a name'
  );
}

const versions: Record<string, string> = import.meta.glob('../../package.json', {
  import: 'version',
  eager: true,
});

/** A report of what this package measured. */
export function reportOf(measured: Omit<Report, 'schemaVersion' | 'version'>): Report {
  return { schemaVersion: SCHEMA_VERSION, version: Object.values(versions)[0] ?? 'unknown', ...measured };
}

/** `report` with the models of `older` that it has not measured itself. */
export function mergeReports(older: Report | undefined, report: Report): Report {
  const kept = older?.models.filter(({ model }) => report.models.every((own) => own.model !== model)) ?? [];
  const models = [...kept, ...report.models].toSorted((a, b) => a.parameters - b.parameters);
  return { ...report, models };
}
