// Reads what comes from outside: every value is looked at once and becomes data of our own, or is refused by its name.

import { TernionError } from '../errors';

/** Makes of a value from outside one of our own. Throws `invalid-argument`, naming it `at`, if it cannot be used. */
export type Read<T> = (value: unknown, at: string) => T;

/** How to read each field of an object. A field that `T` has cannot be forgotten here. */
export type Fields<T> = { readonly [Name in keyof T]-?: Read<T[Name]> };

/** Characters of the longest text. The longest context of any model takes a tenth of it; templates build no more either. */
const LONGEST_TEXT = 2 ** 24;
/** Characters of a name that messages quote. */
const LONGEST_NAME = 200;
/** Characters of a value that messages quote. */
const LONGEST_QUOTE = 60;

/**
 * Reads an argument of a public function. Whatever a getter, a trap of a Proxy or a `toString` of the caller's throws becomes
 * the cause of an `invalid-argument`.
 */
export function argument<T>(read: Read<T>, value: unknown, name: string): T {
  try {
    return read(value, name);
  } catch (cause) {
    throw cause instanceof TernionError ? cause : unreadable(name, cause);
  }
}

/** Reads an object of options, all of which may be missing, and so may the object. */
export function options<T>(read: Read<T>, value: unknown): T {
  return argument(read, value === undefined ? {} : value, 'options');
}

/** The error for a value that is not what is wanted. `wanted` completes the sentence "it must be …". */
export function invalid(at: string, value: unknown, wanted: string): TernionError {
  return refusal(at, `is ${described(value)}; it must be ${wanted}`);
}

/** The error for an argument of which `what` is to be said. */
export function refusal(at: string, what: string, cause?: unknown): TernionError {
  const name = at.length > LONGEST_NAME ? `${at.slice(0, LONGEST_NAME)}…` : at;
  return new TernionError('invalid-argument', `${name} ${what}.`, cause === undefined ? {} : { cause });
}

/** The value of a property, read once. */
export function property(object: object, name: string | number, at: string): unknown {
  try {
    return (object as Readonly<Record<string | number, unknown>>)[name];
  } catch (cause) {
    throw unreadable(typeof name === 'number' ? `${at}[${name}]` : `${at}.${name}`, cause);
  }
}

/** What may be undefined, and is left out then. */
export function optional<T>(read: Read<T>): Read<T | undefined> {
  return (value, at) => (value === undefined ? undefined : read(value, at));
}

export const flag: Read<boolean> = (value, at) => {
  if (typeof value === 'boolean') return value;
  throw invalid(at, value, 'true or false');
};

/** A text of at least `least` and at most `most` characters. Unpaired surrogates are fine. */
export function text({ least = 0, most = LONGEST_TEXT } = {}): Read<string> {
  const wanted = least > 0 ? 'a string that is not empty' : 'a string';
  return (value, at) => {
    if (typeof value !== 'string' || value.length < least) throw invalid(at, value, wanted);
    if (value.length <= most) return value;
    throw refusal(at, `has ${value.length} characters; it can have at most ${most}`);
  };
}

/** A number from `min` to `max`, both included; never NaN. */
export function number({ min, max, integer }: { min: number; max: number; integer?: boolean }): Read<number> {
  return (value, at) => {
    if (typeof value === 'number' && value >= min && value <= max && (!integer || Number.isInteger(value)))
      return value;
    throw invalid(at, value, `${integer ? 'an integer' : 'a number'} from ${min} to ${max}`);
  };
}

/** One of a few words. */
export function oneOf<Word extends string>(...words: readonly Word[]): Read<Word> {
  return (value, at) => {
    const word = words.find((each) => each === value);
    if (word !== undefined) return word;
    throw invalid(at, value, words.map((each) => `'${each}'`).join(' or '));
  };
}

/** A function. What it takes and gives cannot be seen from outside: `T` is what the caller's types promise. */
export function callable<T>(): Read<T> {
  return (value, at) => {
    if (typeof value === 'function') return value as T;
    throw invalid(at, value, 'a function');
  };
}

