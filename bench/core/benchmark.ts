// The benchmark of one model on one device: loads it, measures, and reports. Knows nothing of Node or pages.

import { throwIfAborted } from '../../src/errors';
import type { ByteSource } from '../../src/files/byte-source';
import { filesAtHand } from '../../src/files/model-files';
import { BufferLedger, sumByPart, type GpuBytes } from '../../src/gpu/buffers';
import type { Capabilities } from '../../src/gpu/capabilities';
import { GpuContext } from '../../src/gpu/context';
import { workDone } from '../../src/gpu/map-async';
import { LocalEngine } from '../../src/engine/engine';
import { KvCache } from '../../src/inference/kv-cache';
import type { StepProfile } from '../../src/inference/step-profile';
import type { Transformer } from '../../src/inference/transformer';
import type { CeilingMeter } from './ceilings';
import { transformerOf } from './internals';
import { sample, summarize } from './measure';
import type { GenerateLoop, Measured, MemoryReport, ModelReport, Speed, StepCost } from './report';
import { StepBench } from './steps';
import { floorOf, lowestFloorOf, workload } from './workload';

/** A model to measure. */
export interface BenchmarkModel {
  name: string;
  source: ByteSource;
  /** Remarks for the report. */
  notes?: string[];
  /** Whether it can hold a conversation: then the whole generate loop is measured too. */
  chat?: boolean;
}

/** How JavaScript memory is looked at, where it can be. */
export interface MemoryProbe {
  /** Bytes of the heap and of buffers outside it. */
  used(): number;
  /** Collects garbage, if that can be had. */
  collect?(): Promise<void>;
}

/** What to measure, and how long. */
export interface BenchmarkOptions {
  /** Fewer repetitions. */
  quick?: boolean;
  /** Lengths of prompts. Default 32, 128, 512. */
  prefill?: readonly number[];
  /** Contexts to decode at. Default 0, 512, 2048. */
  contexts?: readonly number[];
  /** The longest that one figure may take, ms. Default 60,000; what surely takes longer is skipped. */
  budgetMs?: number;
  memory?: MemoryProbe | undefined;
  signal?: AbortSignal | undefined;
  /** What is being done, for a reader who waits. */
  onProgress?: ((what: string) => void) | undefined;
}

type Settings = Required<Omit<BenchmarkOptions, 'memory' | 'signal'>> &
  Pick<BenchmarkOptions, 'memory' | 'signal'>;

const BEYOND = 'beyond the context';

/** Tokens after which the growth of the heap is looked at, and the fewest that say anything. */
const GROWTH_TOKENS = 1000;
const FEWEST_GROWTH_TOKENS = 200;

/**
 * Measures `model` on `device`. `meter` looks at the ceilings again in between, so that they and the figures have had the
 * same chances. What is allocated is freed again.
 */
