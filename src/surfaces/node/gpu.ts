// Finds WebGPU in a process: its own, where the runtime has one, else that of the `webgpu` package.

import { TernionError } from '../../errors';

/**
 * What lives as long as the process. Dawn, which is what the package is made of, ends the process if its instance is
 * collected while something of it is in use; and there may be two copies of this module.
 */
const SHARED = Symbol.for('ternion.node.gpu');

/** Rejects with `webgpu-unavailable` if the package is not installed, or does not run here. */
export function findGpu(): Promise<GPU> {
  const own = (globalThis.navigator as Navigator | undefined)?.gpu;
  if (own) return Promise.resolve(own);
  const shared = globalThis as { [SHARED]?: Promise<GPU> };
  return (shared[SHARED] ??= openDawn());
}

async function openDawn(): Promise<GPU> {
  try {
    const { create, globals } = await import('webgpu');
    // GPUBufferUsage and its like are globals in a browser.
    Object.assign(globalThis, globals);
    return create([]);
  } catch (cause) {
    const message = 'There is no WebGPU: install the package that brings it to Node, npm install webgpu.';
    throw new TernionError('webgpu-unavailable', message, { cause });
  }
}
