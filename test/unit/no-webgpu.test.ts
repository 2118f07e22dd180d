// Loading where there is no WebGPU, as in Node without a device.
import { expect, test } from 'vitest';
import { loadModel } from '../../src/inline';

test('loading without a device where there is no WebGPU says so', async () => {
  await expect(loadModel(new Uint8Array(64))).rejects.toMatchObject({
    name: 'TernionError',
    code: 'webgpu-unavailable',
  });
});
