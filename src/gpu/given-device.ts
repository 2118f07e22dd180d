// What callers hand over of WebGPU, as public types have it: they stand whether WebGPU's own types are declared by TypeScript's
// DOM library (version 6 and later), by `@webgpu/types`, or by nobody.

/** A `GPUDevice` of a browser or of the package `webgpu`, by some of its members. */
export interface WebGpuDevice {
  readonly features: object;
  readonly limits: object;
  readonly queue: object;
  readonly lost: Promise<unknown>;
  createBuffer(descriptor: never): object;
  createComputePipelineAsync(descriptor: never): Promise<object>;
}

/** A `GPU`, as `navigator.gpu` and what `create` of the package `webgpu` gives are one. */
export interface WebGpu {
  requestAdapter(options?: never): Promise<object | null>;
}

/** A device, or what makes one: it is called at first, and again whenever the last one was lost. */
export type DeviceOption = WebGpuDevice | (() => Promise<WebGpuDevice>);
