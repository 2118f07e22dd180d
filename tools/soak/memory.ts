// The memory of this process, without garbage.

/** Collects garbage: twice, with time between for what natives let go of. */
export async function collectGarbage(): Promise<void> {
  for (let i = 0; i < 2; i++) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    globalThis.gc?.();
  }
}

/** Bytes of the heap of JavaScript and of its buffers, and of the whole process, after collecting garbage. */
export async function memoryNow(): Promise<{ heap: number; rss: number }> {
  await collectGarbage();
  const { heapUsed, external, rss } = process.memoryUsage();
  return { heap: heapUsed + external, rss };
}
