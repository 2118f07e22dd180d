// A JSON schema as data of our own: copied within bounds, with the place of each of its parts.

import { TernionError } from '../errors';
import type { JsonSchema } from './grammar';

/** A schema of JSON Schema (draft 2020-12 or 07), as parsed JSON. */
export type { JsonSchema } from './grammar';

const MAX_CHARACTERS = 256 * 1024;
const MAX_DEPTH = 64;
const MAX_CONTAINERS = 5000;
/** Values of enums, names in lists, numbers. */
const MAX_SCALARS = 50_000;
const MAX_KEY = 1024;

/** A schema whose parts are known by their JSON pointers, so that errors can name them. */
export class SchemaDocument {
  readonly root: JsonSchema;
  readonly #pointers = new WeakMap<object, string>();
  #characters = 0;
  #containers = 0;
  #scalars = 0;

  /** @throws TernionError `invalid-argument` if it is no JSON, stands in itself, or is larger than any schema has to be. */
  constructor(schema: JsonSchema) {
    const copy = this.#copy(schema, '#', 0);
    if (!isSchema(copy)) throw malformed('#', 'a schema is an object, or true or false');
    this.root = copy;
  }

  /** The JSON pointer of a part, such as `#/properties/name`. */
  pointerOf(part: object): string {
    return this.#pointers.get(part) ?? '#';
  }

  /** Says where a schema stands that was put together of others. */
  place(part: object, pointer: string): void {
    this.#pointers.set(part, pointer);
  }

  /** The part that a `$ref` names. */
  resolve(ref: string, from: string): JsonSchema {
    if (ref !== '#' && !ref.startsWith('#/')) {
      throw unsupported(from, `$ref to ${JSON.stringify(ref.slice(0, 80))}, which is not within the schema`);
    }
    let part: unknown = this.root;
    for (const step of ref.split('/').slice(1)) {
      const key = decoded(step);
      const isThere = typeof part === 'object' && part !== null && Object.hasOwn(part, key);
      part = isThere ? (part as Record<string, unknown>)[key] : undefined;
    }
    if (!isSchema(part))
      throw malformed(from, `$ref names ${JSON.stringify(ref.slice(0, 80))}, which is not there`);
    return part;
  }

  #copy(value: unknown, pointer: string, depth: number): unknown {
    if (typeof value === 'string') return this.#text(value);
    if (
      value === null ||
      typeof value === 'boolean' ||
      (typeof value === 'number' && Number.isFinite(value))
    ) {
      if (++this.#scalars > MAX_SCALARS) throw tooLarge(`has more than ${MAX_SCALARS} values`);
      return value;
    }
    if (typeof value !== 'object') throw malformed(pointer, `${typeof value} is no JSON`);
    if (depth >= MAX_DEPTH) throw tooLarge(`is nested more than ${MAX_DEPTH} deep, or stands in itself`);
    if (++this.#containers > MAX_CONTAINERS)
      throw tooLarge(`has more than ${MAX_CONTAINERS} objects and lists`);
    const copy = Array.isArray(value)
      ? this.#list(value, pointer, depth)
      : this.#record(value, pointer, depth);
    this.#pointers.set(copy, pointer);
    return copy;
  }

  #list(value: readonly unknown[], pointer: string, depth: number): unknown[] {
    if (value.length > MAX_SCALARS) throw tooLarge(`has a list of more than ${MAX_SCALARS} values`);
    return Array.from(value, (item, i) => this.#copy(item, `${pointer}/${i}`, depth + 1));
  }

  #record(value: object, pointer: string, depth: number): object {
    const entries = Object.entries(value).filter(
      ([, item]) => item !== undefined && typeof item !== 'function',
    );
    const copies = entries.map(([key, item]) => {
      if (key.length > MAX_KEY) throw tooLarge(`has a name of more than ${MAX_KEY} characters`);
      return [this.#text(key), this.#copy(item, `${pointer}/${encoded(key)}`, depth + 1)] as const;
    });
    // Not by assignment, which would take `__proto__` for more than a name.
    return Object.fromEntries(copies);
  }

  #text(text: string): string {
    this.#characters += text.length;
    if (++this.#scalars > MAX_SCALARS) throw tooLarge(`has more than ${MAX_SCALARS} values`);
    if (this.#characters > MAX_CHARACTERS)
      throw tooLarge(`has more than ${MAX_CHARACTERS / 1024} KiB of text`);
    return text;
  }
}

export function isSchema(value: unknown): value is JsonSchema {
  return typeof value === 'boolean' || (typeof value === 'object' && value !== null && !Array.isArray(value));
}

/** A schema that cannot be read: `what` says what is wrong with it. */
export function malformed(pointer: string, what: string): TernionError {
  return new TernionError('invalid-argument', `The JSON schema is malformed at ${pointer}: ${what}.`);
}

/** A schema that no value matches, or none that could be written. */
export function empty(pointer: string, why: string): TernionError {
  return new TernionError('invalid-argument', `The JSON schema has no value at ${pointer}: ${why}.`);
}

/** A schema that asks for what an answer cannot be held to. */
export function unsupported(pointer: string, what: string): TernionError {
  return new TernionError(
    'unsupported-feature',
    `An answer cannot be held to this JSON schema: at ${pointer}, ${what}.`,
  );
}

function tooLarge(why: string): TernionError {
  return new TernionError('invalid-argument', `The JSON schema ${why}.`);
}

function encoded(key: string): string {
  return key.replaceAll('~', '~0').replaceAll('/', '~1');
}

function decoded(step: string): string {
  try {
    return decodeURIComponent(step).replaceAll('~1', '/').replaceAll('~0', '~');
  } catch {
    return step;
  }
}
