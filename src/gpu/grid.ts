// How many workgroups a kernel needs for a step: the kernel says it once, when its dispatch is made.

/** Workgroups of one dispatch. */
export type Workgroups = readonly [x: number, y: number, z: number];

/**
 * The workgroups that evaluate `tokens` tokens, the first of them at `position`; undefined where such a step does without
 * the dispatch. Called for every dispatch of every step, so it returns the same array as long as nothing changes.
 */
export type Grid = (tokens: number, position: number) => Workgroups | undefined;

/** WebGPU allows 65,535 workgroups along a dimension; kernels with more rows than that fold them into two. */
const MOST_ALONG_X = 32768;

/** The same for every step. */
export function fixedGrid(x: number, y = 1, z = 1): Grid {
  const workgroups = [x, y, z] as const;
  return () => workgroups;
}

/** `groups` workgroups along x, folded into y beyond 32,768; the kernel leaves out what is too much by it. */
export function foldedGrid(groups: number): { grid: Grid; groupsX: number } {
  const groupsX = Math.min(groups, MOST_ALONG_X);
  return { grid: fixedGrid(groupsX, Math.ceil(groups / groupsX)), groupsX };
}

/** For a step of so many tokens. */
export function gridByTokens(workgroups: (tokens: number) => Workgroups): Grid {
  return remembering(workgroups);
}

/** `workgroups`, computed anew only when its argument changes. */
export function remembering<T>(workgroups: (count: number) => T): (count: number) => T {
  let last: { count: number; value: T } | undefined;
  return (count) => {
    if (last?.count !== count) last = { count, value: workgroups(count) };
    return last.value;
  };
}
