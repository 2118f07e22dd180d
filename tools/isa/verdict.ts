// What may not be in machine code: said of the pipelines that run where the tuner measures nothing.

import type { PipelineUse } from './pipelines';
import type { Statistics } from './statistics';

/** A pipeline and what the compiler made of it. */
export interface Compiled {
  use: PipelineUse;
  statistics: Statistics;
}

/** Waves that a SIMD needs at once, so that some of them compute while others wait for memory. */
const LEAST_WAVES = 8;

/**
 * Kernels of a step that may leave room for fewer, since a step does not have as many. Attention has a team of 16 lanes for each
 * KV head and 64 positions: of the 2B4T shape 80 waves at 4096 positions, for 32 SIMDs or more. A norm has one row, which four
 * waves hold in registers.
 */
const FEWER_WAVES: ReadonlyMap<string, number> = new Map([
  ['attention_lanes', 4],
  ['rms_norm_quantize', 4],
]);

/** What is wrong, a sentence each. */
export function faults(all: readonly Compiled[]): string[] {
  return all.flatMap(({ use, statistics }) => {
    if (!use.isFirst) return [];
    const name = `${use.shader} (${use.phase}: ${use.labels.join(', ')})`;
    const { spilledSgprs, spilledVgprs, scratch, waves } = statistics;
    const least = use.phase === 'decode' ? (FEWER_WAVES.get(use.shader) ?? LEAST_WAVES) : 0;
    return [
      ...(spilledSgprs + spilledVgprs > 0
        ? [`${name} spills ${spilledVgprs} vector and ${spilledSgprs} scalar registers.`]
        : []),
      ...(scratch > 0 ? [`${name} uses ${scratch} bytes of scratch memory.`] : []),
      ...(waves < least ? [`${name} leaves room for ${waves} waves a SIMD; it should be ${least}.`] : []),
    ];
  });
}
