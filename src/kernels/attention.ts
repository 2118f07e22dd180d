// Causal attention over the KV cache (shaders/attention.wgsl, attention_lanes.wgsl, attention_combine.wgsl).

import { isSoftwareAdapter, type Capabilities } from '../gpu/capabilities';
import type { Dispatch, GpuContext, PipelineSpec } from '../gpu/context';
import { fixedGrid, gridByTokens, remembering, type Grid } from '../gpu/grid';
import { attentionCost, combineCost } from './attention-cost';
import {
  attentionRoom,
  splitCount,
  splitGroups,
  valuesAhead,
  type AttentionVariant,
  type LaneAttention,
} from './attention-variant';
import { firstCandidates, inOrder } from './first-candidates';
import {
  cacheConditions,
  cacheDim,
  type AttentionShape,
  type CacheFormat,
  type LayerCache,
} from './kv-layout';
import type { Rope } from './rope';

export { attentionRoom };
export type { AttentionVariant };

/** Prefill: `qkv` → `out` f32 [tokens, heads·headDim]. */
export function attention(
  gpu: GpuContext,
  shape: AttentionShape,
  variant: AttentionVariant,
  state: GPUBuffer,
  qkv: GPUBuffer,
  cache: LayerCache,
  out: GPUBuffer,
): Promise<Dispatch> {
  const bounds = loopBounds(gpu, shape, variant);
  const buffers = [state, qkv, cache.keys, cache.values, out, bounds, undefined, undefined, cache.scales];
  const spec = attentionSpec(shape, variant, cache.format, false);
  const perGroup = variant.kind === 'lanes' ? variant.teams * variant.tokens : variant.tokens;
  const grid = gridByTokens((tokens) => [shape.kvHeads, Math.ceil(tokens / perGroup), 1]);
  const cost = attentionCost(shape, variant, cache.format, false, false);
  return gpu.dispatch('attention', spec, buffers, grid, cost);
}

/** Whether the decode kernel of `variant` can turn queries and keys itself and append to the cache; it has no norms. */
export function attentionAppends(variant: AttentionVariant, { rotary, norms }: Rope): boolean {
  return variant.kind === 'lanes' && rotary % 8 === 0 && !norms;
}

/**
 * Decode, one token: `qkv` → `out` f32 [heads·headDim]. A context of one split goes straight there, which is a dispatch of
 * its own; longer ones by way of `partial`: sums f32 [splits, heads, headDim] and summary vec2f [splits, heads]. With `rope`
 * (see `attentionAppends`) the queries and keys of `qkv` are as the matrix left them, and the kernel appends to the cache as
 * `ropeAppend` does.
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
): Promise<Dispatch[]> {
  const { heads, kvHeads, headDim } = shape;
  const threads = 32;
  const bounds = loopBounds(gpu, shape, variant);
  const spec = attentionSpec(shape, variant, cache.format, true, rope);
  const cost = attentionCost(shape, variant, cache.format, true, rope !== undefined);
  const into = (label: string, sums: GPUBuffer, grid: Grid): Promise<Dispatch> => {
    const { keys, values, scales } = cache;
    const buffers = [state, qkv, keys, values, sums, bounds, partial.summary, rope?.angles, scales];
    return gpu.dispatch(label, spec, buffers, grid, cost);
  };
  const whenAlone = (grid: Grid): Grid => {
    return (tokens, position) =>
      splitCount(variant, position + 1) === 1 ? grid(tokens, position) : undefined;
  };
  const whenSplit = (grid: Grid): Grid => {
    return (tokens, position) => (splitCount(variant, position + 1) > 1 ? grid(tokens, position) : undefined);
  };
  const splits = remembering((groups) => [kvHeads, 1, groups] as const);
  return Promise.all([
    into('attention alone', out, whenAlone(fixedGrid(kvHeads))),
    into(
      'attention',
      partial.sums,
      whenSplit((_tokens, position) => splits(splitGroups(variant, position + 1))),
    ),
    gpu.dispatch(
      'attention combine',
      {
        shader: 'attention_combine',
        constants: { HEADS: heads, HEAD_DIM: headDim, SPLIT_LENGTH: variant.split, THREADS: threads },
      },
      [state, partial.sums, partial.summary, out],
      whenSplit(fixedGrid(Math.ceil((heads * headDim) / 2 / threads))),
      combineCost(shape, variant),
    ),
  ]);
}

/** Pairs of dimensions that a thread owns in the weighted sum of values. */
function dimensionPairs(headDim: number, threads: number): number {
  return Math.ceil(headDim / 2 / threads);
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
  const stored = cacheConditions(format);
  if (variant.kind === 'lanes') {
    const { lanes, teams, ahead } = variant;
    const tokens = partial ? 1 : variant.tokens;
    const steps = Math.log2(lanes);
    const constants = {
      ...common,
      ROTARY: rope?.rotary ?? 0,
      AHEAD: partial || tokens === 1 ? ahead : 1,
      LANES: lanes,
      STEPS: steps,
      TEAMS: teams,
      TOKENS: tokens,
      QUERIES: (heads / kvHeads) * tokens,
      VECTORS: headDim / 8 / lanes,
    };
    const conditions = { partial, append: rope !== undefined, neox: rope?.pairs === 'neox', ...stored };
    return { shader: 'attention_lanes', constants, conditions };
  }
  const { threads, tile } = variant;
  const tokens = partial ? 1 : variant.tokens;
  const constants = {
    ...common,
    TILE: tile,
    THREADS: threads,
    AHEAD: tokens > 1 ? 1 : valuesAhead(variant),
    PAIRS: dimensionPairs(headDim, threads),
    TOKENS: tokens,
    QUERIES: (heads / kvHeads) * tokens,
  };
  return { shader: 'attention', constants, conditions: { partial, masked: tokens > 1, ...stored } };
}

