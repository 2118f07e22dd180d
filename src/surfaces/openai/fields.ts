// Reads the fields of a request one by one. A field that nobody has read is one that is not understood, and is refused.

import { badRequest } from './api-error';

/** Which numbers are taken. */
export interface Range {
  min: number;
  max: number;
}

/** An object of a request. Fields that are null count as absent, as they do at OpenAI. */
export class Fields {
  readonly #values: Readonly<Record<string, unknown>>;
  readonly #known = new Set<string>();

  /** `path` is where the object stands in the request; '' for the request itself. */
  constructor(
    value: unknown,
    private readonly path: string,
  ) {
    if (!isRecord(value)) throw badRequest(path, `${path || 'The request'} must be an object.`);
    this.#values = value;
  }

  /** Where a field stands in the request. */
  at(name: string): string {
    return this.path === '' ? name : `${this.path}.${name}`;
  }

  /** The field as it is; undefined if it is absent. */
  take(name: string): unknown {
    this.#known.add(name);
    // Not what objects inherit: `constructor` is no field.
    const value = Object.hasOwn(this.#values, name) ? this.#values[name] : undefined;
    return value ?? undefined;
  }

  /** These may be there and change nothing. */
  ignore(...names: readonly string[]): void {
    for (const name of names) this.#known.add(name);
  }

  /** The names of all fields. */
  names(): string[] {
    return Object.keys(this.#values);
  }

  text(name: string): string | undefined {
    const value = this.take(name);
    if (value === undefined || typeof value === 'string') return value;
    throw this.wrong(name, 'a string');
  }

  flag(name: string): boolean | undefined {
    const value = this.take(name);
    if (value === undefined || typeof value === 'boolean') return value;
    throw this.wrong(name, 'true or false');
  }

  number(name: string, { min, max }: Range): number | undefined {
    const value = this.take(name);
    if (value === undefined) return undefined;
    if (typeof value === 'number' && value >= min && value <= max) return value;
    throw this.wrong(name, `a number from ${min} to ${max}`);
  }

  integer(name: string, { min, max }: Range): number | undefined {
    const value = this.number(name, { min, max });
    if (value === undefined || Number.isInteger(value)) return value;
    throw this.wrong(name, 'a whole number');
  }

  list(name: string): unknown[] | undefined {
    const value = this.take(name);
    if (value === undefined || Array.isArray(value)) return value;
    throw this.wrong(name, 'a list');
  }

  /** The object of that name, whose own fields are then to be read, and ended with `done`. */
  object(name: string): Fields | undefined {
    const value = this.take(name);
    return value === undefined ? undefined : new Fields(value, this.at(name));
  }

  /** The error for a field that is not what it should be. */
  wrong(name: string, wanted: string): Error {
    return badRequest(this.at(name), `${this.at(name)} must be ${wanted}.`);
  }

  /** Throws for the first field that nobody has asked for. */
  done(): void {
    const unknown = Object.keys(this.#values).find((name) => !this.#known.has(name));
    if (unknown === undefined) return;
    throw badRequest(this.at(unknown), `${this.at(unknown)} is not supported.`, 'unknown_parameter');
  }
}

/** Whether a value is an object, and no list. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
