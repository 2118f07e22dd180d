// Proof that Dawn works under vitest: a device of each kind, a dispatch with its result, and errors that are noticed.
import { afterEach, describe, expect, it } from 'vitest';
import {
  availableDrivers,
  defaultDriver,
  requestAdapter,
  requestDevice,
  takeDeviceErrors,
} from '../support/dawn';
import { DOT_EXPECTED, runDot4I8Packed } from '../support/dot4i8';

/** How the drivers describe themselves. */
const DESCRIPTIONS = { lavapipe: /llvmpipe/, swiftshader: /SwiftShader/, system: /^/ };

describe('Dawn under Node', () => {
  it('runs on the driver of this project', async () => {
    expect((await requestAdapter()).info.description).toMatch(DESCRIPTIONS[defaultDriver()]);
  });

  it('has several drivers in one process', async () => {
    for (const driver of availableDrivers()) {
      expect((await requestAdapter(driver)).info.description).toMatch(DESCRIPTIONS[driver]);
    }
  });

  it('computes with dot4I8Packed', async () => {
    expect(await runDot4I8Packed(await requestDevice())).toBe(DOT_EXPECTED);
  });

  it('gives a device with all that the adapter has', async () => {
    const adapter = await requestAdapter();
    const device = await requestDevice();
    expect([...device.features].toSorted()).toEqual(expect.arrayContaining([...adapter.features].toSorted()));
    expect(device.limits.maxStorageBufferBindingSize).toBe(adapter.limits.maxStorageBufferBindingSize);
  });

  it('gives a device with the limits every WebGPU device has', async () => {
    const device = await requestDevice({ features: 'none', limits: 'default' });
    expect(device.features.has('subgroups')).toBe(false);
    // The defaults of the WebGPU specification: 128 MiB and 256 MiB.
    expect(device.limits.maxStorageBufferBindingSize).toBe(128 << 20);
    expect(device.limits.maxBufferSize).toBe(256 << 20);
  });
});

describe('An uncaptured error', () => {
  // Runs before the hook of dawn-setup.ts, which would fail the test for what is wanted here.
  afterEach(async () => {
    const errors = await takeDeviceErrors();
    expect(errors).toHaveLength(1);
    expect(errors[0]).toContain('MapRead');
  });

  it('is collected', async () => {
    const device = await requestDevice();
    device.createBuffer({ size: 16, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.STORAGE });
  });
});
