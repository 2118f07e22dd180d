// That waiting for Dawn leaves the processor to the driver (test/support/dawn-waits.ts): it depends on how Dawn asks for its turns.
import { expect, test } from 'vitest';
import { requestDevice } from '../support/dawn';
import { LOOKS_AT_ONCE } from '../support/dawn-waits';

/** Millions of dependent steps, which no compiler can leave out: some ten milliseconds at the least. */
const LONG_WORK = `
  @group(0) @binding(0) var<storage, read_write> state: u32;
  @compute @workgroup_size(1) fn main() {
    var x = state;
    for (var i = 0u; i < 4000000u; i++) { x = (x ^ (x >> 3u)) * 1664525u + i; }
    state = x;
  }`;

test('while a GPU works, Dawn looks every millisecond whether it is done', async () => {
  const device = await requestDevice();
  const module = device.createShaderModule({ code: LONG_WORK });
  const compute = { module, entryPoint: 'main' };
  const pipeline = await device.createComputePipelineAsync({ layout: 'auto', compute });
  const state = device.createBuffer({ size: 4, usage: GPUBufferUsage.STORAGE });
  const entries = [{ binding: 0, resource: { buffer: state } }];
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries }));
  pass.dispatchWorkgroups(1);
  pass.end();

  const paused = globalThis.setImmediate;
  let looks = 0;
  globalThis.setImmediate = Object.assign((...args: Parameters<typeof setImmediate>) => {
    looks++;
    return paused(...args);
  }, paused);
  const start = performance.now();
  device.queue.submit([encoder.finish()]);
  await device.queue.onSubmittedWorkDone();
  const passed = performance.now() - start;
  globalThis.setImmediate = paused;
  device.destroy();

  expect(looks).toBeGreaterThan(0);
  // Timers may be early by a part of a millisecond. Without the pause it is a hundred looks in each.
  expect(looks).toBeLessThan(LOOKS_AT_ONCE + 2 * passed);
});
