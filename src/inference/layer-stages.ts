// The stages of a layer: which kernels make what of the residual stream, from its first norm to its last matrix.

import type { Dispatch, GpuContext } from '../gpu/context';
import { attention, attentionAppends, decodeAttention } from '../kernels/attention';
import type { LayerCache } from '../kernels/kv-layout';
import type { QuantizedRows } from '../kernels/matrices';
import { rmsNorm } from '../kernels/rms-norm';
import { ropeAppend } from '../kernels/rope-append';
import type { MatmulEpilogue, MatmulVariant } from '../kernels/ternary-matmul';
import type { Activations } from '../model/activations';
import type { ModelConfig } from '../model/config';
import type { LayerWeights } from '../model/weights';
import { product, type Product, type ProductSettings } from './products';
import type { Variants } from './variants';
import { inputOf, productParts, type WorkBuffers } from './work-buffers';

/**
 * A stage of a layer: dispatches that, one after the other, make what `writes` holds of what earlier stages wrote. Where a
 * model has a norm before each matrix, that norm and its quantisation belong to the stage of the matrix, as they do where they
 * are in its dispatch.
 */
export type LayerStage = { readonly dispatches: readonly Dispatch[] } & (
  | { readonly step: QuantizeStep; readonly writes: QuantizedRows }
  | { readonly step: FloatStep; readonly writes: GPUBuffer }
);

/** What stands before each matrix: RMSNorm, where the model has one there, and quantisation. */
export type QuantizeStep = 'attnNorm' | 'attnSubNorm' | 'ffnNorm' | 'ffnSubNorm';

/**
 * The four matrices by their names, and between them `append` (queries are turned in place; keys and values go into the
 * cache) and `attention`.
 */
export type FloatStep = 'qkv' | 'append' | 'attention' | 'attnOutput' | 'gateUp' | 'ffnDown';

/** Makes the stages of a model's layers, with one choice of kernels. They share the work buffers. */
export class LayerStages {
  constructor(
    private readonly gpu: GpuContext,
    private readonly config: ModelConfig,
    private readonly work: WorkBuffers,
    private readonly activations: Activations,
    private readonly variants: Variants,
  ) {}

  /**
   * The stages of `layer`, whose keys and values are in `cache`: for many tokens at once if `batched`, else for one. `matmul` stands in
   * for the variant of the matrix kernel that runs.
   */
  async of(
    layer: LayerWeights,
    cache: LayerCache,
    batched: boolean,
    matmul?: MatmulVariant,
  ): Promise<LayerStage[]> {
    const { work, variants, gpu, activations, config } = this;
    const variant = matmul ?? (batched ? variants.prefillMatmul : variants.decodeMatmul);
    const { normThreads } = variants;
    const settings = { gpu, work, activations, eps: config.eps, normThreads, variant };
    const { attnSubNorm, attnOutput, ffnSubNorm, ffnDown } = layer;
    const { x, attended, hidden } = work;
    const output = { name: 'attn output', x: attended, weight: attnSubNorm, matrix: attnOutput };
    const down = { name: 'down', x: hidden, weight: ffnSubNorm, matrix: ffnDown };
    // All async, so that a failure is a rejection of its own and leaves none of those before it unheard.
    const parts = await Promise.all([
      this.#qkv(layer, settings),
      this.#attention(layer, cache, batched),
      this.#product('attnSubNorm', 'attnOutput', settings, { ...output, epilogue: 'add', y: x }),
      this.#gateUp(layer, settings),
      this.#product('ffnSubNorm', 'ffnDown', settings, { ...down, epilogue: 'add', y: x }),
    ]);
    return parts.flat();
  }

