// What a dispatch asks of memory, said by the kernel that makes it: what binds decode on a GPU, where arithmetic does not.

/**
 * What one dispatch costs for a step of `tokens` tokens, the first of them at `position`.
 *
 * `rounds` are the times that a thread waits for memory one after the other, along the longest chain that a workgroup has. They
 * are counted by these rules:
 *
 * - Loads of which none needs what another one brings are one round, if they are in one straight piece of code.
 * - Each trip of a loop that loads is a round of its own, as many as its loads depend on one another: no compiler loads for the
 *   next trip beforehand, unless the kernel itself does. Unrolled by the shader it is straight code.
 * - Behind a barrier loads are a new round.
 * - Only storage buffers count: uniforms come with the dispatch, and workgroup memory is near. Stores are waited for by nobody.
 *
 * `bytes` is what it reads and writes in storage buffers, each byte once however many workgroups read it: what has to come from
 * memory where caches do their part.
 */
export interface Cost {
  readonly rounds: (tokens: number, position: number) => number;
  readonly bytes: (tokens: number, position: number) => number;
}

/** As many rounds in every step. */
export function fixedRounds(rounds: number): Cost['rounds'] {
  return () => rounds;
}

/** Trips of a loop over `count` things that `threads` threads go through together, each `ahead` of them in a trip. */
export function trips(count: number, threads: number, ahead = 1): number {
  return Math.ceil(count / (threads * ahead));
}
