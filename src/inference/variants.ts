// Which variant of each kernel a device runs: the defaults that its capabilities suggest.

import type { Capabilities } from '../gpu/capabilities';
import type { AttentionVariant } from '../kernels/attention';
import type { HeadVariant } from '../kernels/lm-head-int8';
import type { MatmulVariant } from '../kernels/ternary-matmul';

/** One choice per kernel. */
export interface Variants {
  decodeMatmul: MatmulVariant;
  prefillMatmul: MatmulVariant;
  attention: AttentionVariant;
  head: HeadVariant;
  exactHead: { threads: number; rows: number };
  normThreads: number;
  sampleThreads: number;
  /** Tokens of one prefill chunk; a multiple of prefillMatmul.tokens. */
  prefillTokens: number;
}

/**
 * Subgroups of at most 8 lanes mean a software adapter: barriers are dear there and threads are lanes of a CPU's vector
 * unit, so workgroups stay as small as those. Everything else is taken for a GPU.
 */
export function defaultVariants({ subgroups, subgroupMaxSize }: Capabilities): Variants {
  const cpu = subgroups && subgroupMaxSize <= 8;
  const lanes = cpu ? subgroupMaxSize : 64;
  const onCpu = { split: 1, products: 'pairs', broadcast: true } as const;
  const onGpu = { split: 8, products: 'bytes', broadcast: false } as const;
  return {
    decodeMatmul: cpu ? { ...onCpu, blocks: 4, tokens: 1 } : { ...onGpu, blocks: 2, tokens: 1 },
    prefillMatmul: cpu ? { ...onCpu, blocks: 2, tokens: 4 } : { ...onGpu, blocks: 2, tokens: 4 },
    attention: { threads: cpu ? lanes : 32, tile: 32, splitTiles: 2 },
    head: { blocks: cpu ? 4 : 1, split: cpu ? 1 : 8 },
    exactHead: { threads: cpu ? lanes : 32, rows: 8 },
    normThreads: lanes,
    sampleThreads: cpu ? lanes : 64,
    prefillTokens: 128,
  };
}
