// Hears of the loss of a device without being kept by it.

/**
 * Calls `heard` with `owner` when `device` is lost, unless nobody else has `owner` any more. What waits for a promise lives as
 * long as the promise, and that of a device as long as the device, which may see many models come and go: so it knows `owner`
 * weakly, and `heard` must not know it in another way.
 */
export function whenLost<Owner extends object>(
  device: GPUDevice,
  owner: Owner,
  heard: (owner: Owner, info: GPUDeviceLostInfo) => void,
): void {
  void notify(device, new WeakRef(owner), heard);
}

async function notify<Owner extends object>(
  device: GPUDevice,
  owner: WeakRef<Owner>,
  heard: (owner: Owner, info: GPUDeviceLostInfo) => void,
): Promise<void> {
  const info = await device.lost;
  const there = owner.deref();
  if (there) heard(there, info);
}
