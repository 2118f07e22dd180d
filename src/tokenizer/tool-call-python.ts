// Python literals, as models write them for arguments of calls.

/** The text is no literal. */
export class NotPython extends Error {}

/** Deeper than any arguments are, and far from the end of the stack. */
const MAX_DEPTH = 64;

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', b: '\b', f: '\f', '\n': '' };

const NAMED: ReadonlyMap<string, unknown> = new Map<string, unknown>([
  ['True', true],
  ['False', false],
  ['None', null],
  ['true', true],
  ['false', false],
  ['null', null],
]);

/** Reads a literal. Throws {@link NotPython} if the text is none. */
export class PythonReader {
  #at = 0;
  #depth = 0;

  constructor(private readonly text: string) {}

  /** The value that the text is, and nothing else. */
  literal(): unknown {
    const value = this.#value();
    this.#spaces();
    if (this.#at < this.text.length) throw new NotPython();
    return value;
  }

  #value(): unknown {
    this.#spaces();
    const next = this.text[this.#at];
    if (next === '[') return this.#sequence('[', ']', () => this.#value());
    if (next === '(') return this.#sequence('(', ')', () => this.#value());
    if (next === '{') return Object.fromEntries(this.#sequence('{', '}', () => this.#entry()));
    if (next === '"' || next === "'") return this.#string(next);
    const word = this.#match(/[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|[A-Za-z]+/y);
    if (NAMED.has(word)) return NAMED.get(word);
    const number = Number(word);
    if (!Number.isFinite(number)) throw new NotPython();
    return number;
  }

  #entry(): [string, unknown] {
    const key = this.#value();
    if (typeof key !== 'string' && typeof key !== 'number') throw new NotPython();
    this.#expect(':');
    return [String(key), this.#value()];
  }

  /** What stands between brackets, with commas between items and perhaps one at the end. */
  #sequence<T>(open: string, close: string, item: () => T): T[] {
    if (++this.#depth > MAX_DEPTH) throw new NotPython();
    this.#expect(open);
    const items: T[] = [];
    while (!this.#takes(close)) {
      if (items.length > 0) this.#expect(',');
      if (items.length > 0 && this.#takes(close)) break;
      items.push(item());
    }
    this.#depth--;
    return items;
  }

  #string(quote: string): string {
    this.#at++;
    let value = '';
    for (;;) {
      const character = this.text[this.#at++];
      if (character === undefined) throw new NotPython();
      if (character === quote) return value;
      value += character === '\\' ? this.#escape() : character;
    }
  }

  #escape(): string {
    const kind = this.text[this.#at++];
    if (kind === undefined) throw new NotPython();
    const digits = { x: 2, u: 4 }[kind];
    if (digits === undefined) return ESCAPES[kind] ?? kind;
    const code = this.text.slice(this.#at, this.#at + digits);
    if (code.length < digits || !/^[0-9a-fA-F]+$/.test(code)) throw new NotPython();
    this.#at += digits;
    return String.fromCharCode(parseInt(code, 16));
  }

  #match(pattern: RegExp): string {
    this.#spaces();
    pattern.lastIndex = this.#at;
    const [found] = pattern.exec(this.text) ?? [];
    if (found === undefined) throw new NotPython();
    this.#at += found.length;
    return found;
  }

  #expect(character: string): void {
    if (!this.#takes(character)) throw new NotPython();
  }

  #takes(character: string): boolean {
    this.#spaces();
    if (this.text[this.#at] !== character) return false;
    this.#at++;
    return true;
  }

  #spaces(): void {
    while (/\s/.test(this.text[this.#at] ?? '')) this.#at++;
  }
}
