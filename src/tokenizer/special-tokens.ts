// Finds tokens that are matched as whole texts (control and user-defined ones) in a string.

/** A piece of a string: a token found by its text, or the text between such tokens. */
export type Piece = { readonly id: number } | { readonly text: string };

/** Neighbours in the list of tokens, `to` excluded. */
interface Range {
  readonly from: number;
  readonly to: number;
}

/** A set of token texts, searched from left to right; where several begin at the same place the longest is taken. */
export class SpecialTokens {
  /**
   * Sorted by code units, so that tokens which begin alike are neighbours, the shortest of them first. A trie finds them
   * no less well, but takes a kilobyte for a character of a file.
   */
  readonly #texts: readonly string[];
  readonly #ids: readonly number[];
  readonly #firstUnits: ReadonlySet<number>;
  readonly #longest: number;

  /** @param tokens of equal texts, the last one counts; empty ones do not. */
  constructor(tokens: Iterable<readonly [text: string, id: number]>) {
    const byText = new Map(tokens);
    byText.delete('');
    this.#texts = [...byText.keys()].sort((a, b) => (a < b ? -1 : 1));
    this.#ids = this.#texts.map((text) => byText.get(text)!);
    this.#firstUnits = new Set(this.#texts.map((text) => text.charCodeAt(0)));
    this.#longest = this.#texts.reduce((longest, text) => Math.max(longest, text.length), 0);
  }

  /** Cuts `text` at the tokens. The texts of the pieces, with the tokens' own, make up `text`; no piece is empty. */
  split(text: string): Piece[] {
    const pieces: Piece[] = [];
    let start = 0;
    for (let at = 0; at < text.length;) {
      const found = this.#longestAt(text, at);
      if (!found) {
        at++;
        continue;
      }
      if (at > start) pieces.push({ text: text.slice(start, at) });
      pieces.push({ id: found.id });
      start = at = found.end;
    }
    if (start < text.length) pieces.push({ text: text.slice(start) });
    return pieces;
  }

  /**
   * Where the tail of `text` that could still grow into a token begins: the longest tail that is the beginning of a
   * token, and not all of one. The length of `text` if there is none.
   */
  openTail(text: string): number {
    const longest = Math.max(0, text.length - this.#longest + 1);
    for (let at = longest; at < text.length; at++) if (this.#beginsToken(text, at)) return at;
    return text.length;
  }

  #longestAt(text: string, start: number): { id: number; end: number } | undefined {
    if (!this.#firstUnits.has(text.charCodeAt(start))) return undefined;
    let range: Range | undefined = { from: 0, to: this.#texts.length };
    let found: { id: number; end: number } | undefined;
    for (let at = start; at < text.length; at++) {
      range = this.#narrowed(range, at - start, text.charCodeAt(at));
      if (!range) break;
      const isWhole = this.#texts[range.from]!.length === at + 1 - start;
      if (isWhole) found = { id: this.#ids[range.from]!, end: at + 1 };
    }
    return found;
  }

  #beginsToken(text: string, start: number): boolean {
    let range: Range | undefined = { from: 0, to: this.#texts.length };
    for (let at = start; at < text.length && range; at++) {
      range = this.#narrowed(range, at - start, text.charCodeAt(at));
    }
    // The last of those that begin with the tail is longer than it, unless the tail is the only one.
    return range !== undefined && this.#texts[range.to - 1]!.length > text.length - start;
  }

  /** Of tokens that are alike in their first `depth` units, those that go on with `unit`; undefined if none does. */
  #narrowed({ from, to }: Range, depth: number, unit: number): Range | undefined {
    const first = this.#lowerBound(from, to, depth, unit);
    const end = this.#lowerBound(first, to, depth, unit + 1);
    return first < end ? { from: first, to: end } : undefined;
  }

  /** The first token in the range whose unit at `depth` is no less than `unit`. */
  #lowerBound(from: number, to: number, depth: number, unit: number): number {
    // Mostly all are alike there.
    if (from < to && this.#unitAt(from, depth) >= unit) return from;
    while (from < to) {
      const middle = (from + to) >> 1;
      if (this.#unitAt(middle, depth) < unit) from = middle + 1;
      else to = middle;
    }
    return from;
  }

  /** Less than any unit where the token ends before. */
  #unitAt(position: number, depth: number): number {
    const text = this.#texts[position]!;
    return depth < text.length ? text.charCodeAt(depth) : -1;
  }
}
