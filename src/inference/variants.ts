// Which variant of each kernel a device runs: candidates by what it can do, the likeliest first, for the tuner to choose.

import type { Capabilities } from '../gpu/capabilities';
import type { AttentionShape, AttentionVariant } from '../kernels/attention';
import type { CacheFormat } from '../kernels/rope-append';
import type { HeadVariant } from '../kernels/lm-head-int8';
import type { MatmulVariant } from '../kernels/ternary-matmul';
import type { Activations } from '../model/activations';

/** One choice per kernel. */
export interface Variants {
  decodeMatmul: MatmulVariant;
  prefillMatmul: MatmulVariant;
  attention: AttentionVariant;
  head: HeadVariant;
  /** Threads of a workgroup that normalises one row. */
  normThreads: number;
}

/** The variants of each kernel that a device can run. */
export type Candidates = { [Kernel in keyof Variants]: readonly Variants[Kernel][] };

/** Sizes that are not worth a measurement. */
export interface FixedChoices {
  exactHead: { threads: number; rows: number };
  sampleThreads: number;
  /** Tokens of one prefill chunk; a multiple of every candidate's `prefillMatmul.tokens`. */
  prefillTokens: number;
  cacheFormat: CacheFormat;
}

/**
 * Subgroups of at most 8 lanes mean a software adapter: barriers are dear there and threads are lanes of a CPU's vector
 * unit, so workgroups are no larger than those.
 */
function isSoftware({ subgroups, subgroupMaxSize }: Capabilities): boolean {
  return subgroups && subgroupMaxSize <= 8;
}

/** Sizes for a device; those that `pinned` names are taken as they are. */
export function fixedChoices(capabilities: Capabilities, pinned: Partial<FixedChoices> = {}): FixedChoices {
  const lanes = isSoftware(capabilities) ? capabilities.subgroupMaxSize : 32;
  return {
    exactHead: pinned.exactHead ?? { threads: lanes, rows: 8 },
    sampleThreads: pinned.sampleThreads ?? (lanes === 32 ? 64 : lanes),
    prefillTokens: pinned.prefillTokens ?? 128,
    // Measured: SwiftShader, with subgroups of four, takes half of attention's time to unpack f16; others hardly notice.
    cacheFormat: pinned.cacheFormat ?? (lanes === 4 ? 'f32' : 'f16'),
  };
}

/** The variants of attention of which one will run: what they need in common is allocated before it is chosen. */
export function possibleAttention(
  capabilities: Capabilities,
  shape: AttentionShape,
  pinned: Partial<Variants> = {},
): readonly AttentionVariant[] {
  return pinned.attention ? [pinned.attention] : candidates(capabilities, shape).attention;
}

/** The variants worth trying on a device for a model with such attention. */
export function candidates(
  capabilities: Capabilities,
  shape: AttentionShape,
  activations: Activations = 'int8-token',
): Candidates {
  const all = isSoftware(capabilities)
    ? softwareCandidates(capabilities, shape)
    : gpuCandidates(capabilities, shape);
  return activations === 'f32' ? { ...all, ...floatMatmuls(capabilities) } : all;
}

/** Unrounded activations are there to be right, not to be fast. */
function floatMatmuls(capabilities: Capabilities): Pick<Candidates, 'decodeMatmul' | 'prefillMatmul'> {
  const matmul = (blocks: number, tokens: number, split: number): MatmulVariant => ({
    blocks,
    tokens,
    split,
    products: 'floats',
    broadcast: false,
  });
  return isSoftware(capabilities)
    ? { decodeMatmul: [matmul(2, 1, 1), matmul(4, 1, 1)], prefillMatmul: [matmul(2, 4, 1), matmul(2, 2, 1)] }
    : { decodeMatmul: [matmul(2, 1, 8), matmul(4, 1, 1)], prefillMatmul: [matmul(2, 4, 4), matmul(2, 2, 8)] };
}

