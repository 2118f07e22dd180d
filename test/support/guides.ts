// Guides for tests of the decode loop: what they allow is a function of the tokens so far, and of nothing else.
import { maskOfTokens } from '../../src/inference/masks';
import type { Allowed, TokenGuide } from '../../src/inference/token-guide';
import { random } from './reference';

/** A guide that answers with `rule`, at once. */
export function guideOf(rule: (tokenIds: readonly number[]) => Allowed): TokenGuide {
  return { after: (tokenIds) => Promise.resolve().then(() => rule(tokenIds)) };
}

/** These tokens and no others. */
export function some(vocabulary: number, tokenIds: readonly number[]): Allowed {
  return { kind: 'some', mask: maskOfTokens(vocabulary, tokenIds, []) };
}

/** Whether `allowed` lets `token` come first. */
export function allows(allowed: Allowed, token: number): boolean {
  if (allowed.kind === 'any') return true;
  if (allowed.kind === 'forced') return allowed.tokenIds[0] === token;
  return (allowed.mask[token >> 5]! & (1 << (token % 32))) !== 0;
}

/** By turns that look random: one to five forced tokens, anything, half of the vocabulary, a handful, or one token by its bit. */
export function mixedRule(vocabulary: number, seed: number): (tokenIds: readonly number[]) => Allowed {
  return (tokenIds) => {
    const hash = tokenIds.reduce((sum, id) => (Math.imul(sum, 31) + id) >>> 0, seed + 1);
    const next = random(hash);
    const below = (count: number): number => Math.floor(next() * count);
    const ids = (count: number): number[] => Array.from({ length: count }, () => below(vocabulary));
    switch (below(5)) {
      case 0:
        return { kind: 'forced', tokenIds: ids(1 + below(5)) };
      case 1:
        return { kind: 'any' };
      case 2:
        return some(vocabulary, ids(vocabulary >> 1));
      case 3:
        return some(vocabulary, ids(5));
      default:
        return some(vocabulary, ids(1));
    }
  };
}

/** The same, but that forced tokens come one by one under masks of one bit. */
export function unforced(
  vocabulary: number,
  rule: (tokenIds: readonly number[]) => Allowed,
): (tokenIds: readonly number[]) => Allowed {
  return (tokenIds) => {
    // From the beginning, since amid a forced run the rule would say something else.
    let at = 0;
    for (;;) {
      const allowed = rule(tokenIds.slice(0, at));
      if (allowed.kind !== 'forced') {
        if (at === tokenIds.length) return allowed;
        at++;
      } else if (at + allowed.tokenIds.length > tokenIds.length) {
        return some(vocabulary, [allowed.tokenIds[tokenIds.length - at]!]);
      } else {
        at += allowed.tokenIds.length;
      }
    }
  };
}
