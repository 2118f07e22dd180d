// Causal attention over the KV cache (shaders/attention.wgsl, attention_lanes.wgsl, attention_combine.wgsl).

import type { Dispatch, GpuContext, PipelineSpec } from '../gpu/context';
import { cacheDim, type CacheFormat, type LayerCache, type Rope } from './rope-append';

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
  /** Tokens of a prompt that a team handles at once, so that it reads keys and values once for all of them. */
  tokens: number;
  /** Positions that one split of the context has, in decode; a multiple of `lanes`. */
  split: number;
}

/** The splits of a context of `positions`; the buffers of partial results have room for a whole workgroup more. */
export function attentionSplits(variant: AttentionVariant, positions: number): number {
  return Math.ceil(positions / variant.split);
}

/** Tokens that one workgroup handles in prefill. */
export function attentionTokens(variant: AttentionVariant): number {
  return variant.kind === 'lanes' ? variant.teams * variant.tokens : 1;
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
 * Prefill: `qkv` → `out` f32 [tokens, heads·headDim].
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
  const buffers = [state, qkv, cache.keys, cache.values, out, loopBounds(gpu, shape, variant)];
  const spec = attentionSpec(shape, variant, cache.format, false);
  return gpu.dispatch('attention', spec, buffers, [shape.kvHeads, 1, 1]);
}

/** Whether the decode kernel of `variant` can turn queries and keys itself and append to the cache; it has no norms. */
export function attentionAppends(variant: AttentionVariant, { rotary, norms }: Rope): boolean {
  return variant.kind === 'lanes' && rotary % 8 === 0 && !norms;
}

/** Attention of one token. */
export interface DecodeAttention {
  /** For a context of one split: straight into `out`. */
  alone: Dispatch;
  /** For longer ones: each split into `partial`. Workgroups: z = `attentionGroups` of the context so far. */
  split: Dispatch;
  /** Follows `split`: all of them into `out`. */
  combine: Dispatch;
}

/**
 * Decode, one token: `qkv` → `out` f32 [heads·headDim], by way of `partial`: sums f32 [splits, heads, headDim] and summary
 * vec2f [splits, heads] if the context has more than one split. With `rope` (see `attentionAppends`) the queries and keys
 * of `qkv` are as the matrix left them, and the kernel appends to the cache as `ropeAppend` does.
 */
export async function decodeAttention(
  gpu: GpuContext,
  shape: AttentionShape,
  variant: AttentionVariant,
  state: GPUBuffer,
  qkv: GPUBuffer,
  cache: LayerCache,
  partial: { sums: GPUBuffer; summary: GPUBuffer },
  out: GPUBuffer,
  rope?: Rope,
): Promise<DecodeAttention> {
  const { heads, kvHeads, headDim } = shape;
  const threads = 32;
  const bounds = loopBounds(gpu, shape, variant);
  const spec = attentionSpec(shape, variant, cache.format, true, rope);
  const into = (label: string, sums: GPUBuffer): Promise<Dispatch> => {
    const buffers = [state, qkv, cache.keys, cache.values, sums, bounds, partial.summary];
    if (rope) buffers.push(rope.angles);
    return gpu.dispatch(label, spec, buffers, [kvHeads, 1, 1]);
  };
  const [alone, split, combine] = await Promise.all([
    into('attention alone', out),
    into('attention', partial.sums),
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
  return { alone, split, combine };
}

/** The bounds of loops that compilers should not unroll. */
function loopBounds(gpu: GpuContext, shape: AttentionShape, variant: AttentionVariant): GPUBuffer {
  if (variant.kind === 'workgroup') return gpu.uniform([cacheDim(shape.headDim) / 8]);
  const vectors = shape.headDim / 8 / variant.lanes;
  return gpu.uniform([variant.lanes, (shape.heads / shape.kvHeads) * vectors, vectors]);
}

function attentionSpec(
  shape: AttentionShape,
  variant: AttentionVariant,
  format: CacheFormat,
  partial: boolean,
  rope?: Rope,
): PipelineSpec {
  const { heads, kvHeads, headDim } = shape;
  const common = {
    HEADS: heads,
    KV_HEADS: kvHeads,
    GROUP: heads / kvHeads,
    HEAD_DIM: headDim,
    CACHE_DIM: cacheDim(headDim),
    ROW: (heads + 2 * kvHeads) * headDim,
    SCALE: 1 / Math.sqrt(headDim),
    SPLIT: variant.split,
  };
  const wide = format === 'f32';
  if (variant.kind === 'lanes') {
    const { lanes, teams } = variant;
    const tokens = partial ? 1 : variant.tokens;
    const steps = Math.log2(lanes);
    const constants = {
      ...common,
      ROTARY: rope?.rotary ?? 0,
      LANES: lanes,
      STEPS: steps,
      TEAMS: teams,
      TOKENS: tokens,
      QUERIES: (heads / kvHeads) * tokens,
      VECTORS: headDim / 8 / lanes,
    };
    const conditions = { partial, wide, append: rope !== undefined, neox: rope?.pairs === 'neox' };
    return { shader: 'attention_lanes', constants, conditions };
  }
  const { threads, tile } = variant;
  const constants = { ...common, TILE: tile, THREADS: threads, PAIRS: Math.ceil(headDim / 2 / threads) };
  return { shader: 'attention', constants, conditions: { partial, wide } };
}
