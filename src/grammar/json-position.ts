// Where in a JSON text a position is, byte by byte, as far as it matters for the lengths of strings.

import type { StringLengths } from './grammar';

/** What is bounded, by where it is: a tree of keys and indices, in which `*` is all that have no name there. */
export interface Places {
  bound?: { min: number; max: number };
  inside: Map<string, Places>;
}

/** The tree of these bounds. */
export function placesOf(bounds: StringLengths['bounds']): Places {
  const root: Places = { inside: new Map() };
  for (const { path, min, max } of bounds) {
    let place = root;
    for (const key of path) {
      const next: Places = place.inside.get(key) ?? { inside: new Map() };
      place.inside.set(key, next);
      place = next;
    }
    place.bound = { min, max };
  }
  return root;
}

/** An object or list that is open. */
interface Container {
  around: Container | undefined;
  places: Places | undefined;
  isObject: boolean;
  /** The index of the item that is next or being written. */
  index: number;
  /** The key of the member whose value is next; undefined where a key is. */
  key: string | undefined;
}

/** A string that is open. */
interface OpenString {
  isKey: boolean;
  /** Bytes of a key, for its name. */
  bytes: readonly number[];
  /** Characters that have begun. */
  count: number;
  /** The same in units of UTF-16, by which the maximum is counted. */
  units: number;
  /** Bytes that belong to an escape that has begun. */
  escaped: number;
  bound: { min: number; max: number } | undefined;
}

const [QUOTE, BACKSLASH, COMMA] = [0x22, 0x5c, 0x2c];
const [OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT] = [0x5b, 0x5d, 0x7b, 0x7d];
const LETTER_U = 0x75;

/** A position, which moves. The text is taken to be JSON: a grammar sees to that. */
export class JsonPosition {
  string: OpenString | undefined;
  #container: Container | undefined;
  #hasBegun: boolean;
  /** The last bytes, as many as the text has behind which the JSON begins. */
  #last: readonly number[] = [];

  constructor(
    private readonly places: Places,
    private readonly behind: Uint8Array,
  ) {
    this.#hasBegun = behind.length === 0;
  }

  clone(): JsonPosition {
    const copy = new JsonPosition(this.places, this.behind);
    copy.string = this.string && { ...this.string };
    copy.#container = this.#container;
    copy.#hasBegun = this.#hasBegun;
    copy.#last = this.#last;
    return copy;
  }

  /** Goes on by a byte. Returns whether it keeps to the bounds. */
  step(byte: number): boolean {
    const keeps = !this.#hasBegun || (this.string ? this.#inString(this.string, byte) : this.#outside(byte));
    if (this.behind.length > 0) this.#watch(byte);
    return keeps;
  }

  /** Begins anew behind the text that the JSON stands behind. */
  #watch(byte: number): void {
    this.#last = [...this.#last, byte].slice(-this.behind.length);
    if (this.#last.length < this.behind.length || this.behind.some((other, i) => other !== this.#last[i]))
      return;
    this.#hasBegun = true;
    this.string = undefined;
    this.#container = undefined;
  }

  #inString(string: OpenString, byte: number): boolean {
    if (string.isKey) string.bytes = [...string.bytes, byte];
    if (string.escaped > 0) {
      string.escaped += byte === LETTER_U && string.escaped === 1 ? 3 : -1;
      return true;
    }
    if (byte === QUOTE) return this.#close(string);
    if (byte === BACKSLASH) string.escaped = 1;
    string.count += begins(byte) === 0 ? 0 : 1;
    string.units += begins(byte);
    if (!string.bound) return true;
    // The characters that are needed still must have room.
    return string.units + Math.max(string.bound.min - string.count, 0) <= string.bound.max;
  }

  #close(string: OpenString): boolean {
    this.string = undefined;
    if (string.isKey && this.#container) this.#container = { ...this.#container, key: nameOf(string.bytes) };
    return string.bound === undefined || string.count >= string.bound.min;
  }

  /** Nothing outside of strings breaks a bound. */
  #outside(byte: number): true {
    const container = this.#container;
    if (byte === QUOTE) this.#openString(container);
    else if (byte === OPEN_LIST || byte === OPEN_OBJECT) {
      const isObject = byte === OPEN_OBJECT;
      this.#container = { around: container, places: this.#next(), isObject, index: 0, key: undefined };
    } else if (byte === CLOSE_LIST || byte === CLOSE_OBJECT) this.#container = container?.around;
    else if (byte === COMMA && container) {
      this.#container = { ...container, index: container.index + 1, key: undefined };
    }
    return true;
  }

  #openString(container: Container | undefined): void {
    const isKey = container?.isObject === true && container.key === undefined;
    const bound = isKey ? undefined : this.#next()?.bound;
    this.string = { isKey, bytes: [], count: 0, units: 0, escaped: 0, bound };
  }

  /** What is said of the value that begins here. */
  #next(): Places | undefined {
    const container = this.#container;
    if (!container) return this.places;
    const name = container.isObject ? (container.key ?? '') : String(container.index);
    return container.places?.inside.get(name) ?? container.places?.inside.get('*');
  }
}

/** How many units of UTF-16 the character has that this byte of UTF-8 begins; 0 if it begins none. */
export function begins(byte: number): 0 | 1 | 2 {
  if ((byte & 0xc0) === 0x80) return 0;
  return byte >= 0xf0 ? 2 : 1;
}

/** The name of a key, given its bytes with the closing quote. */
function nameOf(bytes: readonly number[]): string {
  const text = new TextDecoder().decode(Uint8Array.from(bytes));
  try {
    return String(JSON.parse(`"${text}`));
  } catch {
    return text;
  }
}
