// The forward pass: which kernels run in which order on which buffers, made once per model and KV cache.

import { TernionError, throwIfAborted, untilAborted } from '../errors';
import { encodePass, type Dispatch, type GpuContext } from '../gpu/context';
import { workDone } from '../gpu/map-async';
import type { TunerOptions, TunerTimes, TuningReport } from '../gpu/tuner';
import { forgetEverything } from '../gpu/tuning-memory';
import { embed } from '../kernels/embed';
import { ropeAngles } from '../kernels/rope';
import type { SampleMode } from '../kernels/sample';
import type { MatmulVariant } from '../kernels/ternary-matmul';
import type { Activations } from '../model/activations';
import type { ModelConfig } from '../model/config';
import { factorsForContext, ropeFrequencies } from '../model/rope-frequencies';
import type { ModelWeights } from '../model/weights';
import { createHeads, type HeadInput, type Heads } from './heads';
import { KvCache } from './kv-cache';
import { LayerStages, type LayerStage } from './layer-stages';
import { Samplers, type LogitsWanted, type Sampler } from './samplers';
import { choosePrefill, isExchangeable, tune, type TuningSubject } from './tune';
import { fixedChoices, possibleAttention, type FixedChoices, type Variants } from './variants';
import { createWorkBuffers, type WorkBuffers } from './work-buffers';

/** The dispatches that evaluate tokens into one KV cache. */
export interface ForwardPass {
  /** Of one token, ids[0], at the position that the state says. */
  decode: readonly Dispatch[];
  /** Of up to `prefillTokens` tokens. */
  prefill: readonly Dispatch[];
}

/** All that evaluates tokens, in order: the embedding, then every layer stage by stage. */
export interface PassStages {
  embed: readonly Dispatch[];
  layers: readonly (readonly LayerStage[])[];
}

/** What a layer's dispatches share: the work buffers, and whether many tokens go at once. */
interface LayerContext {
  cache: KvCache;
  batched: boolean;
  /** In place of the variant of the matrix kernel that runs. */
  matmul?: MatmulVariant;
}

/** What it takes to choose what the load has left. */
interface TuningRest {
  subject: TuningSubject;
  pinned: Partial<Variants>;
  tuner: TunerOptions;
}

/** What can be chosen about the forward pass. */
export interface TransformerOptions {
  /** Most tokens of a sequence. */
  contextLength: number;
  /** Generations compute logits from activations that are not rounded to int8. */
  exactHead: boolean;
  /** Compile all that `compile` does, too. Default false. */
  compile?: boolean | undefined;
  /** Variants to run whatever the tuner would choose. */
  variants?: Partial<Variants & FixedChoices> | undefined;
  tuner?: TunerOptions | undefined;
  /**
   * Kernels for prompts that take long to compile, and in whose place others give the same to the bit, are left to `complete`. Default
   * false.
   */
  prefillLater?: boolean | undefined;
  /** What the ternary matrices multiply with. */
  activations: Activations;
}

/**
 * Chunks of a prompt that are submitted and not known to be done: while one runs, the next is there already, so the GPU does not
 * wait for this thread to hear of the end and to encode. More would gain nothing and run on after an abort.
 */
const CHUNKS_IN_FLIGHT = 2;

/**
 * Multiply-adds of a prompt that are evaluated with what is there rather than wait for its own kernels: about what SwiftShader does on
 * two cores while it compiles those of a prompt (0.9 G a second with decode's kernel, measured on the embedded model; 1.5 s of both cores).
 */
const MOST_WITH_STAND_IN = 1e9;

/** What a load compiles. */
const PLAIN_CHOICE: SampleMode = { penalties: false, random: false, masked: false };

/** Runs a model on one device. Owns the work buffers; weights and KV caches belong to the caller. */
export class Transformer {
  #passes = new WeakMap<KvCache, Promise<ForwardPass>>();
  readonly #samplers: Samplers;
  #variants: Variants & FixedChoices;
  #heads: Heads | undefined;
  /** Whether the kernels for prompts are still to come. */
  #isPartial: boolean;
  #completing: Promise<void> | undefined;
  /** What may go on behind those who asked for it: it checks kernels or times them. */
  readonly #behind = new Set<Promise<unknown>>();

