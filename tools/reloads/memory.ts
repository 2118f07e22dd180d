// The memory of this process, after garbage was collected.

/** Bytes. */
export interface Memory {
  /** What V8 keeps objects in. */
  heap: number;
  /** What objects of JavaScript own outside of it, as far as V8 was told. */
  external: number;
  /** The part of `external` that array buffers are. */
  arrayBuffers: number;
  /** Pages that the process has, whoever uses them: V8, Dawn, the driver. */
  rss: number;
}

/** Collects garbage, also that which only a collection makes, and measures. Needs `--expose-gc`. */
export async function measureMemory(): Promise<Memory> {
  // What belongs to a collected wrapper of Dawn is freed in a task after the collection.
  for (let i = 0; i < 3; i++) {
    globalThis.gc!();
    await new Promise((resolve) => setImmediate(resolve));
  }
  const { heapUsed, external, arrayBuffers, rss } = process.memoryUsage();
  return { heap: heapUsed, external, arrayBuffers, rss };
}

/** Bytes from one measurement to the next: the slope of the line with the least squares. */
export function growth(samples: readonly Memory[]): Memory {
  const slope = (kind: keyof Memory): number => {
    const middle = (samples.length - 1) / 2;
    let products = 0;
    let squares = 0;
    for (const [i, memory] of samples.entries()) {
      products += (i - middle) * memory[kind];
      squares += (i - middle) ** 2;
    }
    return squares > 0 ? products / squares : 0;
  };
  return {
    heap: slope('heap'),
    external: slope('external'),
    arrayBuffers: slope('arrayBuffers'),
    rss: slope('rss'),
  };
}
