// What is expected of calls that go wrong.
import { expect } from 'vitest';
import { TernionError, type TernionErrorCode } from '../../src/errors';

/** Expects a rejection with a `TernionError` of this code, whose message has `words` in it. */
export async function expectFailure(
  promise: Promise<unknown>,
  code: TernionErrorCode,
  words: string | RegExp = '',
): Promise<void> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(TernionError);
  expect((error as TernionError).code).toBe(code);
  expect((error as TernionError).message).toMatch(words);
}
