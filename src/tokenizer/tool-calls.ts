// Finds the calls of tools in what a model writes, piece by piece. A page imports this file, so it imports nothing.

/**
 * How a model writes calls:
 *
 * - `hermes` (Hermes, Qwen): `<tool_call>{"name": "f", "arguments": {…}}</tool_call>`, between text if it likes;
 * - `llama-3-json`: the answer is `{"name": "f", "parameters": {…}}`, or several of these with semicolons between them;
 * - `pythonic` (Llama 3.2 and 4): the answer is `[f(x=1), g(y='two')]`.
 */
export type ToolCallFormat = 'hermes' | 'llama-3-json' | 'pythonic';

/** A call that was found. */
export interface FoundCall {
  name: string;
  arguments: Record<string, unknown>;
}

/** What has become final: text that is no call, and calls. */
export interface ToolCallPiece {
  text: string;
  calls: FoundCall[];
}

/** Takes an answer apart as it comes. */
export interface ToolCallParser {
  /** Takes the next text of the answer. What may yet become a call is kept back. */
  push(text: string): ToolCallPiece;
  /** Ends the answer: what was kept back and is no call after all is text. */
  flush(): ToolCallPiece;
}

/** The format that a chat template teaches its model, told by the template's text; undefined if it knows no tools. */
export function toolCallFormatOf(template: string): ToolCallFormat | undefined {
  if (!/\btools\b/.test(template)) return undefined;
  if (template.includes('<tool_call>')) return 'hermes';
  if (/\[func_name1?\(/.test(template)) return 'pythonic';
  if (/"parameters"\s*:|<\|python_tag\|>/.test(template)) return 'llama-3-json';
  return 'hermes';
}

/** A parser for one answer of a model that was told of the tools with these `names`. Other names make no call. */
export function toolCallParser(format: ToolCallFormat, names: readonly string[]): ToolCallParser {
  const known = new Set(names);
  if (format === 'hermes') return new TaggedCalls(known);
  return format === 'pythonic'
    ? new WholeAnswer('[', parsePythonicCalls, known)
    : new WholeAnswer('{', parseJsonCalls, known);
}

const OPEN = '<tool_call>';
const CLOSE = '</tool_call>';

/** Calls between tags. A tag is told from text as soon as one character differs. */
class TaggedCalls implements ToolCallParser {
  #pending = '';

  constructor(private readonly known: ReadonlySet<string>) {}

  push(text: string): ToolCallPiece {
    this.#pending += text;
    const piece: ToolCallPiece = { text: '', calls: [] };
    for (;;) {
      const start = this.#pending.indexOf(OPEN);
      if (start < 0) break;
      const end = this.#pending.indexOf(CLOSE, start);
      piece.text += this.#pending.slice(0, start);
      this.#pending = this.#pending.slice(start);
      if (end < 0) return piece;
      this.#close(end - start, piece);
    }
    const kept = tailThatMayBegin(this.#pending, OPEN);
    piece.text += this.#pending.slice(0, this.#pending.length - kept);
    this.#pending = this.#pending.slice(this.#pending.length - kept);
    return piece;
  }

  flush(): ToolCallPiece {
    const rest = this.#pending;
    this.#pending = '';
    // Models forget the closing tag where it would be the last thing that they say.
    const call = rest.startsWith(OPEN) ? this.#callIn(rest.slice(OPEN.length)) : undefined;
    return call ? { text: '', calls: [call] } : { text: rest, calls: [] };
  }

  /** Takes the tagged text at the front, whose closing tag is at `end`. One that holds no call is text, tags and all. */
  #close(end: number, piece: ToolCallPiece): void {
    const call = this.#callIn(this.#pending.slice(OPEN.length, end));
    if (call) piece.calls.push(call);
    else piece.text += this.#pending.slice(0, end + CLOSE.length);
    this.#pending = this.#pending.slice(end + CLOSE.length);
  }

  #callIn(text: string): FoundCall | undefined {
    return callOf(jsonOf(text), this.known);
  }
}

/** Answers that are calls from their first character to their last, or none at all. */
class WholeAnswer implements ToolCallParser {
  #state: 'beginning' | 'maybe-calls' | 'text' = 'beginning';
  #pending = '';

  constructor(
    private readonly first: '{' | '[',
    private readonly parse: (text: string, known: ReadonlySet<string>) => FoundCall[] | undefined,
    private readonly known: ReadonlySet<string>,
  ) {}

  push(text: string): ToolCallPiece {
    if (this.#state === 'text') return { text, calls: [] };
    this.#pending += text;
    const begun = this.#pending.trimStart();
    if (begun !== '' && !begun.startsWith(this.first)) return this.#asText();
    if (begun !== '') this.#state = 'maybe-calls';
    return { text: '', calls: [] };
  }

  flush(): ToolCallPiece {
    const calls = this.#state === 'maybe-calls' ? this.parse(this.#pending.trim(), this.known) : undefined;
    if (!calls) return this.#asText();
    this.#pending = '';
    return { text: '', calls };
  }

  #asText(): ToolCallPiece {
    this.#state = 'text';
    const text = this.#pending;
    this.#pending = '';
    return { text, calls: [] };
  }
}

/** How many of the last characters of `text` could be the beginning of `mark`. */
function tailThatMayBegin(text: string, mark: string): number {
  let length = Math.min(text.length, mark.length - 1);
  while (length > 0 && !mark.startsWith(text.slice(-length))) length--;
  return length;
}

/** Objects with semicolons between them. A semicolon may stand in a string too, so pieces are joined until they parse. */
function parseJsonCalls(text: string, known: ReadonlySet<string>): FoundCall[] | undefined {
  const calls: FoundCall[] = [];
  let joined = '';
  for (const part of text.split(';')) {
    joined += joined === '' ? part : `;${part}`;
    const value = jsonOf(joined);
    if (value === undefined) continue;
    const call = callOf(value, known);
    if (!call) return undefined;
    calls.push(call);
    joined = '';
  }
  return joined.trim() === '' && calls.length > 0 ? calls : undefined;
}

/** The value of a JSON text; undefined if it is none. */
function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function callOf(value: unknown, known: ReadonlySet<string>): FoundCall | undefined {
  if (!isRecord(value)) return undefined;
  const { name, arguments: own, parameters } = value;
  const given = own ?? parameters ?? {};
  // Some models write the arguments as a string, as the OpenAI API has them.
  const read = typeof given === 'string' ? jsonOf(given) : given;
  if (typeof name !== 'string' || !known.has(name) || !isRecord(read)) return undefined;
  return { name, arguments: read };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function parsePythonicCalls(text: string, known: ReadonlySet<string>): FoundCall[] | undefined {
  try {
    const calls = new PythonReader(text).calls();
    return calls.every(({ name }) => known.has(name)) ? calls : undefined;
  } catch (error) {
    if (error instanceof NotPython) return undefined;
    throw error;
  }
}

/** The text is no list of calls. */
class NotPython extends Error {}

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

/** Reads a list of Python calls whose arguments are literals with names. Throws {@link NotPython}. */
class PythonReader {
  #at = 0;
  #depth = 0;

  constructor(private readonly text: string) {}

  calls(): FoundCall[] {
    const calls = this.#sequence('[', ']', () => this.#call());
    this.#spaces();
    if (this.#at < this.text.length || calls.length === 0) throw new NotPython();
    return calls;
  }

  #call(): FoundCall {
    const name = this.#match(/[A-Za-z_][\w.-]*/y);
    const entries = this.#sequence('(', ')', () => {
      const argument = this.#match(/[A-Za-z_]\w*/y);
      this.#expect('=');
      return [argument, this.#value()] as const;
    });
    return { name, arguments: Object.fromEntries(entries) };
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
    if (Number.isNaN(number)) throw new NotPython();
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
