// What is remembered of the kernels on an adapter from one load to the next: which variants gave right answers, their
// times, and what was measured of those that are not decided.

import type { GpuContext } from './context';
import { shadersHash } from './shader';
import type { Evidence } from './variant-race';

/** Relative times of the variants of one kernel on one adapter, by the variant as JSON: 1 is the first candidate's. */
export type TuningTimes = Record<string, number>;

/** What was measured of a variant that is not yet known to be faster or not than the best so far. */
export interface TuningTrial extends Evidence {
  /** The best so far, as JSON. */
  against: string;
}

/** What a check with known answers has found. */
export interface CheckRecord {
  right: boolean;
  /** What the check took, compilation included, ms. */
  ms: number;
}

/** All that was found on one adapter with one version of browser and kernels. */
export interface AdapterRecord {
  /** When the first of it was found, ms since 1970. */
  since: number;
  /** By the name of the kernel and its shape. */
  times: Record<string, TuningTimes>;
  /** By the name of the kernel and its shape, then by the variant as JSON. */
  trials: Record<string, Record<string, TuningTrial>>;
  /** By what was checked, then by the variant as JSON. */
  checks: Record<string, Record<string, CheckRecord>>;
}

/** What is remembered, by adapter and version. */
export type TuningRecords = Record<string, AdapterRecord>;

/** Keeps what was found out about kernels, a JSON value. What `load` gives is looked at before it is believed. */
export interface TuningStore {
  /** What `save` was given last, or anything else where nothing was kept. */
  load(): Promise<unknown>;
  save(records: object): Promise<void>;
}

/** A store that lasts as long as whoever has it. */
export function storeInMemory(): TuningStore {
  let text = '{}';
  return {
    load: async () => JSON.parse(text) as unknown,
    save: async (records) => void (text = JSON.stringify(records)),
  };
}

/** Raised when what is remembered changes its form or its meaning. */
const VERSION = 3;
/** Drivers are updated without a word to a page: after thirty days everything is checked again. */
const LASTS_MS = 30 * 24 * 3600e3;
/** More than any trial has. */
const MOST_RATIOS = 100;

/** What is known of the adapter of a context, and where that is kept. */
export class TuningMemory {
  readonly #known: AdapterRecord;
  /** As JSON, what the store has. */
  readonly #stored: string;

  private constructor(
    private readonly store: TuningStore | undefined,
    private readonly records: TuningRecords,
    key: string,
  ) {
    this.#stored = JSON.stringify(records);
    this.#known = records[key] ??= { since: Date.now(), times: {}, trials: {}, checks: {} };
  }

  /** A store that fails, and what is not as it should be in it, counts as empty. */
  static async open(
    gpu: GpuContext,
    store: TuningStore | undefined,
    hash = shadersHash,
  ): Promise<TuningMemory> {
    const loaded = await store?.load().catch(() => undefined);
    return new TuningMemory(store, soundRecords(loaded, Date.now()), adapterKey(gpu, await hash()));
  }

  /** The times of `kernel`, to be added to. */
  times(kernel: string): TuningTimes {
    return (this.#known.times[kernel] ??= {});
  }

  /** The trials of `kernel` that no load has ended, to be added to. */
  trials(kernel: string): Record<string, TuningTrial> {
    return (this.#known.trials[kernel] ??= {});
  }

  /** The records of the variants that `check` was made with, to be added to. */
  checks(check: string): Record<string, CheckRecord> {
    return (this.#known.checks[check] ??= {});
  }

  /** Forgets what `check` has found. */
  forget(check: string): void {
    delete this.#known.checks[check];
  }

  /** Writes down what is new. A store that fails costs only the next load's time. */
  async save(): Promise<void> {
    if (JSON.stringify(this.records) === this.#stored) return;
    await this.store?.save(this.records).catch(() => {});
  }
}

/** Empties a store: for when something that was found to be right turns out not to be. */
export async function forgetEverything(store: TuningStore | undefined): Promise<void> {
  await store?.save({}).catch(() => {});
}

/** Everything that decides whether a kernel that was right before still is. */
function adapterKey({ device, capabilities }: GpuContext, shaders: string): string {
  const { vendor, architecture, device: name, description } = device.adapterInfo;
  const { maxComputeInvocationsPerWorkgroup, maxComputeWorkgroupSizeX, maxComputeWorkgroupStorageSize } =
    device.limits;
  return JSON.stringify([
    VERSION,
    shaders,
    runtime(),
    [vendor, architecture, name, description],
    capabilities,
    [...device.features].sort(),
    [maxComputeInvocationsPerWorkgroup, maxComputeWorkgroupSizeX, maxComputeWorkgroupStorageSize],
  ]);
}

/** The browser and its version, or Node's. */
function runtime(): string {
  const { navigator, process } = globalThis as {
    navigator?: { userAgent?: string };
    process?: { version?: string };
  };
  return [navigator?.userAgent, process?.version].join();
}

/** Those of `records` that have the right form and are recent enough. */
function soundRecords(records: unknown, now: number): TuningRecords {
  if (!isObject(records)) return {};
  const sound = Object.entries(records).filter(
    (entry): entry is [string, AdapterRecord] => isAdapterRecord(entry[1]) && isRecent(entry[1], now),
  );
  return Object.fromEntries(sound);
}

/** A clock that was put back makes nothing last longer. */
function isRecent({ since }: AdapterRecord, now: number): boolean {
  return since <= now && now - since < LASTS_MS;
}

function isAdapterRecord(record: unknown): record is AdapterRecord {
  if (!isObject(record) || !isNumber(record['since'])) return false;
  const { times, trials, checks } = record;
  return (
    areAll(times, (each) => areAll(each, isTime)) &&
    areAll(trials, (each) => areAll(each, isTrial)) &&
    areAll(checks, (each) => areAll(each, isCheck))
  );
}

function isTrial(trial: unknown): boolean {
  if (!isObject(trial) || !isTime(trial['stage']) || typeof trial['against'] !== 'string') return false;
  const { ratios } = trial;
  return Array.isArray(ratios) && ratios.length < MOST_RATIOS && ratios.every(isNumber);
}

function isCheck(check: unknown): boolean {
  return isObject(check) && typeof check['right'] === 'boolean' && isTime(check['ms']);
}

function isTime(value: unknown): boolean {
  return isNumber(value) && value >= 0;
}

function isNumber(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value);
}

function areAll(record: unknown, is: (value: unknown) => boolean): boolean {
  return isObject(record) && Object.values(record).every(is);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
