// Copies JSON values that come from outside, within bounds: of depth, of count, and of characters.

import { invalid, isPlain, lengthOf, property, refusal, text, type Read } from './read';

/** Deeper values than this are in no schema, and would overflow the stack of what walks through them. */
const MAX_DEPTH = 100;
/** Lists, objects and what is in them. */
const MAX_VALUES = 2 ** 20;
/** Characters of all texts and names: templates build no more. */
const MAX_CHARACTERS = 2 ** 24;

/**
 * What one call may bring, however it is put together: a list that stands in itself, or in a million places, would be
 * walked for ever otherwise.
 */
export class JsonBudget {
  #values = MAX_VALUES;
  #characters = MAX_CHARACTERS;
  /** The lists and objects that are being read, from the outermost on. */
  readonly #open: object[] = [];

  /** Takes account of `count` values that are going to be read. */
  readonly takeValues = (count: number, at: string): void => {
    this.#values -= count;
    if (this.#values < 0) throw refusal(at, `brings more than ${MAX_VALUES} values`);
  };

  /** A text, whose characters count. */
  readonly text: Read<string> = (value, at) => {
    const read = text()(value, at);
    this.#characters -= read.length;
    if (this.#characters < 0) throw refusal(at, `brings more than ${MAX_CHARACTERS} characters`);
    return read;
  };

  /** A copy of a JSON value. Fields that are undefined count as not being there. */
  readonly json: Read<unknown> = (value, at) => {
    if (typeof value === 'string') return this.text(value, at);
    if (value === null || typeof value === 'boolean') return value;
    if (typeof value === 'number' && Number.isFinite(value)) return value;
    if (Array.isArray(value)) return this.#inside(value, at, () => this.#list(value, at));
    if (isPlain(value)) return this.#inside(value, at, () => this.#record(value, at));
    throw invalid(at, value, 'a JSON value');
  };

  /** A copy of a plain object whose fields are JSON values. */
  readonly object: Read<Record<string, unknown>> = (value, at) => {
    if (isPlain(value)) return this.#inside(value, at, () => this.#record(value, at));
    throw invalid(at, value, 'a plain object');
  };

  #inside<T>(value: object, at: string, read: () => T): T {
    if (this.#open.includes(value)) throw refusal(at, 'stands in itself, which no JSON value does');
    if (this.#open.length === MAX_DEPTH) throw refusal(at, `is nested more than ${MAX_DEPTH} deep`);
    this.#open.push(value);
    const result = read();
    this.#open.pop();
    return result;
  }

  #list(value: object, at: string): unknown[] {
    const length = lengthOf(value, MAX_VALUES, at);
    this.takeValues(length, at);
    return Array.from({ length }, (_, i) => this.json(property(value, i, at), `${at}[${i}]`));
  }

  #record(value: object, at: string): Record<string, unknown> {
    const names = Object.keys(value);
    this.takeValues(names.length, at);
    const entries = names
      .map((name) => [this.text(name, `A name in ${at}`), property(value, name, at)] as const)
      .filter(([, field]) => field !== undefined)
      .map(([name, field]) => [name, this.json(field, `${at}.${name}`)] as const);
    // Not by assignment, which would take `__proto__` for more than a name.
    return Object.fromEntries(entries);
  }
}
