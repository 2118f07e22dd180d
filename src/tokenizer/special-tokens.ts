// Finds tokens that are matched as whole texts (control and user-defined ones) in a string.

/** A piece of a string: a token found by its text, or the text between such tokens. */
export type Piece = { readonly id: number } | { readonly text: string };

interface Node {
  readonly next: Map<string, Node>;
  id?: number;
}

/** A set of token texts, searched from left to right; where several begin at the same place the longest is taken. */
export class SpecialTokens {
  readonly #root: Node = { next: new Map() };

  constructor(tokens: Iterable<readonly [text: string, id: number]>) {
    for (const [text, id] of tokens) this.#add(text, id);
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
    const longest = Math.max(0, text.length - this.#depth(this.#root) + 1);
    for (let at = longest; at < text.length; at++) if (this.#beginsToken(text, at)) return at;
    return text.length;
  }

  #add(text: string, id: number): void {
    if (text === '') return;
    let node = this.#root;
    for (let i = 0; i < text.length; i++) {
      const unit = text.charAt(i);
      let child = node.next.get(unit);
      if (!child) node.next.set(unit, (child = { next: new Map() }));
      node = child;
    }
    node.id = id;
  }

  #longestAt(text: string, start: number): { id: number; end: number } | undefined {
    let node: Node | undefined = this.#root;
    let found: { id: number; end: number } | undefined;
    for (let at = start; at < text.length; at++) {
      node = node.next.get(text.charAt(at));
      if (!node) break;
      if (node.id !== undefined) found = { id: node.id, end: at + 1 };
    }
    return found;
  }

  #beginsToken(text: string, start: number): boolean {
    let node: Node | undefined = this.#root;
    for (let at = start; at < text.length && node; at++) node = node.next.get(text.charAt(at));
    return node !== undefined && node.next.size > 0;
  }

  #depth(node: Node): number {
    let deepest = 0;
    for (const child of node.next.values()) deepest = Math.max(deepest, 1 + this.#depth(child));
    return deepest;
  }
}
