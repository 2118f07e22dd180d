// LM head with ternary rows in shards, with rounded activations and with others, against the plain product.
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { GpuContext } from '../../../src/gpu/context';
import { lmHeadTernary } from '../../../src/kernels/lm-head-ternary';
import { openContext } from '../../support/engine';
import { largestError, randomActivations, ternaryProduct } from '../../support/reference';
import { filled, readFloats, run, ternaryTable, uploadActivations } from '../../support/reference-gpu';

let gpu: GpuContext;
beforeAll(async () => {
  gpu = await openContext();
});
afterAll(() => gpu.destroy());

test.each([
  { scaleGroup: 'row', products: 'bytes', groups: false },
  { scaleGroup: 'row', products: 'pairs', groups: true },
  { scaleGroup: 128, products: 'pairs', groups: true },
  { scaleGroup: 64, products: 'floats', groups: true },
  { scaleGroup: 'row', products: 'floats', groups: false },
] as const)('scales by $scaleGroup, activations in $products, groups $groups', async (form) => {
  const { scaleGroup, products, groups } = form;
  // Rows of no whole block of 8; the second shard begins where the first one is full.
  const [rows, cols] = [69, 192];
  const { table, plain } = ternaryTable(gpu, rows, cols, scaleGroup, 40);
  expect(table.shards).toHaveLength(2);
  const activations = randomActivations(1, cols, 5, groups);
  const variant = { blocks: 2, tokens: 1, split: 4, products, broadcast: false };
  const logits = filled(gpu, 'logits', rows + 1, 0);
  const q = uploadActivations(gpu, activations, 1, products);
  run(gpu, await lmHeadTernary(gpu, variant, table, q, logits));
  const out = await readFloats(gpu, logits, rows + 1);
  // Nothing is written behind the last row.
  expect(out[rows]).toBe(0);
  expect(largestError(out.subarray(0, rows), ternaryProduct(plain, activations))).toBeLessThan(2e-6);
});
