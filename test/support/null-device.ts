// A device that takes everything and does nothing: enough to see which shaders would be compiled.

/** What answers every property and every call with itself. */
function nothing(properties: Readonly<Record<string, unknown>> = {}): unknown {
  const target = (): undefined => undefined;
  const self: unknown = new Proxy(target, {
    // Whoever awaits it gets it: it is no promise.
    get: (_, name) => (name === 'then' ? undefined : (properties[String(name)] ?? self)),
    apply: () => self,
  });
  return self;
}

/** The limits are those of desktop GPUs, so that no shape is refused; `properties` take the place of its own. */
export function nullDevice(properties: Partial<GPUDevice> = {}): GPUDevice {
  const limits = {
    maxBufferSize: 2 ** 32,
    maxStorageBufferBindingSize: 2 ** 32 - 4,
    maxComputeWorkgroupsPerDimension: 65535,
    maxComputeWorkgroupStorageSize: 32768,
    maxComputeInvocationsPerWorkgroup: 256,
    minStorageBufferOffsetAlignment: 256,
  };
  const lost = new Promise<never>(() => {});
  return nothing({ limits, lost, popErrorScope: async () => null, ...properties }) as GPUDevice;
}
