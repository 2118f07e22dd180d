// Waiting for a buffer to be readable, without the pauses that one browser makes.

/**
 * Firefox looks at pending maps every 100 ms, and at every submit: an empty submit each millisecond makes a map take 1
 * to 2 ms. In other browsers the same submits only slow things down.
 */
const NEEDS_SUBMITS = /\bFirefox\//.test((globalThis.navigator as Navigator | undefined)?.userAgent ?? '');

/** Maps `buffer` for reading; resolves when the work submitted before is done. */
export async function mapForReading(device: GPUDevice, buffer: GPUBuffer): Promise<void> {
  const timer = NEEDS_SUBMITS ? setInterval(() => device.queue.submit([]), 1) : undefined;
  try {
    await buffer.mapAsync(GPUMapMode.READ);
  } finally {
    clearInterval(timer);
  }
}
