// The devices that others have types for fit where Ternion takes one: of TypeScript's DOM library, or of `@webgpu/types`.

import { loadModel } from 'ternion/inline';

export async function withADevice(device: GPUDevice): Promise<void> {
  await loadModel(new Uint8Array(64), { device });
  await loadModel(new Uint8Array(64), { gpu: navigator.gpu });
  await loadModel(new Uint8Array(64), { device: async () => device });
}
