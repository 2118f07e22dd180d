// Reads what Mesa's ANV prints of the compute pipelines that it compiles (`INTEL_DEBUG=cs`).

import type { Compiler } from './compiler';

/** What the compiler made of one pipeline. */
export interface IntelStatistics {
  /** Lanes of a thread. */
  simd: number;
  /** Registers that had to go to memory, and how often they are read back. */
  spills: number;
  fills: number;
  instructions: number;
  loops: number;
  /** Messages to memory, to other threads and to samplers. */
  sends: number;
  /** The compiler's estimate of the cycles that one thread takes, each loop counted as a fixed number of rounds. */
  cycles: number;
}

const LINE =
  /^SIMD(\d+) shader: (\d+) instructions?\. (\d+) loops?\. (\d+) cycles\. (\d+):(\d+) spills:fills, (\d+) sends/;

export const INTEL: Compiler<IntelStatistics> = {
  read(lines, id) {
    const widths = lines.flatMap((line) => statisticsIn(line) ?? []).sort((a, b) => b.simd - a.simd);
    // Where it may choose the width, the driver takes the widest that spills nothing.
    const chosen = widths.find(({ spills }) => spills === 0) ?? widths[0];
    if (!chosen) throw new Error(`The driver said nothing of pipeline ${id}.`);
    return chosen;
  },

  faults: (_use, { spills, fills }) =>
    spills + fills > 0 ? [`spills ${spills} registers, and fills them ${fills} times`] : [],

  figures: [
    ['SIMD', ({ simd }) => simd],
    ['spills', ({ spills }) => spills],
    ['fills', ({ fills }) => fills],
    ['instructions', ({ instructions }) => instructions],
    ['loops', ({ loops }) => loops],
    ['sends', ({ sends }) => sends],
    ['cycles', ({ cycles }) => cycles],
  ],

  legend:
    'Intel: SIMD is the lanes of a thread. A thread has 128 registers of 8 lanes, on Xe2 of 16; the ' +
    'driver prints no count of those in use, but what did not fit (spills), how often that is read back (fills), and the messages ' +
    'to memory and to other threads (sends). Cycles are the compiler’s estimate for one thread, with each loop counted as a fixed number of rounds.',

  fine: 'No first candidate spills.',
};

function statisticsIn(line: string): IntelStatistics | undefined {
  const found = LINE.exec(line);
  if (!found) return undefined;
  const [simd = 0, instructions = 0, loops = 0, cycles = 0, spills = 0, fills = 0, sends = 0] = found
    .slice(1)
    .map(Number);
  return { simd, instructions, loops, cycles, spills, fills, sends };
}
