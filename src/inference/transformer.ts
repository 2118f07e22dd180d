// The forward pass: which kernels run in which order on which buffers, made once per model and KV cache.

import { throwIfAborted } from '../errors';
import { encodePass, type Dispatch, type GpuContext } from '../gpu/context';
import { attention, attentionSplits, splitAttention } from '../kernels/attention';
import { embed } from '../kernels/embed';
import { lmHeadF16 } from '../kernels/lm-head-f16';
import { createInt8Matrix, lmHeadInt8, quantizeHead } from '../kernels/lm-head-int8';
import type { HalfMatrix, Int8Matrix, QuantizedRows } from '../kernels/matrices';
import { rmsNorm } from '../kernels/rms-norm';
import { rmsNormQuantize } from '../kernels/rms-norm-quantize';
import { ropeAngles, ropeAppend } from '../kernels/rope-append';
import { sample, sliceCount, type SampleBuffers, type SampleMode } from '../kernels/sample';
import { ternaryMatmul, type MatmulEpilogue } from '../kernels/ternary-matmul';
import type { ModelConfig } from '../model/config';
import type { LayerWeights, ModelWeights } from '../model/weights';
import { KvCache } from './kv-cache';
import type { Variants } from './variants';

/** A sequence of dispatches for one KV cache, and how its workgroup counts follow tokens and context. */
interface StepPlan {
  dispatches: Dispatch[];
  /** Sets workgroup counts for `tokens` tokens that begin at `position`. */
  resize(tokens: number, position: number): void;
}

/** The dispatches that evaluate tokens into one KV cache. */
export interface CachePlan {
  /** One token, ids[0], at the position that the state says. */
  decode: StepPlan;
  /** Up to `chunkTokens` tokens. */
  prefill: StepPlan;
}

/** What a layer's dispatches share: the work buffers, and whether many tokens go at once. */
interface LayerContext {
  cache: KvCache;
  batched: boolean;
}

/** Work buffers of the forward pass, for up to `chunkTokens` tokens at once. */
interface WorkBuffers extends SampleBuffers {
  /** Residual stream, f32 [tokens, width]. */
  x: GPUBuffer;
  /** Normalised and quantised input of a matrix, of every width that occurs. */
  quantized: Map<number, QuantizedRows>;
  /** f32 [tokens, (heads + 2·kvHeads)·headDim]. */
  qkv: GPUBuffer;
  /** f32 [tokens, heads·headDim]. */
  attended: GPUBuffer;
  /** f32 [tokens, ffnWidth]. */
  hidden: GPUBuffer;
  /** f32 [width]: the last token, normalised for the head. */
  last: GPUBuffer;
  partial: { sums: GPUBuffer; summary: GPUBuffer };
  /** vec2f [contextLength, rotary/2]. */
  angles: GPUBuffer;
}

/** What can be chosen about the forward pass. */
export interface TransformerOptions {
  /** Most tokens of a sequence. */
  contextLength: number;
  /** The head that generations use. `int8` needs half the memory traffic of `f16`, which is exact. */
  headPrecision: 'int8' | 'f16';
  /** `rope_freqs.weight`, where a model has it. */
  ropeFactors?: Float32Array;
}

/** Runs a model on one device. Owns the work buffers; weights and KV caches belong to the caller. */
export class Transformer {
  readonly #plans = new WeakMap<KvCache, Promise<CachePlan>>();
  readonly #samplers = new Map<string, Promise<Dispatch[]>>();

  private constructor(
    readonly gpu: GpuContext,
    readonly config: ModelConfig,
    readonly contextLength: number,
    readonly chunkTokens: number,
    private readonly weights: ModelWeights,
    private readonly variants: Variants,
    readonly work: WorkBuffers,
    private readonly heads: { exact: Dispatch[]; fast: Dispatch[] },
  ) {}

  static async create(
    gpu: GpuContext,
    config: ModelConfig,
    weights: ModelWeights,
    variants: Variants,
    { contextLength, headPrecision, ropeFactors }: TransformerOptions,
  ): Promise<Transformer> {
    const { prefillTokens } = variants;
    const work = await gpu.checkedAllocation('the work buffers', () =>
      createWorkBuffers(gpu, config, variants, prefillTokens, contextLength, ropeFactors),
    );
    const norm = { cols: config.width, eps: config.eps, threads: variants.normThreads };
    const exact = [
      await rmsNorm(gpu, norm, work.state, work.x, weights.outputNorm, work.last),
      ...(await lmHeadF16(gpu, variants.exactHead, weights.head, work.last, work.logits)),
    ];
    let fast = exact;
    if (headPrecision === 'int8') {
      const q = work.quantized.get(config.width)!;
      const head = await int8Head(gpu, weights.head);
      fast = [
        await rmsNormQuantize(gpu, 'output norm', { ...norm, packing: 'bytes' }, work.x, weights.outputNorm, q, work.state),
        ...(await lmHeadInt8(gpu, variants.head, head, q, work.logits)),
      ];
    }
    return new Transformer(gpu, config, contextLength, prefillTokens, weights, variants, work, {
      exact,
      fast,
    });
  }

