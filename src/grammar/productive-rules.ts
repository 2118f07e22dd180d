// Finds rules that can never come to an end: an answer that has entered one could not be finished.

import type { RuleBook } from './ebnf';

/** Literals, classes, names, brackets, bars and quantifiers: all that is in the rules that are written here. */
const PART = /"(?:\\.|[^"\\])*"|\[(?:\\.|[^\]\\])*\]|\w+|[()|]|[*?+]|\{(\d+)(?:,\d*)?\}/gsu;

/** Throws what `errorOf` makes of the name of a rule that derives no finite text, if there is one. */
export function checkRulesEnd(book: RuleBook, errorOf: (rule: string) => Error): void {
  const open = new Map(book.rules);
  const ends = (name: string): boolean => !open.has(name);
  for (let size = -1; size !== open.size;) {
    size = open.size;
    for (const [name, body] of open) if (new Body(body, ends).ends()) open.delete(name);
  }
  const [endless] = open.keys();
  if (endless !== undefined) throw errorOf(endless);
}

/** Decides for one body, given which other rules end. */
class Body {
  readonly #parts: Iterator<RegExpMatchArray>;
  #part: RegExpMatchArray | undefined;

  constructor(
    body: string,
    private readonly isEnding: (rule: string) => boolean,
  ) {
    this.#parts = body.matchAll(PART);
    this.#step();
  }

  ends(): boolean {
    let any = false;
    for (;;) {
      any = this.#sequence() || any;
      if (this.#part?.[0] !== '|') return any;
      this.#step();
    }
  }

  #sequence(): boolean {
    let all = true;
    while (this.#part && this.#part[0] !== '|' && this.#part[0] !== ')') all = this.#item() && all;
    return all;
  }

  #item(): boolean {
    const text = this.#part?.[0] ?? '';
    this.#step();
    let item = /^\w/.test(text) ? this.isEnding(text) : true;
    if (text === '(') {
      item = this.ends();
      this.#step();
    }
    const quantifier = this.#part?.[0] ?? '';
    if (!/^[*?+{]/.test(quantifier)) return item;
    const mayBeNone = quantifier === '*' || quantifier === '?' || this.#part?.[1] === '0';
    this.#step();
    return item || mayBeNone;
  }

  #step(): void {
    const next = this.#parts.next();
    this.#part = next.done ? undefined : next.value;
  }
}