  private constructor(
    readonly gpu: GpuContext,
    readonly config: ModelConfig,
    readonly contextLength: number,
    private readonly weights: ModelWeights,
    variants: Variants & FixedChoices,
    /** What the tuner measured, chose and rejected. */
    readonly tuning: TuningReport,
    /** What that took. */
    readonly tunerTimes: TunerTimes,
    readonly work: WorkBuffers,
    readonly activations: Activations,
    private readonly rest: TuningRest,
    isPartial: boolean,
  ) {
    this.#variants = variants;
    this.#isPartial = isPartial;
    this.#samplers = new Samplers(gpu, config.vocabularySize, variants.sampleThreads, work);
  }

  static async create(
    gpu: GpuContext,
    config: ModelConfig,
    weights: ModelWeights,
    options: TransformerOptions,
  ): Promise<Transformer> {
    const {
      contextLength,
      exactHead,
      variants: pinned = {},
      tuner = {},
      activations,
      prefillLater,
    } = options;
    const fixed = fixedChoices(gpu.capabilities, pinned);
    const attentions = possibleAttention(gpu.capabilities, config, pinned);
    const work = await gpu.checkedAllocation('the work buffers', () =>
      createWorkBuffers(gpu, config, attentions, fixed.prefillTokens, contextLength, activations),
    );
    const factors = factorsForContext(config.ropeScaling, weights.ropeFactors, contextLength);
    const { frequencies, magnitude } = ropeFrequencies(config, factors);
    gpu.write(work.angles, 0, ropeAngles(contextLength, frequencies, magnitude));
    gpu.write(work.unitScales, 0, unitScales(work.lastPadded / 64));
    throwIfAborted(tuner.signal);
    const { cacheFormat } = fixed;
    const subject = {
      gpu,
      config,
      layers: weights.layers,
      head: weights.head,
      work,
      contextLength,
      activations,
      cacheFormat,
    };
    const { variants, report, spent, standsIn } = await tune(subject, pinned, tuner, prefillLater);
    throwIfAborted(tuner.signal);
    const all = { ...variants, ...fixed };
    const subjectOfHeads = { config, weights, work, activations, variants: all, exactOnly: exactHead };
    const rest = { subject, pinned, tuner };
    const transformer = new Transformer(
      gpu,
      config,
      contextLength,
      weights,
      all,
      report,
      spent,
      work,
      activations,
      rest,
      standsIn,
    );
    const heads = createHeads(gpu, subjectOfHeads);
    // Beside the head, and not behind it: a device compiles several kernels at a time.
    if (options.compile) await Promise.all([heads, transformer.compile()]);
    transformer.#heads = await heads;
    return transformer;
  }

  /** One choice for each kernel. That of prompts may be another one once `complete` is done. */
  get variants(): Variants & FixedChoices {
    return this.#variants;
  }

