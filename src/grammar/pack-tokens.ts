// A vocabulary in two arrays, as it is sent to the thread: a list of 128 k arrays would take a hundred times as long.

/** The bytes of all tokens in a row, and where each of them ends. */
export function packTokens(tokens: readonly Uint8Array[]): {
  bytes: Uint8Array<ArrayBuffer>;
  ends: Uint32Array<ArrayBuffer>;
} {
  const ends = new Uint32Array(tokens.length);
  let total = 0;
  tokens.forEach(({ length }, id) => (ends[id] = total += length));
  const bytes = new Uint8Array(total);
  tokens.forEach((token, id) => bytes.set(token, (ends[id] ?? 0) - token.length));
  return { bytes, ends };
}