export async function benchmarkModel(
  device: GPUDevice,
  capabilities: Capabilities,
  meter: CeilingMeter,
  model: BenchmarkModel,
  options: BenchmarkOptions = {},
): Promise<ModelReport> {
  const settings: Settings = {
    quick: false,
    prefill: [32, 128, 512],
    contexts: [0, 512, 2048],
    budgetMs: 60_000,
    onProgress: () => {},
    ...options,
  };
  await settings.memory?.collect?.();
  const idle = settings.memory?.used() ?? 0;
  const watch = new MemoryWatch(settings.memory);
  settings.onProgress(`${model.name}: loading`);
  const gpu = new GpuContext(device, capabilities);
  const { engine, load } = await loadTimed(gpu, model.source, watch, settings);
  try {
    const transformer = transformerOf(engine);
    const stored = gpu.bytesByPart();
    const bench = new ModelBench(transformer, stored, meter, settings, model.name);
    const steps = await bench.measure();
    const memory: MemoryReport | undefined = settings.memory && {
      idle,
      peakLoading: watch.peak,
      growth: steps.growth,
    };
    const { info } = engine;
    const { bytesPerSecond, multiplyAddsPerSecond, pairsPerSecond } = meter.ceilings;
    return {
      model: model.name,
      architecture: info.architecture,
      notes: [...(model.notes ?? []), ...steps.notes],
      date: new Date().toISOString().slice(0, 10),
      parameters: info.parameterCount,
      weightEncoding: info.encodings.layers,
      contextLength: info.contextLength,
      ceilings: { bytesPerSecond, multiplyAddsPerSecond, pairsPerSecond },
      load: { ...load, fileBytes: model.source.size },
      gpuBytes: {
        ...stored,
        kvCache: cacheBytes(transformer),
      },
      memory,
      dispatches: steps.dispatches,
      variants: { ...transformer.variants },
      cpu: steps.cpu,
      step: { ...workload(transformer.config, stored, 1), ...steps.memory },
      tuning: transformer.tuning,
      prefill: steps.prefill,
      decode: steps.decode,
      generate: model.chat ? await generateLoop(engine, settings) : undefined,
      profiles: steps.profiles,
    };
  } finally {
    await engine.dispose();
  }
}

/** Bytes of the KV cache of one session. */
function cacheBytes({ gpu, config, contextLength, variants }: Transformer): number {
  const ledger = new BufferLedger(gpu.limits);
  KvCache.allocate(ledger, config, contextLength, variants.cacheFormat);
  return sumByPart(ledger.entries).kvCache;
}

/** Keeps the highest memory use that it saw. */
class MemoryWatch {
  peak = 0;

  constructor(private readonly probe: MemoryProbe | undefined) {}

  look(): void {
    if (this.probe) this.peak = Math.max(this.peak, this.probe.used());
  }

  /** `source`, looking whenever bytes were read from it. */
  over(source: ByteSource): ByteSource {
    return {
      size: source.size,
      read: async (offset, length, options) => {
        const bytes = await source.read(offset, length, options);
        this.look();
        return bytes;
      },
    };
  }
}

async function loadTimed(
  gpu: GpuContext,
  source: ByteSource,
  watch: MemoryWatch,
  { signal }: Settings,
): Promise<{ engine: LocalEngine; load: Omit<ModelReport['load'], 'fileBytes'> }> {
  const start = performance.now();
  let uploaded = start;
  const engine = await LocalEngine.load(
    gpu,
    filesAtHand([{ name: 'model.gguf', bytes: watch.over(source) }]),
    {
      signal,
      onProgress: ({ phase }) => {
        watch.look();
        if (phase === 'upload') uploaded = performance.now();
      },
    },
  );
  const compiled = performance.now();
  await workDone(gpu.device);
  watch.look();
  const load = {
    uploadMs: uploaded - start,
    compileMs: compiled - uploaded,
    totalMs: performance.now() - start,
  };
  return { engine, load };
}

type Timed = Pick<Speed, 'tokens' | 'time'>;

interface StepReports {
  notes: string[];
  dispatches: ModelReport['dispatches'];
  memory: Pick<StepCost, 'rounds' | 'traffic'>;
  cpu: ModelReport['cpu'];
  prefill: Measured<Speed>[];
  decode: Measured<Speed>[];
  profiles: StepProfile[];
  growth: MemoryReport['growth'];
}

/** All that is measured step by step. */
class ModelBench {
  /** What a decode step takes about, ms; known after the first. */
  #stepMs = 0;
  /** What a token of a prompt takes about, ms. */
  #promptTokenMs = 0;

  constructor(
    private readonly transformer: Transformer,
    private readonly stored: GpuBytes,
    private readonly meter: CeilingMeter,
    private readonly settings: Settings,
    private readonly name: string,
  ) {}

