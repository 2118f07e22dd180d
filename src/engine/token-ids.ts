// Checks token ids that come from outside.

import { TernionError } from '../errors';

/** `ids` as an array; throws `invalid-argument` if they are not all tokens of the vocabulary. */
export function checkTokenIds(ids: ArrayLike<number> | undefined, vocabularySize: number): number[] {
  if (typeof ids !== 'object' || ids === null || !Number.isInteger(ids.length)) {
    throw new TernionError('invalid-argument', 'Token ids must come as an array or typed array.');
  }
  const checked = Array.from(ids);
  const wrong = checked.find((id) => !Number.isInteger(id) || id < 0 || id >= vocabularySize);
  if (wrong === undefined) return checked;
  const message = `${String(wrong)} is no token: the vocabulary has ${vocabularySize} tokens, from 0 on.`;
  throw new TernionError('invalid-argument', message);
}
