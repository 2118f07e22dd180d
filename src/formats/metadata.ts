// The key-value part of a GGUF file, with getters that check the type of what they give.

import { TernionError } from '../errors';

/** Numbers in one array: typed arrays, or plain ones for 64-bit integers. */
export type NumberArray =
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | Float32Array
  | Float64Array
  | readonly number[];

/** A value as the file has it. 64-bit integers beyond 2^53 are bigints; arrays of arrays are plain arrays. */
export type MetadataValue =
  | string
  | number
  | boolean
  | bigint
  | NumberArray
  | readonly string[]
  | readonly boolean[]
  | readonly bigint[]
  | readonly MetadataValue[];

/**
 * Metadata of a model by key, for example `general.architecture`. The `get…` methods throw `corrupt-file`, naming the
 * key, where it is missing or of another type; the `optional…` ones give undefined where it is missing.
 */
export class Metadata {
  constructor(private readonly values: ReadonlyMap<string, MetadataValue>) {}

  has(key: string): boolean {
    return this.values.has(key);
  }

  keys(): IterableIterator<string> {
    return this.values.keys();
  }

  /** The value as it is, of whatever type; undefined if there is none. */
  get(key: string): MetadataValue | undefined {
    return this.values.get(key);
  }

  getString(key: string): string {
    return this.required(key, this.optionalString(key));
  }

  optionalString(key: string): string | undefined {
    return this.typed(key, 'a string', (value) => typeof value === 'string');
  }

  /** A number of any type; not a 64-bit integer beyond 2^53. */
  getNumber(key: string): number {
    return this.required(key, this.optionalNumber(key));
  }

  optionalNumber(key: string): number | undefined {
    return this.typed(key, 'a number', (value) => typeof value === 'number');
  }

  /** A number without a fraction, within ±2^53. */
  getInteger(key: string): number {
    return this.required(key, this.optionalInteger(key));
  }

  optionalInteger(key: string): number | undefined {
    return this.typed(key, 'an integer', (value): value is number => Number.isSafeInteger(value));
  }

  getBoolean(key: string): boolean {
    return this.required(key, this.optionalBoolean(key));
  }

  optionalBoolean(key: string): boolean | undefined {
    return this.typed(key, 'true or false', (value) => typeof value === 'boolean');
  }

  getStringArray(key: string): readonly string[] {
    return this.required(key, this.optionalStringArray(key));
  }

  optionalStringArray(key: string): readonly string[] | undefined {
    return this.typed(key, 'an array of strings', isStrings);
  }

  getNumberArray(key: string): NumberArray {
    return this.required(key, this.optionalNumberArray(key));
  }

  optionalNumberArray(key: string): NumberArray | undefined {
    return this.typed(key, 'an array of numbers', isNumbers);
  }

  private typed<T extends MetadataValue>(
    key: string,
    what: string,
    is: (value: MetadataValue) => value is T,
  ): T | undefined {
    const value = this.values.get(key);
    if (value === undefined || is(value)) return value;
    throw new TernionError('corrupt-file', `Metadata key '${key}' should be ${what}.`);
  }

  private required<T>(key: string, value: T | undefined): T {
    if (value !== undefined) return value;
    throw new TernionError('corrupt-file', `Metadata key '${key}' is missing.`);
  }
}

// Arrays of a file have entries of one type, so the first entry speaks for all; an empty array is of every type.
function isStrings(value: MetadataValue): value is readonly string[] {
  return Array.isArray(value) && (value.length === 0 || typeof value[0] === 'string');
}

function isNumbers(value: MetadataValue): value is NumberArray {
  if (ArrayBuffer.isView(value)) return true;
  return Array.isArray(value) && (value.length === 0 || typeof value[0] === 'number');
}
