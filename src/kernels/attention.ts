// Causal attention over the KV cache (shaders/attention.wgsl, shaders/attention_combine.wgsl).

import type { Dispatch, GpuContext, PipelineSpec } from '../gpu/context';
import type { LayerCache } from './rope-append';

/** Head counts and widths of a model's attention. */
export interface AttentionShape {
  heads: number;
  kvHeads: number;
  headDim: number;
}

/** How one variant divides the work. */
export interface AttentionVariant {
  /** Threads of a workgroup. */
  threads: number;
  /** Positions whose scores are held at a time. */
  tile: number;
  /** Tiles that one split of the context has, in decode. */
  splitTiles: number;
}

/** The splits of the longest context that `positions` allows: the room that `partial` and `summary` need. */
export function attentionSplits(variant: AttentionVariant, positions: number): number {
  return Math.ceil(positions / (variant.tile * variant.splitTiles));
}

/** Prefill: `qkv` → `out` f32 [tokens, heads·headDim], whole rows at once. Workgroups: y = tokens. */
export function attention(
  gpu: GpuContext,
  shape: AttentionShape,
  variant: AttentionVariant,
  state: GPUBuffer,
  qkv: GPUBuffer,
  cache: LayerCache,
  out: GPUBuffer,
): Promise<Dispatch> {
  const buffers = [state, qkv, cache.keys, cache.values, out, gpu.uniform([shape.headDim / 8])];
  return gpu.dispatch('attention', attentionSpec(shape, variant, false), buffers, [shape.kvHeads, 1, 1]);
}

/**
 * Decode, one token: each split of the context into `partial` f32 [splits, heads, headDim] and `summary` vec2f
 * [splits, heads], then all of them into `out`. Workgroups of the first: z = splits of the context so far.
 */
export function splitAttention(
  gpu: GpuContext,
  shape: AttentionShape,
  variant: AttentionVariant,
  state: GPUBuffer,
  qkv: GPUBuffer,
  cache: LayerCache,
  partial: { sums: GPUBuffer; summary: GPUBuffer },
  out: GPUBuffer,
): Promise<[split: Dispatch, combine: Dispatch]> {
  const { heads, kvHeads, headDim } = shape;
  const threads = 32;
  return Promise.all([
    gpu.dispatch(
      'attention',
      attentionSpec(shape, variant, true),
      [state, qkv, cache.keys, cache.values, partial.sums, gpu.uniform([headDim / 8]), partial.summary],
      [kvHeads, 1, 1],
    ),
    gpu.dispatch(
      'attention combine',
      {
        shader: 'attention_combine',
        constants: {
          HEADS: heads,
          HEAD_DIM: headDim,
          SPLIT_LENGTH: variant.tile * variant.splitTiles,
          THREADS: threads,
        },
      },
      [state, partial.sums, partial.summary, out],
      [Math.ceil((heads * headDim) / 2 / threads), 1, 1],
    ),
  ]);
}

function attentionSpec(shape: AttentionShape, variant: AttentionVariant, partial: boolean): PipelineSpec {
  const { heads, kvHeads, headDim } = shape;
  return {
    shader: 'attention',
    constants: {
      HEADS: heads,
      KV_HEADS: kvHeads,
      GROUP: heads / kvHeads,
      HEAD_DIM: headDim,
      ROW: (heads + 2 * kvHeads) * headDim,
      TILE: variant.tile,
      THREADS: variant.threads,
      PAIRS: Math.ceil(headDim / 2 / variant.threads),
      SPLIT_TILES: variant.splitTiles,
      SCALE: 1 / Math.sqrt(headDim),
    },
    conditions: { partial },
  };
}
