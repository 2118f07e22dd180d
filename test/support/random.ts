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

/** Random numbers in [0, 1), the same for the same seed (mulberry32). */
export function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** `count` random codes below `codes`. */
export function randomCodes(count: number, seed: number, codes = 3): Uint8Array {
  const next = random(seed);
  return Uint8Array.from({ length: count }, () => Math.floor(next() * codes));
}