  /** The plan for `cache`, made at its first use. */
  plan(cache: KvCache): Promise<CachePlan> {
    let plan = this.#plans.get(cache);
    if (!plan) {
      plan = this.#createPlan(cache);
      this.#plans.set(cache, plan);
    }
    return plan;
  }

  /** The dispatches that choose the next token from the logits. */
  sampler(mode: SampleMode): Promise<Dispatch[]> {
    const key = `${mode.penalties} ${mode.random}`;
    let dispatches = this.#samplers.get(key);
    if (!dispatches) {
      const { gpu, config, work, variants } = this;
      dispatches = sample(gpu, config.vocabularySize, variants.sampleThreads, mode, work);
      this.#samplers.set(key, dispatches);
    }
    return dispatches;
  }

  /** Compiles every pipeline that a generation can need, so that none is compiled while somebody waits for a token. */
  async compile(): Promise<void> {
    const cache = await KvCache.create(this.gpu, this.config, 1);
    await this.plan(cache);
    cache.destroy();
    const modes = [false, true].flatMap((penalties) =>
      [false, true].map((random) => ({ penalties, random })),
    );
    await Promise.all(modes.map((mode) => this.sampler(mode)));
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
  encodeTokens(encoder: GPUCommandEncoder, plan: CachePlan, tokens: number, position: number): void {
    const step = tokens === 1 ? plan.decode : plan.prefill;
    step.resize(tokens, position);
    encodePass(encoder, step.dispatches);
  }

  /**
   * Evaluates `ids` from position `from` on into `cache`, chunk by chunk; the head may follow. Rejects with `aborted`
   * within one chunk when `signal` fires; the cache then says how far it came.
   */
  async prefill(
    cache: KvCache,
    plan: CachePlan,
    ids: readonly number[],
    from: number,
    signal?: AbortSignal,
  ): Promise<void> {
    const { queue } = this.gpu.device;
    cache.tokenIds.length = from;
    for (let start = from; start < ids.length; start += this.chunkTokens) {
      throwIfAborted(signal);
      const chunk = ids.slice(start, start + this.chunkTokens);
      this.writeIds(chunk);
      this.writeState(start, chunk.length, 0);
      const encoder = this.gpu.device.createCommandEncoder();
      this.encodeTokens(encoder, plan, chunk.length, start);
      queue.submit([encoder.finish()]);
      cache.tokenIds.push(...chunk);
      // Not the last: what follows it is read back, and waited for there.
      if (start + this.chunkTokens < ids.length) await queue.onSubmittedWorkDone();
    }
    throwIfAborted(signal);
  }

  /** Encodes the logits of the last token, with the head that generations use, and the choice of the next token. */
  encodeNext(encoder: GPUCommandEncoder, sampler: readonly Dispatch[]): void {
    encodePass(encoder, [...this.heads.fast, ...sampler]);
  }

  /** Encodes the logits of the last token with the head as the file has it. */
  encodeLogits(encoder: GPUCommandEncoder): void {
    encodePass(encoder, this.heads.exact);
  }

  async #createPlan(cache: KvCache): Promise<CachePlan> {
    const [decode, prefill] = await Promise.all([this.#decodePlan(cache), this.#prefillPlan(cache)]);
    return { decode, prefill };
  }

  async #decodePlan(cache: KvCache): Promise<StepPlan> {
    const dispatches = await this.#dispatches({ cache, batched: false });
    const attentions = dispatches.filter(({ label }) => label === 'attention');
    return {
      dispatches,
      resize: (_tokens, position) => {
        const splits = attentionSplits(this.variants.attention, position + 1);
        for (const { workgroups } of attentions) workgroups[2] = splits;
      },
    };
  }

  async #prefillPlan(cache: KvCache): Promise<StepPlan> {
    const dispatches = await this.#dispatches({ cache, batched: true });
    const tile = this.variants.prefillMatmul.tokens;
    return {
      dispatches,
      resize: (tokens) => {
        const tiles = Math.ceil(tokens / tile);
        for (const { label, workgroups } of dispatches) {
          if (label === 'embed' || label.endsWith('norm')) workgroups[0] = tokens;
          else workgroups[1] = label.startsWith('matmul') ? tiles : tokens;
        }
      },
    };
  }

