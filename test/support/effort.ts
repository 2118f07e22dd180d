// How much a test tries: all in the whole run, a part of it in the quick one (`npm test -- --quick`) or where another driver tries all.

/** `count`, or a quarter of it in the quick run. */
export function samples(count: number): number {
  return process.env.TERNION_QUICK === '1' ? Math.ceil(count / 4) : count;
}

/**
 * `all` combinations on the driver that compiles soonest; on the others `covering`, which are fewer and have each value of each
 * parameter in one of them, and values together that a kernel's code asks for together.
 */
export function combinations<T>(all: T, covering: T): T {
  return process.env.TERNION_COMBINATIONS === 'covering' ? covering : all;
}
