// The constants and conditions of shaders/lib/reduce.wgsl, shared by every kernel that sums over a workgroup.

import { isSoftwareAdapter, type Capabilities } from '../gpu/capabilities';
import type { ShaderConditions, ShaderConstants } from '../gpu/shader-expansion';

/** From so many threads on it pays that not every one reads what all have; more than the most have no use here. */
const MANY = 32;
const MOST = 256;

/** What a kernel passes on that imports the reduction. */
export interface Reduction {
  constants: ShaderConstants;
  conditions: ShaderConditions;
}

/**
 * How `threads` threads of a workgroup meet: see the shader. One subgroup is believed in only where a program on the CPU says so. Of
 * GPUs some browsers name a size that is not the one they compile for: Safari says 32 of the GPUs of Intel and AMD in older Macs, too.
 */
export function reduction(capabilities: Capabilities, threads: number): Reduction {
  const { subgroups, subgroupMinSize, subgroupMaxSize } = capabilities;
  const named = subgroupMinSize === threads && subgroupMaxSize === threads;
  const oneSubgroup = isSoftwareAdapter(capabilities) && named;
  const many = !oneSubgroup && threads >= MANY && threads <= MOST && Number.isInteger(Math.log2(threads));
  return {
    constants: { THREADS: threads },
    conditions: {
      one_subgroup: oneSubgroup,
      by_subgroups: many && subgroups,
      in_steps: many && !subgroups,
    },
  };
}

/** Vectors of a row, and the weights beside them, that a thread may hold in registers: 64 registers. */
const MOST_HELD = 8;

/** For a kernel with a row in each workgroup: how threads meet, and whether they hold the row, `vectors` vec4f, in registers. */
export function rowReduction(
  capabilities: Capabilities,
  threads: number,
  vectors: number,
): Reduction & { constants: { HELD: number } } {
  const { constants, conditions } = reduction(capabilities, threads);
  const each = Math.ceil(vectors / threads);
  // Few threads are those of software adapters, which keep nothing in registers and gain nothing.
  const held = threads >= MANY && each <= mostHeld(capabilities);
  return { constants: { ...constants, HELD: held ? each : 0 }, conditions: { ...conditions, held } };
}

/** Intel's threads have 128 registers for 16 lanes: with seven vectors 18 of them are spilled (Xe, `npm run isa`), with five none. */
function mostHeld({ vendor }: Capabilities): number {
  return vendor === 'intel' ? 5 : MOST_HELD;
}