  async #dispatches(context: LayerContext): Promise<Dispatch[]> {
    const { gpu, weights, work } = this;
    const layers = await Promise.all(weights.layers.map((layer, i) => this.#layer(layer, i, context)));
    return [...(await embed(gpu, weights.embedding, work.ids, work.x)), ...layers.flat()];
  }

  async #layer(layer: LayerWeights, index: number, { cache, batched }: LayerContext): Promise<Dispatch[]> {
    const { gpu, config, work, variants } = this;
    const { width, ffnWidth, heads, headDim, activation } = config;
    const layerCache = cache.layers[index]!;
    const matmulVariant = batched ? variants.prefillMatmul : variants.decodeMatmul;
    const normed = (x: GPUBuffer, weight: GPUBuffer, cols: number): Promise<Dispatch> => {
      const shape = { cols, eps: config.eps, threads: variants.normThreads, packing: matmulVariant.products };
      return rmsNormQuantize(gpu, 'norm', shape, x, weight, this.#quantized(cols));
    };
    const matmul = (name: string, matrix: LayerWeights['qkv'], epilogue: MatmulEpilogue, y: GPUBuffer) => {
      return ternaryMatmul(gpu, `matmul ${name}`, matrix, epilogue, matmulVariant, this.#quantized(matrix.cols), y);
    };
    const attend = batched
      ? [attention(gpu, config, variants.attention, work.state, work.qkv, layerCache, work.attended)]
      : await splitAttention(
          gpu,
          config,
          variants.attention,
          work.state,
          work.qkv,
          layerCache,
          work.partial,
          work.attended,
        );
    if (!layer.attnSubNorm || !layer.ffnSubNorm)
      throw new Error('Layers without sub-norms need a plain quantiser.');
    return Promise.all([
      normed(work.x, layer.attnNorm, width),
      matmul('qkv', layer.qkv, 'store', work.qkv),
      ropeAppend(gpu, { ...config, pairs: config.ropePairs }, work.state, work.qkv, work.angles, layerCache),
      ...attend,
      normed(work.attended, layer.attnSubNorm, heads * headDim),
      matmul('attn output', layer.attnOutput, 'add', work.x),
      normed(work.x, layer.ffnNorm, width),
      matmul('gate·up', layer.gateUp, `${activation}-gate`, work.hidden),
      normed(work.hidden, layer.ffnSubNorm, ffnWidth),
      matmul('down', layer.ffnDown, 'add', work.x),
    ]);
  }

  #quantized(cols: number): QuantizedRows {
    return this.work.quantized.get(cols)!;
  }
}

/** Makes the int8 head on the GPU. */
async function int8Head(gpu: GpuContext, source: HalfMatrix): Promise<Int8Matrix> {
  const head = await gpu.checkedAllocation('the LM head', () =>
    createInt8Matrix(gpu, 'int8 head', source.rows, source.cols),
  );
  const encoder = gpu.device.createCommandEncoder();
  encodePass(encoder, await quantizeHead(gpu, source, head));
  gpu.device.queue.submit([encoder.finish()]);
  return head;
}

function createWorkBuffers(
  gpu: GpuContext,
  config: ModelConfig,
  variants: Variants,
  tokens: number,
  contextLength: number,
  ropeFactors?: Float32Array,
): WorkBuffers {
  const { width, ffnWidth, heads, kvHeads, headDim, vocabularySize, rotary, ropeTheta } = config;
  const floats = (label: string, count: number): GPUBuffer => gpu.createBuffer(label, count * 4);
  const quantized = new Map<number, QuantizedRows>();
  for (const cols of [width, heads * headDim, ffnWidth]) {
    if (quantized.has(cols)) continue;
    const padded = Math.ceil(cols / 64) * 64;
    quantized.set(cols, {
      padded,
      values: gpu.createBuffer('quantized', tokens * padded * 2),
      scales: floats('quantized scales', tokens * 2),
    });
  }
  const splits = attentionSplits(variants.attention, contextLength);
  return {
    state: floats('state', 4),
    ids: floats('ids', tokens),
    x: floats('residual stream', tokens * width),
    quantized,
    qkv: floats('qkv', tokens * (heads + 2 * kvHeads) * headDim),
    attended: floats('attended', tokens * heads * headDim),
    hidden: floats('hidden', tokens * ffnWidth),
    last: floats('last', width),
    partial: {
      sums: floats('attention sums', splits * heads * headDim),
      summary: floats('attention summary', splits * heads * 2),
    },
    angles: gpu.upload('rope angles', ropeAngles(contextLength, rotary, ropeTheta, ropeFactors)),
    logits: floats('logits', vocabularySize),
    best: floats('best', sliceCount(vocabularySize) * 2),
    options: floats('sampler options', 8),
    history: floats('history', vocabularySize),
    bias: floats('bias', vocabularySize),
  };
}