/** Something of a class that cannot be copied, told by the methods that it has. */
export function having<T>(what: string, ...methods: readonly (keyof T & string)[]): Read<T> {
  return (value, at) => {
    if (
      typeof value === 'object' &&
      value !== null &&
      methods.every((name) => typeof property(value, name, at) === 'function')
    )
      return value as T;
    throw invalid(at, value, what);
  };
}

/**
 * An object with fields, of which each is read once; what else is in it is not looked at. It may be plain or of a class of
 * the caller's, but none of the language's or the platform's kinds, such as a list, a Map, a Promise or a signal: one
 * that stands where options are meant would be taken for an empty object.
 */
export function fields<T>(readers: Fields<T>, wanted = 'an object'): Read<T> {
  const names = Object.keys(readers) as (keyof T & string)[];
  return (value, at) => {
    if (!isObject(value)) throw invalid(at, value, wanted);
    const read = names
      .map((name) => [name, readers[name](property(value, name, at), `${at}.${name}`)] as const)
      .filter(([, field]) => field !== undefined);
    return Object.fromEntries(read) as T;
  };
}

/** What {@link list} and {@link record} may have. */
interface Extent {
  least?: number;
  most: number;
  /** What it must be, in words. */
  wanted: string;
  /** Takes account of how many there are, before anything is read. */
  count?: (length: number, at: string) => void;
}

/** A list whose length is looked at before anything in it. */
export function list<T>(read: Read<T>, { least = 0, most, wanted, count }: Extent): Read<T[]> {
  return (value, at) => {
    if (!Array.isArray(value)) throw invalid(at, value, wanted);
    const length = lengthOf(value, most, at);
    if (length < least) throw refusal(at, `is empty; it must be ${wanted}`);
    count?.(length, at);
    return Array.from({ length }, (_, i) => read(property(value, i, at), `${at}[${i}]`));
  };
}

/** A plain object with names of the caller's. `readName` checks each of them. */
export function record<T>(
  read: Read<T>,
  { most, wanted }: Pick<Extent, 'most' | 'wanted'>,
  readName: Read<string> = text(),
): Read<Record<string, T>> {
  return (value, at) => {
    if (!isPlain(value)) throw invalid(at, value, wanted);
    const names = Object.keys(value);
    if (names.length > most) throw refusal(at, `has ${names.length} fields; it can have at most ${most}`);
    const entries = names.map((name): [string, T] => [
      readName(name, `A name in ${at}`),
      read(property(value, name, at), `${at}.${name}`),
    ]);
    // Not by assignment, which would take `__proto__` for more than a name.
    return Object.fromEntries(entries);
  };
}

/** The length of something like an array: an integer from 0 to `most`. */
export function lengthOf(value: object, most: number, at: string): number {
  const length = property(value, 'length', at);
  if (typeof length !== 'number' || !Number.isSafeInteger(length) || length < 0)
    throw invalid(`${at}.length`, length, 'an integer that is not negative');
  if (length <= most) return length;
  throw refusal(at, `has ${length} elements; it can have at most ${most}`);
}

/** An object that is plain data (also of another realm), and no list, date or other thing with a life of its own. */
export function isPlain(value: unknown): value is object {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

/** An object that is plain or of a class of the caller's: the language's and the platform's own kinds have tags of their own. */
export function isObject(value: unknown): value is object {
  return (
    typeof value === 'object' && value !== null && Object.prototype.toString.call(value) === '[object Object]'
  );
}

function unreadable(at: string, cause: unknown): TernionError {
  return refusal(at, 'cannot be read: looking at it throws an error', cause);
}

/** A value in a few words. Nothing of the caller's is called for it. */
function described(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return value.length > LONGEST_QUOTE ? `a string of ${value.length} characters` : `'${value}'`;
    case 'object':
      return value === null ? 'null' : Array.isArray(value) ? 'a list' : 'an object';
    case 'function':
    case 'symbol':
      return `a ${typeof value}`;
    case 'bigint':
      return 'a BigInt';
    default:
      return String(value);
  }
}
