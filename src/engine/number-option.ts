// Checks numbers that come from outside.

import { TernionError } from '../errors';

/** `value` for a message. Where it has no text of its own (no prototype, a `toString` that throws), its type. */
export function inWords(value: unknown): string {
  try {
    return String(value);
  } catch {
    return `an ${typeof value} without a text`;
  }
}

/** What an option may be. */
export interface Range {
  min: number;
  max: number;
  integer?: boolean;
}

/** `value`, or `fallback` where there is none; throws `invalid-argument`, naming the option, for what cannot be used. */
export function number(
  name: string,
  value: number | undefined,
  fallback: number,
  { min, max, integer }: Range,
): number {
  if (value === undefined) return fallback;
  if (typeof value === 'number' && value >= min && value <= max && (!integer || Number.isInteger(value)))
    return value;
  const kind = integer ? 'an integer' : 'a number';
  throw new TernionError(
    'invalid-argument',
    `${name} is ${inWords(value)}; it must be ${kind} from ${min} to ${max}.`,
  );
}
