// Random words for generated models: fast, seeded, and reachable at any place without what comes before it.

/**
 * Fills `words` with random bits. Equal `seed`, `stream` and `page` give equal words on every machine; any difference
 * gives unrelated ones. The generator is sfc32 (Chris Doty-Humphrey, PractRand), which needs additions and shifts only.
 */
export function fillRandom(words: Int32Array, seed: number, stream: number, page: number): void {
  let a = seed | 0;
  let b = stream | 0;
  let c = page | 0;
  let counter = 1;
  // The first rounds mix the three numbers into the state; their output is thrown away.
  for (let i = -15; i < words.length; i++) {
    const sum = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    if (i >= 0) words[i] = sum;
  }
}

/** `count` token ids below `vocabulary`, the same ones for the same seed. */
export function randomIds(count: number, vocabulary: number, seed: number): number[] {
  const words = new Int32Array(count);
  fillRandom(words, seed, 0x1d5, 0);
  return Array.from(words, (word) => (word >>> 0) % vocabulary);
}
