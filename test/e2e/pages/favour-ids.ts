// A processor of logits, as a page serves it: only the ids 100 to 106 can come, by the number of tokens before.

export default function favourIds(logits: Float32Array, tokenIds: readonly number[]): void {
  logits.fill(-5);
  logits[100 + (tokenIds.length % 7)] = 5;
}
