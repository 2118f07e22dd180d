// Holds strings of a JSON text to their lengths, beside a grammar whose rules leave them open.

import type { StringLengths } from './grammar';
import { begins, JsonPosition, placesOf, type Places } from './json-position';

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** What is known of the tokens of a vocabulary; made once for all answers. */
export class TokenShapes {
  /** Tokens with quotes, backslashes or characters of two units, each with how many quotes it has. */
  readonly marked: readonly { id: number; quotes: number }[];
  /** Ids of all others, by how many characters begin in them. */
  readonly plain: readonly (readonly number[])[];

  constructor(readonly tokens: readonly Uint8Array[]) {
    const marked: { id: number; quotes: number }[] = [];
    const plain: number[][] = [];
    for (const [id, bytes] of tokens.entries()) {
      if (bytes.some((byte) => byte === QUOTE || byte === BACKSLASH || begins(byte) === 2)) {
        marked.push({ id, quotes: bytes.filter((byte) => byte === QUOTE).length });
      } else {
        const begun = bytes.filter((byte) => begins(byte) > 0).length;
        (plain[begun] ??= []).push(id);
      }
    }
    this.marked = marked;
    this.plain = Array.from(plain, (ids) => ids ?? []);
  }
}

/**
 * Follows one answer, and clears from masks the tokens that would make a string too long, or end it too soon.
 *
 * The rules must leave such strings open: then some token is always left, since any character may follow before the maximum and
 * a quote from the minimum on.
 */
export class LengthTracker {
  readonly #places: Places;
  /** Where the answer was after each token; the last is where it is. */
  readonly #positions: JsonPosition[];

  constructor(
    lengths: StringLengths,
    private readonly shapes: TokenShapes,
  ) {
    this.#places = placesOf(lengths.bounds);
    this.#positions = [new JsonPosition(this.#places, new TextEncoder().encode(lengths.behind))];
  }

  /** Takes account of the next token of the answer. */
  accept(tokenId: number): void {
    const position = this.#position.clone();
    for (const byte of this.shapes.tokens[tokenId] ?? []) position.step(byte);
    this.#positions.push(position);
  }

  /** Forgets the last `count` tokens. */
  rollback(count: number): void {
    this.#positions.length = Math.max(this.#positions.length - count, 1);
  }

  /** Clears the bits of tokens that would break a bound; bit `id % 32` of word `id >> 5`. Others stay as they are. */
  filter(mask: Uint32Array): void {
    const position = this.#position;
    const { string } = position;
    if (string?.bound) {
      for (const ids of this.shapes.plain.slice(Math.max(string.bound.max - string.units + 1, 0))) {
        // The end of an escape that has begun is no character of its own.
        for (const id of ids) if (string.escaped === 0 || this.#breaks(id)) clear(mask, id);
      }
    }
    // Outside of strings one quote opens the next; inside, a quote ends this one first.
    const quotes = string?.bound ? 0 : string ? 2 : 1;
    for (const token of this.shapes.marked) {
      if (token.quotes >= quotes && isSet(mask, token.id) && this.#breaks(token.id)) clear(mask, token.id);
    }
  }

  /** Whether the answer up to here, or with one more token, has a string that is too long or ended too soon. */
  #breaks(tokenId: number): boolean {
    const position = this.#position.clone();
    for (const byte of this.shapes.tokens[tokenId] ?? []) if (!position.step(byte)) return true;
    return false;
  }

  get #position(): JsonPosition {
    const position = this.#positions.at(-1);
    if (!position) throw new Error('There is no position before the answer.');
    return position;
  }
}

function isSet(mask: Uint32Array, id: number): boolean {
  return (((mask[id >> 5] ?? 0) >>> (id & 31)) & 1) === 1;
}

function clear(mask: Uint32Array, id: number): void {
  const word = id >> 5;
  mask[word] = (mask[word] ?? 0) & ~(1 << (id & 31));
}
