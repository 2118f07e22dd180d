// Waiting in tests. There are no limits here: what never comes is the watchdog's or the test's timeout's to notice.

/** What comes within so many turns of the event loop is seen at once. */
const TURNS = 20;

/** Resolves once `condition` holds. After some turns of the event loop it looks every millisecond, to leave the processor to others. */
export async function until(condition: () => boolean): Promise<void> {
  for (let turn = 0; !condition(); turn++) {
    if (turn < TURNS) await new Promise((resolve) => setImmediate(resolve));
    else await sleep(1);
  }
}

/** For what must not happen: gives it time to. Nothing may be expected to have happened after it. */
export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
