// Reads a call that is written as in Python, as it comes: `f(x=1, y='two')`. Its arguments are given as JSON, one by one.
import type { CallPiece, FoundCall } from './tool-call-format';
import { NotPython, PythonReader } from './tool-call-python';
import { isRecord, jsonOf } from './tool-call-members';
import type { CallReader, CallState } from './tool-call-reader';

/** Of an argument's name with the spaces around it: it is looked at with each of its characters. */
const LONGEST_NAME = 1024;

/** One call, which may turn out to be none. */
export class PythonicCall implements CallReader {
  #state: CallState = 'reading';
  /** The text of the name, then of each argument's name, then of its value. */
  #text = '';
  #name: string | undefined;
  #argument: string | undefined;
  readonly #nesting = new Nesting();
  /** All arguments so far as JSON, and what of it was not given yet. */
  #json = '';
  #ready = '';
  #isGiven = false;
  #call: FoundCall | undefined;

  constructor(
    readonly index: number,
    private readonly known: ReadonlySet<string>,
  ) {}

  get state(): CallState {
    return this.#state;
  }

  get isGiven(): boolean {
    return this.#isGiven;
  }

  get call(): FoundCall | undefined {
    return this.#call;
  }

  read(text: string): number {
    for (let at = 0; at < text.length; at++) {
      if (!this.#take(text.charAt(at))) this.#state = 'broken';
      if (this.#state === 'broken') return at;
      if (this.#state === 'closed') return at + 1;
    }
    return text.length;
  }

  take(): CallPiece[] {
    if (this.#name === undefined || this.#ready === '') return [];
    const named = this.#isGiven ? {} : { name: this.#name };
    const piece = { index: this.index, ...named, argumentsText: this.#ready };
    this.#isGiven = true;
    this.#ready = '';
    return [piece];
  }

  /** Whether the character can stand there. */
  #take(character: string): boolean {
    if (this.#name === undefined) return this.#inName(character);
    return this.#argument === undefined ? this.#inArgument(character) : this.#inValue(character);
  }

  #inName(character: string): boolean {
    if (character === '(') return this.#endName(this.#text.trim());
    this.#text += character;
    const begun = this.#text.trimStart();
    return this.known.has(begun.trimEnd()) || [...this.known].some((name) => name.startsWith(begun));
  }

  #endName(name: string): boolean {
    if (!this.known.has(name)) return false;
    this.#name = name;
    this.#text = '';
    return true;
  }

  /** In an argument's name, or before the end of the call. */
  #inArgument(character: string): boolean {
    if (character === ')' && this.#text.trim() === '') return this.#close();
    if (character !== '=') {
      this.#text += character;
      return this.#text.length <= LONGEST_NAME && /^\s*(?:[A-Za-z_]\w*\s*)?$/.test(this.#text);
    }
    const argument = this.#text.trim();
    if (argument === '') return false;
    this.#argument = argument;
    this.#text = '';
    this.#write(`${this.#json === '' ? '{' : ', '}${JSON.stringify(argument)}: `);
    return true;
  }

  #inValue(character: string): boolean {
    const ends = this.#nesting.isOutermost && (character === ',' || character === ')');
    if (ends) return this.#endValue(character);
    if (!this.#nesting.take(character)) return this.#spoil();
    this.#text += character;
    return true;
  }

  #endValue(character: string): boolean {
    const json = jsonOfPython(this.#text);
    if (json === undefined) return this.#spoil();
    this.#write(json);
    this.#argument = undefined;
    this.#text = '';
    return character === ',' || this.#close();
  }

  /** What is no value is given as it stands. */
  #spoil(): boolean {
    this.#write(this.#text);
    return false;
  }

  #close(): boolean {
    this.#write(this.#json === '' ? '{}' : '}');
    const given = jsonOf(this.#json);
    if (this.#name === undefined || !isRecord(given)) return false;
    this.#call = { name: this.#name, arguments: given };
    this.#state = 'closed';
    return true;
  }

  #write(json: string): void {
    this.#json += json;
    this.#ready += json;
  }
}

/** Knows how deep in brackets and strings a text is. */
class Nesting {
  #depth = 0;
  #quote = '';
  #escaped = false;

  get isOutermost(): boolean {
    return this.#depth === 0 && this.#quote === '';
  }

  /** False for a closing bracket that has no other one. */
  take(character: string): boolean {
    if (this.#quote !== '') this.#inString(character);
    else if (character === '"' || character === "'") this.#quote = character;
    else if ('([{'.includes(character)) this.#depth++;
    else if (')]}'.includes(character)) this.#depth--;
    return this.#depth >= 0;
  }

  #inString(character: string): void {
    if (this.#escaped) this.#escaped = false;
    else if (character === '\\') this.#escaped = true;
    else if (character === this.#quote) this.#quote = '';
  }
}

/** A Python literal as JSON text; undefined if it is none. */
function jsonOfPython(text: string): string | undefined {
  try {
    return JSON.stringify(new PythonReader(text).literal());
  } catch (error) {
    if (error instanceof NotPython) return undefined;
    throw error;
  }
}
