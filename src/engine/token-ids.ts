// Checks token ids that come from outside.

import { TernionError } from '../errors';
import { inWords } from './number-option';

/** `ids` as an array; throws `invalid-argument` if they are not all tokens of the vocabulary. */
export function checkTokenIds(ids: ArrayLike<number> | undefined, vocabularySize: number): number[] {
  if (typeof ids !== 'object' || ids === null || !Number.isInteger(ids.length)) {
    throw new TernionError('invalid-argument', 'Token ids must come as an array or typed array.');
  }
  const checked: number[] = [];
  // One by one: a length is only a number, and nothing is made for ids that are not there.
  for (let i = 0; i < ids.length; i++) {
    const id: unknown = ids[i];
    if (typeof id !== 'number' || !Number.isInteger(id) || id < 0 || id >= vocabularySize) {
      const message = `${inWords(id)} is no token: the vocabulary has ${vocabularySize} tokens, from 0 on.`;
      throw new TernionError('invalid-argument', message);
    }
    checked.push(id);
  }
  return checked;
}
