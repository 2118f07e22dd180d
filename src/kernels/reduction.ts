// The constants and conditions of shaders/lib/reduce.wgsl, shared by every kernel that sums over a workgroup.

import type { Capabilities } from '../gpu/capabilities';
import type { ShaderConditions, ShaderConstants } from '../gpu/shader';

/** How `threads` threads of a workgroup meet: within one subgroup if they surely are one, else in workgroup memory. */
export function reduction(
  capabilities: Capabilities,
  threads: number,
): { constants: ShaderConstants; conditions: ShaderConditions } {
  const { subgroups, subgroupMinSize, subgroupMaxSize } = capabilities;
  const oneSubgroup = subgroups && subgroupMinSize === threads && subgroupMaxSize === threads;
  return { constants: { THREADS: threads }, conditions: { one_subgroup: oneSubgroup } };
}