/** The variants worth trying on a device for heads of such a shape, the likeliest to be the fastest first. */
export function attentionCandidates(
  capabilities: Capabilities,
  shape: AttentionShape,
): readonly AttentionVariant[] {
  const { subgroups, subgroupMinSize, subgroupMaxSize } = capabilities;
  const workgroup = (threads: number, tile: number, split: number): AttentionVariant => {
    return { kind: 'workgroup', threads, tile, tokens: sharingTokens(capabilities, shape, threads), split };
  };
  if (isSoftwareAdapter(capabilities)) {
    return [
      ...laneAttention(subgroupMaxSize, shape, { threads: subgroupMaxSize, split: 128, loads: 1 }),
      ...laneAttention(4, shape, { threads: 8, split: 128, loads: 1 }),
      workgroup(subgroupMaxSize, 32, 64),
    ];
  }
  // Where subgroups may be smaller than that, as on Intel, what a lane then has to hold does not fit into its registers; nor does
  // what four lanes hold of a head.
  const lanes = (split: number): LaneAttention[] => {
    if (!subgroups || subgroupMinSize < LEAST_SUBGROUP) return [];
    const fit = laneAttention(subgroupMinSize, shape, { threads: 64, split, loads: 4 });
    return fit.filter((variant) => variant.lanes >= LEAST_LANES);
  };
  const onGpu = [
    ...lanes(64),
    workgroup(32, 32, 64),
    workgroup(64, 64, 64),
    // A token alone leaves registers for several keys on their way, in prefill too.
    ...lanes(64).map((variant) => ({ ...variant, tokens: 1 })),
    ...lanes(32),
    ...lanes(128),
    workgroup(64, 64, 128),
  ];
  return inOrder(onGpu, firstCandidates(capabilities).attention);
}

/**
 * Sums and scores of a thread of attention in workgroup memory. With the heads of BitNet 2B4T four tokens have 80 and take 96 registers
 * on RDNA 3, where eight tokens would take 144 (`npm run isa`).
 */
const MOST_SUMS = 80;

/**
 * Tokens of a prompt that share what a workgroup of attention reads. A program on the CPU has all sums of a head in few threads, and
 * Intel's compilers spill soonest: there each token is alone.
 */
function sharingTokens(
  capabilities: Capabilities,
  { heads, kvHeads, headDim }: AttentionShape,
  threads: number,
): number {
  if (isSoftwareAdapter(capabilities) || capabilities.vendor === 'intel') return 1;
  const sums = (heads / kvHeads) * (2 * dimensionPairs(headDim, threads) + 1);
  return [8, 4, 2].find((tokens) => tokens * sums <= MOST_SUMS) ?? 1;
}

const LEAST_SUBGROUP = 16;
/** Of heads of 64 dimensions a lane then has 8, as of those of 128 with 16 lanes. */
const LEAST_LANES = 8;

/** The widest teams that a head and a subgroup allow, if there are any worth the name; as many as `threads` have room for. */
function laneAttention(
  subgroup: number,
  { heads, kvHeads, headDim }: AttentionShape,
  { threads, split, loads }: { threads: number; split: number; loads: number },
): LaneAttention[] {
  const lanes = [16, 8, 4].find((count) => count <= subgroup && headDim % (8 * count) === 0);
  if (lanes === undefined) return [];
  // A lane holds queries and sums of (heads / kvHeads) · tokens · vectors runs of eight: as many tokens share what is read
  // as leave it some registers. Where one token has many, there is none left for a second load.
  const runs = (heads / kvHeads) * (headDim / 8 / lanes);
  const tokens = Math.min(4, Math.max(1, Math.floor(8 / runs)));
  return [{ kind: 'lanes', lanes, ahead: runs > 4 ? 1 : loads, teams: threads / lanes, tokens, split }];
}
