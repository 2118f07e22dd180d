// Reads what Mesa's RADV prints of the pipelines that it compiles (`RADV_DEBUG=shaderstats`).

import type { Compiler } from './compiler';

/** What the compiler made of one pipeline. */
export interface AmdStatistics {
  /** Vector registers a lane. */
  vgprs: number;
  /** Scalar registers a wave. RDNA gives each wave all 128, so there they say nothing. */
  sgprs: number;
  /** Scalar registers that had to go to memory or to lanes of vector ones, and vector registers that had to go to memory. */
  spilledSgprs: number;
  spilledVgprs: number;
  /** Bytes of memory a lane for what has no registers: spills, and arrays that are indexed at run time. */
  scratch: number;
  /** Bytes of workgroup memory. */
  lds: number;
  /** Waves of 64 lanes that a SIMD can hold at once; 16 at most. */
  waves: number;
  instructions: number;
  /** The compiler's estimate of the cycles that one wave takes, each loop counted as a fixed number of rounds. */
  latency: number;
}

/** RADV counts waves as of 32 lanes, and compiles compute for 64. */
const COUNTED_PER_WAVE = 2;

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

export const AMD: Compiler<AmdStatistics> = {
  read(lines, id) {
    const values = new Map<string, number>();
    for (const line of lines) {
      const [, name, value] = /^([A-Za-z][A-Za-z -]*): (\d+)$/.exec(line) ?? [];
      if (name !== undefined) values.set(name, Number(value));
    }
    const value = (name: string): number => {
      const found = values.get(name);
      if (found === undefined) throw new Error(`The driver said no '${name}' of pipeline ${id}.`);
      return found;
    };
    return {
      vgprs: value('VGPRs'),
      sgprs: value('SGPRs'),
      spilledSgprs: value('Spilled SGPRs'),
      spilledVgprs: value('Spilled VGPRs'),
      scratch: value('Scratch size'),
      lds: value('LDS size'),
      waves: Math.floor(value('Subgroups per SIMD') / COUNTED_PER_WAVE),
      instructions: value('Instructions'),
      latency: value('Latency'),
    };
  },

  faults({ shader, phase }, { spilledSgprs, spilledVgprs, scratch, waves }) {
    const least = phase === 'decode' ? (FEWER_WAVES.get(shader) ?? LEAST_WAVES) : 0;
    return [
      ...(spilledSgprs + spilledVgprs > 0
        ? [`spills ${spilledVgprs} vector and ${spilledSgprs} scalar registers`]
        : []),
      ...(scratch > 0 ? [`uses ${scratch} bytes of scratch memory`] : []),
      ...(waves < least ? [`leaves room for ${waves} waves a SIMD; it should be ${least}`] : []),
    ];
  },

  figures: [
    ['VGPRs', ({ vgprs }) => vgprs],
    ['SGPRs', ({ sgprs }) => sgprs],
    ['spilled', ({ spilledVgprs }) => spilledVgprs],
    ['scratch', ({ scratch }) => scratch],
    ['LDS', ({ lds }) => lds],
    ['waves', ({ waves }) => waves],
    ['instructions', ({ instructions }) => instructions],
    ['latency', ({ latency }) => latency],
  ],

  legend:
    'AMD: a wave has 64 lanes. VGPRs are vector registers a lane; RDNA gives every wave all 128 scalar registers (SGPRs). Waves ' +
    'is how many a SIMD can hold at once, 16 at most. Scratch and LDS (workgroup memory) are bytes. Latency is what the compiler ' +
    'takes one wave to need, in cycles, with each loop counted as a fixed number of rounds: it compares two versions of one ' +
    'kernel and foretells no time. Kernels of a decode step should leave room for 8 waves; attention and norms for 4, as they ' +
    'have too few to fill a chip.',

  fine: 'No first candidate spills or uses scratch memory, and kernels of a decode step leave room for as many waves as they should.',
};
