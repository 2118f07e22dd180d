// For test pages that need no more of WebGPU than that it is there.

/** A device with default features and limits; throws where the browser has none. */
export async function requestPlainDevice(): Promise<GPUDevice> {
  const adapter = await navigator.gpu?.requestAdapter();
  if (!adapter) throw new Error('This browser has no WebGPU adapter');
  return adapter.requestDevice();
}