  private get heads(): Heads {
    if (this.#heads) return this.#heads;
    throw new TernionError('internal', 'A head was wanted that is not there yet.');
  }

  /** What the LM head of generations multiplies; undefined where their logits are those of `encodeLogits`. */
  get headInput(): HeadInput | undefined {
    return this.heads.input;
  }

  /** From the last token to the logits that generations use: to all of them, or to those that can be chosen by these alone. */
  head(wanted: LogitsWanted): readonly Dispatch[] {
    return wanted === 'all' ? this.heads.fast : this.heads.contenders;
  }

  /**
   * Says how far below the best token's, in logits, those of `contenders` go: all nearer ones are what the head gives, others may be
   * about that.
   */
  writeWindow(window: number): void {
    const { head } = this.weights;
    if (head.format === 'planes') this.gpu.write(head.scratch.bound, 4, Float32Array.of(window));
  }

  /**
   * The dispatches for `cache`, made at its first use. Where so many `tokens` are to be evaluated that the kernels for prompts are worth
   * waiting for, it waits for `complete`, and rejects as that does.
   */
  async forwardPass(cache: KvCache, tokens = 0): Promise<ForwardPass> {
    if (this.#isPartial && tokens * multiplyAdds(this.weights) > MOST_WITH_STAND_IN) await this.complete();
    let pass = this.#passes.get(cache);
    if (!pass) {
      pass = this.#createPass(cache);
      this.#passes.set(cache, pass);
    }
    return pass;
  }

  /** The `prefill` of `cache`'s forward pass, stage by stage: for tools that look at what is between. */
  prefillStages(cache: KvCache): Promise<PassStages> {
    return this.#stages({ cache, batched: true });
  }

  /**
   * What chooses the next token from the logits; with log-probabilities of `logprobs` alternatives, or of the token alone, if
   * that is given. Rejects with `kernel-check-failed` if the kernels of those, or of masks, are wrong on this device.
   */
  sampler(mode: SampleMode, logprobs?: number): Promise<Sampler> {
    return this.#watch(this.#samplers.sampler(mode, logprobs));
  }

  /**
   * Compiles every pipeline that a generation needs, so that none is compiled while somebody waits for a token; but those of
   * other samplers than the plain one, of log-probabilities and masks too, which are compiled while the first prompt that wants them is
   * evaluated.
   */
  async compile(): Promise<void> {
    const cache = await KvCache.create(this.gpu, this.config, 1, this.variants.cacheFormat);
    await Promise.all([this.forwardPass(cache), this.sampler(PLAIN_CHOICE)]);
    cache.destroy();
  }

  /** Whether `complete` has nothing to do. */
  get isComplete(): boolean {
    return !this.#isPartial;
  }

  /**
   * Checks and compiles what the load has left: passes that are made from then on have it. Rejects with `kernel-check-failed` or
   * `internal` where a kernel is wrong or does not compile; the next call tries again.
   */
  complete(): Promise<void> {
    this.#completing ??= this.#watch(this.#complete().finally(() => (this.#completing = undefined)));
    return this.#completing;
  }

  async #complete(): Promise<void> {
    if (!this.#isPartial) return;
    const { subject, tuner } = this.rest;
    try {
      const { variant, report } = await choosePrefill(subject, { ...tuner, signal: undefined });
      this.tuning.rejected.push(...report.rejected);
      await this.#compilePass(true, variant);
      this.#adopt({ prefillMatmul: variant }, report);
    } catch (error) {
      // A kernel that was right does not even compile: what is remembered is of another driver.
      if (error instanceof TernionError && error.code === 'internal') await forgetEverything(tuner.store);
      throw error;
    }
    this.#isPartial = false;
  }

  /**
   * Times variants for the next load, which finds what that has shown; whoever calls has the GPU to itself, and `complete` is done. What
   * gives the same to the bit runs from the next answer on. Rejects with `aborted`.
   */
  tuneForLater(budgetMs: number | undefined, signal: AbortSignal): Promise<void> {
    return this.#watch(this.#tuneForLater(budgetMs, signal));
  }

  async #tuneForLater(budgetMs: number | undefined, signal: AbortSignal): Promise<void> {
    const { subject, pinned, tuner } = this.rest;
    const { report, variants } = await tune(subject, pinned, { ...tuner, budgetMs, signal });
    const { races, rejected } = this.tuning;
    races.push(...report.races);
    rejected.push(...report.rejected.filter((each) => !rejected.includes(each)));
    for (const kernel of ['decodeMatmul', 'prefillMatmul'] as const) {
      const faster = variants[kernel];
      if (!isExchangeable(subject, faster, this.variants[kernel])) continue;
      // So that the next answer waits for no kernel.
      await this.#compilePass(kernel === 'prefillMatmul', faster, signal);
      this.#adopt({ [kernel]: faster }, report);
    }
  }

  /** Compiles what evaluates one token, or many, with `matmul` as the variant of the matrix kernel. */
  async #compilePass(batched: boolean, matmul: MatmulVariant, signal?: AbortSignal): Promise<void> {
    const cache = await KvCache.create(this.gpu, this.config, 1, this.variants.cacheFormat);
    try {
      await untilAborted(this.#dispatches({ cache, batched, matmul }), signal);
    } finally {
      cache.destroy();
    }
  }

  /** Passes that are made from now on have `variants`, which `report` has found. */
  #adopt(variants: Partial<Variants>, { chosen }: TuningReport): void {
    this.#variants = { ...this.#variants, ...variants };
    this.#passes = new WeakMap();
    for (const [name, variant] of Object.entries(chosen)) {
      if (Object.keys(variants).some((kernel) => name.startsWith(`${kernel} `)))
        this.tuning.chosen[name] = variant;
    }
  }

