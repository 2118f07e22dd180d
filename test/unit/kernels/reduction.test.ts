// How threads of a workgroup meet, and which rows they hold in registers: a GPU's compiler has to have room for them.
import { expect, it } from 'vitest';
import type { Capabilities, GpuVendor } from '../../../src/gpu/capabilities';
import { reduction, rowReduction } from '../../../src/kernels/reduction';

const device = (vendor: GpuVendor): Capabilities => ({
  subgroups: true,
  subgroupMinSize: 32,
  subgroupMaxSize: 32,
  shaderF16: true,
  packedDot: true,
  timestamps: true,
  vendor,
});

/** How many vec4f of a row each of 256 threads holds; 0: the row is read again. */
const heldBy = (vendor: GpuVendor, columns: number): unknown =>
  rowReduction(device(vendor), 256, columns / 4).constants['HELD'];

// The rows of BitNet 2B4T.
it.each<[GpuVendor, number, number]>([
  ['amd', 2560, 3],
  ['amd', 6912, 7],
  ['intel', 2560, 3],
  // Seven vectors spill on Xe (bench/results/isa.md has none since they are read again).
  ['intel', 6912, 0],
])('on a GPU of %s a row of %d columns takes %d vectors of a thread', (vendor, columns, vectors) => {
  expect(heldBy(vendor, columns)).toBe(vectors);
});

it('threads of a GPU count their subgroup, whatever size the browser names; those of a program on the CPU need not', () => {
  const gpu = device('intel');
  expect(reduction(gpu, 32).conditions).toMatchObject({ one_subgroup: false, by_subgroups: true });
  const program = { ...device('unknown'), subgroupMinSize: 8, subgroupMaxSize: 8 };
  expect(reduction(program, 8).conditions).toMatchObject({ one_subgroup: true, by_subgroups: false });
});
