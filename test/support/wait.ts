// Waiting in tests. There are no limits here: what never comes is the watchdog's or the test's timeout's to notice.

/** Resolves once `condition` holds. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}

/** For what must not happen: gives it time to. Nothing may be expected to have happened after it. */
export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
