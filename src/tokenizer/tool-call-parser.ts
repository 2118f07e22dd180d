// Finds the calls of tools in what a model writes, and gives them when they are whole.
import { CALL_MARKS, type FoundCall, type ToolCallFormat } from './tool-call-format';
import { isRecord, jsonOf } from './tool-call-members';
import { NotPython, PythonReader } from './tool-call-python';

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

/** A parser for one answer of a model that was told of the tools with these `names`. Other names make no call. */
export function toolCallParser(format: ToolCallFormat, names: readonly string[]): ToolCallParser {
  const known = new Set(names);
  if (format === 'hermes') return new TaggedCalls(known);
  return format === 'pythonic'
    ? new WholeAnswer('[', parsePythonicCalls, known)
    : new WholeAnswer('{', parseJsonCalls, known);
}

const { open: OPEN, close: CLOSE } = CALL_MARKS;

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

function callOf(value: unknown, known: ReadonlySet<string>): FoundCall | undefined {
  if (!isRecord(value)) return undefined;
  const { name, arguments: own, parameters } = value;
  const given = own ?? parameters ?? {};
  // Some models write the arguments as a string, as the OpenAI API has them.
  const read = typeof given === 'string' ? jsonOf(given) : given;
  if (typeof name !== 'string' || !known.has(name) || !isRecord(read)) return undefined;
  return { name, arguments: read };
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
