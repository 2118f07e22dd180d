// A device of Dawn in Node, for benchmarks. bench/start.mjs has chosen the driver.

import { create, globals } from 'webgpu';
import { requestDevice } from '../src/gpu/capabilities';

// GPUBufferUsage and its like are globals in a browser.
Object.assign(globalThis, globals);

/** A device with the limits of its adapter, or (`default`) with those that every WebGPU implementation has. */
export async function openDevice(limits: 'adapter' | 'default' = 'adapter'): Promise<GPUDevice> {
  // Timestamps as the driver gives them, not rounded to 100 µs.
  const gpu = create(['disable-dawn-features=timestamp_quantization']);
  // Dawn aborts if its instance is collected while something of it is in use.
  Object.assign(globalThis, { ternionBenchGpu: gpu });
  const device = limits === 'default' ? await requestPlainDevice(gpu) : await requestDevice(gpu);
  device.addEventListener('uncapturederror', ({ error }) => {
    console.error(`GPU error: ${error.message}`);
    process.exitCode = 1;
  });
  return device;
}

/** Every feature, but no limit beyond the defaults. */
async function requestPlainDevice(gpu: GPU): Promise<GPUDevice> {
  const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' });
  if (!adapter) throw new Error('Dawn has no adapter.');
  const wanted: GPUFeatureName[] = ['subgroups', 'shader-f16', 'timestamp-query'];
  return adapter.requestDevice({
    requiredFeatures: wanted.filter((feature) => adapter.features.has(feature)),
  });
}
