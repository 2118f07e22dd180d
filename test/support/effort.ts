// How many random samples a test takes: all in the whole run, a part of them in the quick one (`npm test -- --quick`).

/** `count`, or a quarter of it in the quick run. */
export function samples(count: number): number {
  return process.env.TERNION_QUICK === '1' ? Math.ceil(count / 4) : count;
}