  /** A matrix and what stands before it: two stages, unless they are one dispatch. */
  async #product(
    before: QuantizeStep,
    step: FloatStep,
    settings: ProductSettings,
    what: Product,
  ): Promise<LayerStage[]> {
    const dispatches = await product(settings, what);
    const multiplies = { step, writes: what.y, dispatches: dispatches.slice(-1) };
    if (dispatches.length === 1) return [multiplies];
    const writes = inputOf(this.work, what.matrix, this.activations);
    return [{ step: before, writes, dispatches: dispatches.slice(0, -1) }, multiplies];
  }

  /** From the residual stream to queries, keys and values, side by side. */
  async #qkv(
    { attnNorm, inputNorms, qkv: matrix }: LayerWeights,
    settings: ProductSettings,
  ): Promise<LayerStage[]> {
    const { x, normed, qkv: y } = this.work;
    const all = { matrix, epilogue: 'store', y } as const;
    if (!inputNorms || !normed)
      return this.#product('attnNorm', 'qkv', settings, { name: 'qkv', x, weight: attnNorm, ...all });
    const parts = productParts(this.config);
    const one = (name: 'q' | 'k' | 'v'): Promise<Dispatch[]> =>
      product(settings, { name, x: normed, weight: inputNorms[name], part: parts[name], ...all });
    const dispatches = [this.#norm(attnNorm, normed), one('q'), one('k'), one('v')];
    return [{ step: 'qkv', writes: y, dispatches: (await Promise.all(dispatches)).flat() }];
  }

  /** From the residual stream to activation(gate)·up. */
  async #gateUp(
    { ffnNorm, inputNorms, gateUp: matrix }: LayerWeights,
    settings: ProductSettings,
  ): Promise<LayerStage[]> {
    const { x, normed, hidden: y } = this.work;
    const { activation } = this.config;
    if (!inputNorms || !normed) {
      const what = { name: 'gate·up', x, weight: ffnNorm, matrix, y } as const;
      return this.#product('ffnNorm', 'gateUp', settings, { ...what, epilogue: `${activation}-gate` });
    }
    const parts = productParts(this.config);
    const one = (name: 'up' | 'gate', epilogue: MatmulEpilogue): Promise<Dispatch[]> => {
      const what = { name, x: normed, weight: inputNorms[name], matrix, y, part: parts[name] };
      return product(settings, { ...what, epilogue });
    };
    const dispatches = [this.#norm(ffnNorm, normed), one('up', 'store'), one('gate', `${activation}-times`)];
    return [{ step: 'gateUp', writes: y, dispatches: (await Promise.all(dispatches)).flat() }];
  }

  /** The residual stream, normalised, in `y`. */
  async #norm(weight: GPUBuffer, y: GPUBuffer): Promise<Dispatch[]> {
    const { gpu, config, work, variants } = this;
    const shape = { cols: config.width, eps: config.eps, threads: variants.normThreads };
    return [await rmsNorm(gpu, shape, undefined, work.x, weight, y)];
  }

  /** From the matrix's queries, keys and values to what attention makes of them. In decode one kernel may do all of it. */
  async #attention({ headNorms }: LayerWeights, cache: LayerCache, batched: boolean): Promise<LayerStage[]> {
    const { gpu, config, work } = this;
    const variant = this.variants.attention;
    const norms = headNorms && { ...headNorms, eps: config.eps };
    const rope = { rotary: config.rotary, pairs: config.ropePairs, angles: work.angles, norms };
    const { state, qkv, attended, partial } = work;
    const append = async (): Promise<LayerStage> => {
      const dispatch = await ropeAppend(gpu, config, rope, state, qkv, cache);
      return { step: 'append', writes: qkv, dispatches: [dispatch] };
    };
    const attends = (dispatches: Dispatch[]): LayerStage => {
      return { step: 'attention', writes: attended, dispatches };
    };
    if (batched) {
      const appended = await append();
      return [appended, attends([await attention(gpu, config, variant, state, qkv, cache, attended)])];
    }
    const args = [gpu, config, variant, state, qkv, cache, partial, attended] as const;
    const appends = attentionAppends(variant, rope);
    const dispatches = await decodeAttention(...args, appends ? rope : undefined);
    return [...(appends ? [] : [await append()]), attends(dispatches)];
  }
}
