// Reads what Mesa's RADV prints of the pipelines that it compiles (`RADV_DEBUG=shaderstats`).

/** What the compiler made of one pipeline. */
export interface Statistics {
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

/** The marks that {@link parseStatistics} looks for, on lines of their own around what is printed of a pipeline. */
export const beginMark = (id: number): string => `@@begin ${id}`;
export const endMark = (id: number): string => `@@end ${id}`;

/** RADV counts waves as of 32 lanes, and compiles compute for 64. */
const COUNTED_PER_WAVE = 2;

/** The statistics between the marks, by the numbers of the marks. Throws where a pipeline has none, or some are missing. */
export function parseStatistics(log: string): Map<number, Statistics> {
  const all = new Map<number, Statistics>();
  let open: { id: number; values: Map<string, number> } | undefined;
  for (const line of log.split('\n')) {
    const begin = /^@@begin (\d+)$/.exec(line);
    const entry = /^([A-Za-z][A-Za-z -]*): (\d+)$/.exec(line);
    if (begin) open = { id: Number(begin[1]), values: new Map() };
    else if (open && line === endMark(open.id)) {
      all.set(open.id, statisticsOf(open.id, open.values));
      open = undefined;
    } else if (open && entry) open.values.set(entry[1]!, Number(entry[2]));
  }
  return all;
}

function statisticsOf(id: number, values: ReadonlyMap<string, number>): Statistics {
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
}
