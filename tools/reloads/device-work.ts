// What one load does on a device, written down so that it can be done again by nothing but WebGPU.

/** The buffers and shaders of one load. */
export interface DeviceWork {
  /** Makes every buffer, writes to the first four bytes of it, and destroys it. */
  makeBuffers(device: GPUDevice): Promise<void>;
  /** Compiles every shader, as Ternion does, and lets go of the pipelines. */
  compile(device: GPUDevice): Promise<void>;
}

/** Begins to write down what is done on `device`. */
export function recordWork(device: GPUDevice): DeviceWork {
  const buffers: GPUBufferDescriptor[] = [];
  const shaders: GPUShaderModuleDescriptor[] = [];
  const createBuffer = device.createBuffer.bind(device);
  device.createBuffer = (descriptor) => {
    buffers.push(descriptor);
    return createBuffer(descriptor);
  };
  const createShaderModule = device.createShaderModule.bind(device);
  device.createShaderModule = (descriptor) => {
    shaders.push(descriptor);
    return createShaderModule(descriptor);
  };
  return {
    async makeBuffers(other) {
      const made = buffers.map((descriptor) => other.createBuffer(descriptor));
      for (const buffer of made) {
        if (buffer.usage & GPUBufferUsage.COPY_DST && !(buffer.usage & GPUBufferUsage.MAP_READ))
          other.queue.writeBuffer(buffer, 0, new Uint32Array(1));
      }
      await other.queue.onSubmittedWorkDone();
      for (const buffer of made) buffer.destroy();
      await settle(other);
    },
    async compile(other) {
      await Promise.all(
        shaders
          // A probe of the language has no entry point.
          .filter(({ code }) => code.includes('@compute'))
          .map((descriptor) => {
            const module = other.createShaderModule(descriptor);
            const compute = { module, entryPoint: 'main' };
            return other.createComputePipelineAsync({ layout: 'auto', compute });
          }),
      );
      await settle(other);
    },
  };
}

/** Dawn gives back what was destroyed when work that was submitted later is done. */
async function settle({ queue }: GPUDevice): Promise<void> {
  queue.submit([]);
  await queue.onSubmittedWorkDone();
}
