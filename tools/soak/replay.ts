// Kernels without an engine: what an engine compiles and binds is written down once, and done again by WebGPU alone.

import { loadModel } from '../../src/inline';
import type { CountedDevice } from './device';
import type { SoakModel } from './models';

/** A kernel and the buffers that it was bound with. */
interface RecordedKernel {
  code: string;
  bindings: { binding: number; size: number; usage: GPUBufferUsageFlags }[];
}

/** Loads `model` on `device`, and gives its kernels, each as it was first bound. */
export async function recordKernels({ device }: CountedDevice, model: SoakModel): Promise<RecordedKernel[]> {
  const codes = new Map<GPUShaderModule, string>();
  const modules = new Map<GPUBindGroupLayout, GPUShaderModule>();
  const kernels = new Map<GPUShaderModule, RecordedKernel>();
  const createShaderModule = device.createShaderModule.bind(device);
  device.createShaderModule = (descriptor) => {
    const module = createShaderModule(descriptor);
    codes.set(module, descriptor.code);
    return module;
  };
  const createPipeline = device.createComputePipelineAsync.bind(device);
  device.createComputePipelineAsync = async (descriptor) => {
    const pipeline = await createPipeline(descriptor);
    const getLayout = pipeline.getBindGroupLayout.bind(pipeline);
    pipeline.getBindGroupLayout = (index) => {
      const layout = getLayout(index);
      modules.set(layout, descriptor.compute.module);
      return layout;
    };
    return pipeline;
  };
  const createBindGroup = device.createBindGroup.bind(device);
  device.createBindGroup = (descriptor) => {
    const module = modules.get(descriptor.layout);
    const code = module && codes.get(module);
    if (module && code !== undefined && !kernels.has(module))
      kernels.set(module, { code, bindings: [...descriptor.entries].map(bindingOf) });
    return createBindGroup(descriptor);
  };
  const engine = await loadModel(model.source, { device, tuning: false, contextLength: 128 });
  await engine.dispose();
  return [...kernels.values()];
}

function bindingOf({ binding, resource }: GPUBindGroupEntry): RecordedKernel['bindings'][number] {
  if (!('buffer' in resource)) throw new Error('Kernels bind buffers only.');
  const { buffer, size = buffer.size } = resource;
  return { binding, size, usage: buffer.usage };
}

/** Compiles all kernels on `device` and runs a workgroup of each, on buffers of zeros, which it destroys. */
export async function replayKernels(
  { device }: CountedDevice,
  kernels: readonly RecordedKernel[],
): Promise<void> {
  const encoder = device.createCommandEncoder();
  const buffers: GPUBuffer[] = [];
  for (const { code, bindings } of kernels) {
    const compute = { module: device.createShaderModule({ code }), entryPoint: 'main' };
    const pipeline = await device.createComputePipelineAsync({ layout: 'auto', compute });
    const entries = bindings.map(({ binding, size, usage }) => {
      const buffer = device.createBuffer({ size, usage });
      buffers.push(buffer);
      return { binding, resource: { buffer } };
    });
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries }));
    pass.dispatchWorkgroups(1);
    pass.end();
  }
  device.queue.submit([encoder.finish()]);
  await device.queue.onSubmittedWorkDone();
  for (const buffer of buffers) buffer.destroy();
}
