// Random numbers that are the same on every run.

/** Numbers from 0 to 1, by xorshift32 (Marsaglia 2003). */
export function xorshift(seed: number): () => number {
  let state = (seed * 2654435761) >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}