  async measure(): Promise<StepReports> {
    const { quick, budgetMs, contexts, prefill } = this.settings;
    const { contextLength } = this.transformer;
    const room = Math.min(contextLength, Math.max(...contexts, ...prefill, GROWTH_TOKENS) + 64);
    const bench = await StepBench.create(this.transformer, room);
    try {
      this.#say('warming up');
      await bench.prefill(2);
      this.#stepMs = await bench.decode(0, 2);
      const decodes: Measured<Timed>[] = [];
      for (const context of contexts) decodes.push(await this.#decode(bench, context, room));
      await this.#ceilings();
      const prefills: Measured<Timed>[] = [];
      for (const tokens of prefill) prefills.push(await this.#prefill(bench, tokens, room));
      await this.#ceilings();
      this.#say('CPU time of a step');
      const cpu = await bench.cpuTimes(quick ? 40 : 200, budgetMs / 4);
      const profiles = await this.#profiles(bench, room);
      return {
        notes: profiles.length > 0 ? [] : ['No times by kernel: this adapter has no timestamp queries.'],
        dispatches: bench.countDispatches(),
        memory: bench.countMemory(contextWithin(contexts[0] ?? 0, room - 2) ?? 0),
        cpu,
        prefill: prefills.map((timed) => this.#speed(timed, timed.tokens)),
        decode: decodes.map((timed) => this.#speed(timed, 1)),
        profiles,
        growth: await this.#growth(bench, room),
      };
    } finally {
      bench.destroy();
    }
  }

  async #prefill(bench: StepBench, tokens: number, room: number): Promise<Measured<Timed>> {
    const { quick, budgetMs, signal } = this.settings;
    if (tokens + 1 > room) return { tokens, skipped: BEYOND };
    const expected = this.#promptTokenMs * tokens;
    if (expected > budgetMs) return { tokens, skipped: `would take ${Math.round(expected / 1000)} s` };
    this.#say(`prefill of ${tokens} tokens`);
    const time = await sample(() => bench.prefill(tokens, signal), quick ? 2 : 5, budgetMs / 2, signal);
    this.#promptTokenMs = time.best / tokens;
    return { tokens, time };
  }

  async #decode(bench: StepBench, wanted: number, room: number): Promise<Measured<Timed>> {
    const { quick, budgetMs, signal } = this.settings;
    const steps = this.#steps(quick ? 8 : 32, budgetMs / 6);
    const context = contextWithin(wanted, room - steps - 2);
    if (context === undefined) return { tokens: wanted, skipped: BEYOND };
    this.#say(`decode at context ${context}`);
    const time = await sample(
      () => bench.decode(context, steps, signal),
      quick ? 2 : 5,
      budgetMs / 2,
      signal,
    );
    return { tokens: context, time };
  }

  /** Where the time goes in a decode step at the least and the greatest context, and in a prompt. */
  async #profiles(bench: StepBench, room: number): Promise<StepProfile[]> {
    const { contexts, prefill, quick, budgetMs } = this.settings;
    const repeats = this.#steps(quick ? 4 : 16, budgetMs / 8);
    const possible = contexts
      .map((context) => contextWithin(context, room - 2))
      .filter((context) => context !== undefined);
    const chosen = new Set([possible.at(0) ?? 0, possible.at(-1) ?? 0]);
    const profiles: (StepProfile | undefined)[] = [];
    for (const context of chosen) {
      this.#say(`kernels of a decode step at context ${context}`);
      profiles.push(await bench.profile(1, context, repeats));
    }
    const chunk = Math.min(
      128,
      this.transformer.variants.prefillTokens,
      room,
      ...prefill.filter((n) => n >= 128),
    );
    if (this.#promptTokenMs * chunk < budgetMs / 2) {
      this.#say(`kernels of a prefill of ${chunk} tokens`);
      profiles.push(await bench.profile(chunk, 0, quick ? 1 : 3));
    }
    return profiles.filter((each) => each !== undefined);
  }

  /** Memory that decoding leaves behind. Without a way to collect garbage first there is nothing to be learnt. */
  async #growth(bench: StepBench, room: number): Promise<MemoryReport['growth']> {
    const { memory, budgetMs, quick, signal } = this.settings;
    if (!memory?.collect) return undefined;
    const wanted = quick ? GROWTH_TOKENS / 4 : GROWTH_TOKENS;
    const steps = Math.min(this.#steps(wanted, budgetMs / 2), room - 4);
    if (this.#stepMs * FEWEST_GROWTH_TOKENS > budgetMs / 2) return undefined;
    this.#say(`memory over ${wanted} tokens`);
    // What is made once, in the first steps, is no growth.
    await bench.decode(0, Math.min(steps, 100), signal);
    await memory.collect();
    const before = memory.used();
    let tokens = 0;
    for (; tokens < wanted && this.#stepMs * tokens < budgetMs / 2; tokens += steps)
      await bench.decode(0, steps, signal);
    await memory.collect();
    return { tokens, bytes: memory.used() - before };
  }

  /** `wanted` decode steps, or as many as fit into `budgetMs`, but some. */
  #steps(wanted: number, budgetMs: number): number {
    return Math.max(2, Math.min(wanted, Math.floor(budgetMs / Math.max(this.#stepMs, 0.001))));
  }

  async #ceilings(): Promise<void> {
    this.#say('ceilings');
    await this.meter.again();
  }

  /** What a time means beside the ceilings; it is that of `evaluated` tokens at once. */
  #speed(timed: Measured<Timed>, evaluated: number): Measured<Speed> {
    if ('skipped' in timed) return timed;
    const { tokens, time } = timed;
    const work = workload(this.transformer.config, this.stored, evaluated);
    const floor = floorOf(work, this.meter.ceilings);
    return {
      tokens,
      time,
      tokensPerSecond: (evaluated * 1000) / time.best,
      floorMs: floor.ms,
      bound: floor.bound,
      efficiency: floor.ms / time.best,
      efficiencyOfBest: lowestFloorOf(work, this.meter.ceilings).ms / time.best,
    };
  }

  #say(what: string): void {
    throwIfAborted(this.settings.signal);
    this.settings.onProgress(`${this.name}: ${what}`);
  }
}

/** `wanted`, or what comes close to it where the context ends about there; undefined where it ends well before. */
function contextWithin(wanted: number, room: number): number | undefined {
  if (wanted <= room) return wanted;
  return room >= 0.9 * wanted ? room : undefined;
}

const CHAT = [{ role: 'user', content: 'Count from 3 to 9.' }];

/** The loop that a page would run, a few times, each in a new session. */
async function generateLoop(
  engine: LocalEngine,
  { quick, budgetMs, signal, onProgress }: Settings,
): Promise<GenerateLoop | undefined> {
  onProgress(`${engine.info.name}: generate loop`);
  const runs: { total: number; prefill: number; decode: number }[] = [];
  let counts = { promptTokens: 0, completionTokens: 0 };
  const once = async (): Promise<number> => {
    const session = engine.createSession();
    const start = performance.now();
    let total = 0;
    for await (const { usage } of session.generate(CHAT, { maxTokens: 64, ...(signal && { signal }) })) {
      if (!usage) continue;
      counts = usage;
      total = (performance.now() - start) / usage.completionTokens;
      const decode = usage.decodeMs / Math.max(1, usage.completionTokens - 1);
      runs.push({ total, prefill: usage.prefillMs, decode });
    }
    await session.dispose();
    return total;
  };
  // The first run is no measurement: what is made at first use is made in it.
  await once();
  runs.length = 0;
  const msPerToken = await sample(once, quick ? 3 : 9, budgetMs / 2, signal);
  return {
    promptTokens: counts.promptTokens,
    completionTokens: counts.completionTokens,
    msPerToken,
    prefillMs: summarize(runs.map(({ prefill }) => prefill)),
    decodeMsPerToken: summarize(runs.map(({ decode }) => decode)),
  };
}
