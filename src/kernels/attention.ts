// Causal attention over the KV cache (shaders/attention.wgsl, attention_lanes.wgsl, attention_combine.wgsl).

import type { Dispatch, GpuContext, PipelineSpec } from '../gpu/context';
import type { LayerCache } from './rope-append';

/** Head counts and widths of a model's attention. */
export interface AttentionShape {
  heads: number;
  kvHeads: number;
  headDim: number;
}

/** How one variant divides the work. */
export type AttentionVariant = WorkgroupAttention | LaneAttention;

/** Scores in workgroup memory: runs everywhere. */
export interface WorkgroupAttention {
  kind: 'workgroup';
  /** Threads of a workgroup. */
  threads: number;
  /** Positions whose scores are held at a time. */
  tile: number;
  /** Positions that one split of the context has, in decode; a multiple of `tile`. */
  split: number;
}

/** Scores in the registers of subgroups. */
export interface LaneAttention {
  kind: 'lanes';
  /** Lanes that share a head: a power of two, at most a subgroup, such that headDim is a multiple of 8·lanes. */
  lanes: number;
  /** Such teams in a workgroup. */
  teams: number;
  /** Positions that one split of the context has, in decode; a multiple of `lanes`. */
  split: number;
}

/** The splits of a context of `positions`; the buffers of partial results have room for a whole workgroup more. */
export function attentionSplits(variant: AttentionVariant, positions: number): number {
  return Math.ceil(positions / variant.split);
}

/** Tokens that one workgroup handles in prefill. */
export function attentionTokens(variant: AttentionVariant): number {
  return variant.kind === 'lanes' ? variant.teams : 1;
}

/** Workgroups along z that decode needs for a context of `positions`. */
export function attentionGroups(variant: AttentionVariant, positions: number): number {
  const splits = attentionSplits(variant, positions);
  return variant.kind === 'lanes' ? Math.ceil(splits / variant.teams) : splits;
}

/** Splits that partial results need room for when a context may have `positions`. */
export function attentionRoom(variant: AttentionVariant, positions: number): number {
  return attentionGroups(variant, positions) * (variant.kind === 'lanes' ? variant.teams : 1);
}

/**
 * Prefill: `qkv` → `out` f32 [tokens, heads·headDim], with room for tokens rounded up to `attentionTokens`.
 * Workgroups: y = ceil(tokens / attentionTokens).
 */
export function attention(
  gpu: GpuContext,
  shape: AttentionShape,
  variant: AttentionVariant,
  state: GPUBuffer,
  qkv: GPUBuffer,
  cache: LayerCache,
  out: GPUBuffer,
): Promise<Dispatch> {
  const buffers = [state, qkv, cache.keys, cache.values, out, loopBound(gpu, shape, variant)];
  return gpu.dispatch('attention', attentionSpec(shape, variant, false), buffers, [shape.kvHeads, 1, 1]);
}

/**
 * Decode, one token: each split of the context into `partial` f32 [splits, heads, headDim] and `summary` vec2f
 * [splits, heads], then all of them into `out`. Workgroups of the first: z = `attentionGroups` of the context so far.
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
  const bound = loopBound(gpu, shape, variant);
  return Promise.all([
    gpu.dispatch(
      'attention',
      attentionSpec(shape, variant, true),
      [state, qkv, cache.keys, cache.values, partial.sums, bound, partial.summary],
      [kvHeads, 1, 1],
    ),
    gpu.dispatch(
      'attention combine',
      {
        shader: 'attention_combine',
        constants: { HEADS: heads, HEAD_DIM: headDim, SPLIT_LENGTH: variant.split, THREADS: threads },
      },
      [state, partial.sums, partial.summary, out],
      [Math.ceil((heads * headDim) / 2 / threads), 1, 1],
    ),
  ]);
}

function loopBound(gpu: GpuContext, { headDim }: AttentionShape, variant: AttentionVariant): GPUBuffer {
  return gpu.uniform([variant.kind === 'lanes' ? variant.lanes : headDim / 8]);
}

function attentionSpec(shape: AttentionShape, variant: AttentionVariant, partial: boolean): PipelineSpec {
  const { heads, kvHeads, headDim } = shape;
  const common = {
    HEADS: heads,
    KV_HEADS: kvHeads,
    GROUP: heads / kvHeads,
    HEAD_DIM: headDim,
    ROW: (heads + 2 * kvHeads) * headDim,
    SCALE: 1 / Math.sqrt(headDim),
    SPLIT: variant.split,
  };
  if (variant.kind === 'lanes') {
    const { lanes, teams } = variant;
    const steps = Math.log2(lanes);
    const constants = { ...common, LANES: lanes, STEPS: steps, TEAMS: teams, VECTORS: headDim / 8 / lanes };
    return { shader: 'attention_lanes', constants, conditions: { partial } };
  }
  const { threads, tile } = variant;
  const constants = { ...common, TILE: tile, THREADS: threads, PAIRS: Math.ceil(headDim / 2 / threads) };
  return { shader: 'attention', constants, conditions: { partial } };
}