  /**
   * Resolves when nothing goes on any more behind those who asked for it, however it ended: soon, once `gpu` is at its end
   * (`GpuContext.end`), as no pipeline is waited for then.
   */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#behind);
  }

  #watch<T>(work: Promise<T>): Promise<T> {
    this.#behind.add(work);
    const over = (): void => void this.#behind.delete(work);
    work.then(over, over);
    return work;
  }

  /** Tells the next dispatches where they stand: `count` tokens from `position`, `step` tokens sampled before. */
  writeState(position: number, count: number, step: number): void {
    this.gpu.device.queue.writeBuffer(this.work.state, 0, new Uint32Array([position, count, step, 0]));
  }

  /** Puts the next tokens to evaluate where `embed` reads them. */
  writeIds(ids: ArrayLike<number>): void {
    this.gpu.device.queue.writeBuffer(this.work.ids, 0, Uint32Array.from(ids));
  }

  /** Encodes the evaluation of `tokens` tokens from `position`, without the head. */
  encodeTokens(encoder: GPUCommandEncoder, pass: ForwardPass, tokens: number, position: number): void {
    encodePass(encoder, tokens === 1 ? pass.decode : pass.prefill, tokens, position);
  }

  /**
   * Evaluates `ids` from position `from` on into `cache`, chunk by chunk; the head may follow, and the choice of a token
   * before which `step` were sampled. When `signal` fires, no chunk is submitted any more, and it rejects with `aborted` once
   * the chunk that runs is done; the one behind that, if there is one, runs out, and the cache counts it as there.
   */
  async prefill(
    cache: KvCache,
    pass: ForwardPass,
    ids: readonly number[],
    from: number,
    signal?: AbortSignal,
    step = 0,
  ): Promise<void> {
    const { prefillTokens } = this.variants;
    const { device } = this.gpu;
    const atOnce = CHUNKS_IN_FLIGHT * prefillTokens;
    const inFlight: Promise<undefined>[] = [];
    cache.tokenIds.length = from;
    for (let start = from; start < ids.length; start += prefillTokens) {
      if (start >= from + atOnce) await inFlight.shift();
      throwIfAborted(signal);
      const chunk = ids.slice(start, start + prefillTokens);
      this.writeIds(chunk);
      this.writeState(start, chunk.length, step);
      const encoder = device.createCommandEncoder();
      this.encodeTokens(encoder, pass, chunk.length, start);
      device.queue.submit([encoder.finish()]);
      cache.tokenIds.push(...chunk);
      // Nobody waits for the last ones here: what follows them is read back.
      if (start + atOnce >= ids.length) continue;
      const done = workDone(device);
      // After an abort nobody waits for it, so nobody needs to hear that it failed.
      done.catch(() => {});
      inFlight.push(done);
    }
    throwIfAborted(signal);
  }

  /**
   * Encodes the logits of the last token, with the head that generations use, and what comes behind them: the choice of the
   * next token, or only what looks at the logits before they are changed. `contenders` are those within the window of `writeWindow`.
   */
  encodeNext(encoder: GPUCommandEncoder, behind: readonly Dispatch[], wanted: LogitsWanted = 'all'): void {
    encodePass(encoder, [...this.head(wanted), ...behind]);
  }

  /** Encodes what the last norm makes of the last token: `work.last`. */
  encodeLast(encoder: GPUCommandEncoder): void {
    encodePass(encoder, [this.heads.norm]);
  }

  /** Encodes the logits of the last token, of activations that are not rounded for the head. */
  async encodeLogits(encoder: GPUCommandEncoder): Promise<void> {
    encodePass(encoder, await this.heads.exact());
  }

  async #createPass(cache: KvCache): Promise<ForwardPass> {
    const [decode, prefill] = await Promise.all([
      this.#dispatches({ cache, batched: false }),
      this.#dispatches({ cache, batched: true }),
    ]);
    return { decode, prefill };
  }

  async #dispatches(context: LayerContext): Promise<Dispatch[]> {
    const { embed, layers } = await this.#stages(context);
    return [...embed, ...layers.flat().flatMap(({ dispatches }) => dispatches)];
  }

  async #stages(context: LayerContext): Promise<PassStages> {
    const { gpu, config, weights, work, activations, variants } = this;
    const { cache, batched, matmul } = context;
    const stages = new LayerStages(gpu, config, work, activations, variants);
    const layers = await Promise.all(
      weights.layers.map((layer, i) => stages.of(layer, cache.layers[i]!, batched, matmul)),
    );
    const { embedding } = this.config.scales;
    return { embed: await embed(gpu, weights.embedding, work.ids, work.x, embedding), layers };
  }
}

/** Of the matrices of all layers, for one token. */
function multiplyAdds({ layers }: ModelWeights): number {
  return layers
    .flatMap(({ qkv, attnOutput, gateUp, ffnDown }) => [qkv, attnOutput, gateUp, ffnDown])
    .reduce((sum, { rows, cols }) => sum + rows * cols, 0);
}

/** As many pairs of (1, 0). */
function unitScales(count: number): Float32Array {
  return Float32Array.from({ length: 2 * count }, (_, i) => 1 - (i % 2));
}
