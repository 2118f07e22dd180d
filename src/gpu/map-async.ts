// Waiting for the GPU, without the pauses that one browser makes.

/**
 * Firefox looks at pending maps and finished work every 100 ms, and at every submit: an empty submit each millisecond makes a
 * wait take 1 to 2 ms. In other browsers the same submits only slow things down.
 */
const NEEDS_SUBMITS = /\bFirefox\//.test((globalThis.navigator as Navigator | undefined)?.userAgent ?? '');

/** Milliseconds between two looks at whether the GPU is done, where somebody has to cause them; else 0. */
export const WAIT_STEP_MS = NEEDS_SUBMITS ? 1 : 0;

/** What waiting needs of a device. */
interface WaitingDevice {
  readonly queue: Pick<GPUQueue, 'onSubmittedWorkDone' | 'submit'>;
}

/** Maps `buffer` for reading; resolves when the work submitted before is done. */
export function mapForReading(device: WaitingDevice, buffer: GPUBuffer): Promise<undefined> {
  return nudged(device, () => buffer.mapAsync(GPUMapMode.READ));
}

/** Resolves when the work submitted before is done. */
export function workDone(device: WaitingDevice): Promise<undefined> {
  return nudged(device, () => device.queue.onSubmittedWorkDone());
}

async function nudged<T>({ queue }: WaitingDevice, wait: () => Promise<T>): Promise<T> {
  const timer = NEEDS_SUBMITS ? setInterval(() => queue.submit([]), WAIT_STEP_MS) : undefined;
  try {
    return await wait();
  } finally {
    clearInterval(timer);
  }
}