function softwareCandidates({ subgroupMaxSize: lanes }: Capabilities, shape: AttentionShape): Candidates {
  const matmul = (blocks: number, tokens: number): MatmulVariant => ({
    blocks,
    tokens,
    split: 1,
    products: 'pairs',
    broadcast: true,
  });
  const dot = (blocks: number, tokens: number): MatmulVariant => ({
    ...matmul(blocks, tokens),
    products: 'bytes',
  });
  return {
    decodeMatmul: [matmul(4, 1), matmul(2, 1), matmul(8, 1), dot(4, 1), { ...dot(4, 1), broadcast: false }],
    // Measured: eight lanes have registers for two tokens, four lanes gain more from using a code eight times.
    prefillMatmul:
      lanes === 8
        ? [matmul(4, 2), matmul(2, 2), matmul(4, 4), dot(2, 4), { ...dot(2, 4), broadcast: false }]
        : [matmul(2, 8), matmul(4, 4), matmul(4, 2), dot(2, 4), { ...dot(2, 4), broadcast: false }],
    head: [
      { blocks: 4, split: 1, broadcast: false },
      { blocks: 2, split: 1, broadcast: false },
      { blocks: 1, split: 1, broadcast: true },
    ],
    attention: [
      ...laneAttention(lanes, shape, lanes, 128),
      ...laneAttention(4, shape, 8, 128),
      { kind: 'workgroup', threads: lanes, tile: 32, split: 64 },
    ],
    normThreads: [lanes, 2 * lanes],
  };
}

/** The widest teams that a head and a subgroup allow, if there are any worth the name; as many as `threads` have room for. */
function laneAttention(
  subgroup: number,
  { heads, kvHeads, headDim }: AttentionShape,
  threads: number,
  split: number,
): AttentionVariant[] {
  const lanes = [16, 8, 4].find((count) => count <= subgroup && headDim % (8 * count) === 0);
  if (lanes === undefined) return [];
  // A lane holds queries and sums of (heads / kvHeads) · tokens · vectors runs of eight: as many tokens share what is read
  // as leave it some registers.
  const vectors = headDim / 8 / lanes;
  const tokens = Math.min(4, Math.max(1, Math.floor((8 * kvHeads) / (heads * vectors))));
  return [{ kind: 'lanes', lanes, teams: threads / lanes, tokens, split }];
}

function gpuCandidates(
  { packedDot, subgroups, subgroupMinSize }: Capabilities,
  shape: AttentionShape,
): Candidates {
  const matmul = (blocks: number, tokens: number, split: number): MatmulVariant => ({
    blocks,
    tokens,
    split,
    products: packedDot ? 'bytes' : 'pairs',
    broadcast: false,
  });
  const pairs = (blocks: number, tokens: number, split: number): MatmulVariant => ({
    ...matmul(blocks, tokens, split),
    products: 'pairs',
  });
  return {
    decodeMatmul: [
      matmul(2, 1, 8),
      matmul(2, 1, 4),
      matmul(4, 1, 8),
      matmul(2, 1, 16),
      pairs(2, 1, 8),
      matmul(4, 1, 1),
      pairs(4, 1, 1),
    ],
    prefillMatmul: [
      matmul(2, 8, 4),
      matmul(2, 4, 8),
      matmul(2, 8, 8),
      matmul(4, 4, 4),
      pairs(2, 4, 4),
      matmul(2, 4, 1),
      pairs(2, 4, 1),
    ],
    head: [
      { blocks: 1, split: 8, broadcast: false },
      { blocks: 2, split: 8, broadcast: false },
      { blocks: 2, split: 4, broadcast: false },
      { blocks: 4, split: 1, broadcast: false },
    ],
    attention: [
      ...(subgroups ? laneAttention(subgroupMinSize, shape, 64, 64) : []),
      { kind: 'workgroup', threads: 32, tile: 32, split: 64 },
      { kind: 'workgroup', threads: 64, tile: 64, split: 64 },
      { kind: 'workgroup', threads: 64, tile: 64, split: 128 },
    ],
    normThreads: [64, 32, 16],
  };
}
