// Sets of tokens as bits, one for each token of a vocabulary: bit `id % 32` of word `id >> 5`.

import { TernionError } from '../errors';
import { maskWords } from '../kernels/sample';

/** The tokens that `allowed` has (all, where it is undefined), without those that `banned` has. */
export function maskOfTokens(
  vocabulary: number,
  allowed: readonly number[] | undefined,
  banned: readonly number[],
): Uint32Array<ArrayBuffer> {
  const mask = new Uint32Array(maskWords(vocabulary)).fill(allowed ? 0 : 0xffffffff);
  for (const id of allowed ?? []) mask[id >> 5]! |= 1 << (id & 31);
  for (const id of banned) mask[id >> 5]! &= ~(1 << (id & 31));
  return mask;
}

/** Tokens that are in each of `masks`; one that is too short has none of the others. Throws where no token is left. */
export function commonTokens(
  vocabulary: number,
  masks: readonly (Uint32Array | undefined)[],
): Uint32Array<ArrayBuffer> {
  const common = new Uint32Array(maskWords(vocabulary)).fill(0xffffffff);
  if (vocabulary % 32 > 0) common[common.length - 1] = 2 ** (vocabulary % 32) - 1;
  for (const mask of masks) {
    if (mask) for (let i = 0; i < common.length; i++) common[i]! &= mask[i] ?? 0;
  }
  requireSome(common);
  return common;
}

/** Throws `invalid-argument` where `mask` has no token. */
export function requireSome(mask: Uint32Array): void {
  if (mask.some((word) => word !== 0)) return;
  const message =
    'No token may come next: what allowedTokens, bannedTokens, logitsProcessor and the shape of the answer allow has nothing in common.';
  throw new TernionError('invalid-argument', message);
}
