// Reads a call that is written as a JSON object, as it comes: `{"name": "f", "arguments": {…}}`.
import type { CallPiece, FoundCall } from './tool-call-format';
import type { CallReader, CallState } from './tool-call-reader';
import { isRecord, jsonOf, MemberScanner } from './tool-call-members';

/** What the value of a member is to the call. `unlike-object` are arguments that do not begin as an object. */
type Role = 'name' | 'arguments' | 'unlike-object' | 'none';

/** One call, which may turn out to be none. */
export class CallObject implements CallReader {
  readonly #scanner = new MemberScanner({
    character: (key, character, isFirst) => this.#character(key, character, isFirst),
    end: () => this.#end(),
  });
  #state: CallState = 'reading';
  #role: Role = 'none';
  /** The text of the value, as far as it has come. */
  #value = '';
  #name: string | undefined;
  #hasArguments = false;
  #arguments: Record<string, unknown> | undefined;
  /** Text of the arguments that was not given yet. */
  #ready = '';
  #isGiven = false;

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
    if (this.#name === undefined || !this.#arguments) return undefined;
    return { name: this.#name, arguments: this.#arguments };
  }

  read(text: string): number {
    for (let at = 0; at < text.length; at++) {
      const step = this.#scanner.take(text.charAt(at));
      if (step === 'on') continue;
      this.#state = step === 'closed' && this.#close() ? 'closed' : 'broken';
      return step === 'broken' ? at : at + 1;
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

  #character(key: string, character: string, isFirst: boolean): boolean {
    if (isFirst) {
      const role = this.#roleOf(key, character);
      if (!role) return false;
      this.#role = role;
      this.#value = '';
    }
    if (this.#role !== 'none') this.#value += character;
    if (this.#role === 'arguments') this.#ready += character;
    return true;
  }

  /** Undefined for a value with which this is no call. Of several names or arguments the first counts. */
  #roleOf(key: string, first: string): Role | undefined {
    if (key === 'name' && this.#name === undefined) return first === '"' ? 'name' : undefined;
    // Models use either word, whatever their template says.
    if ((key !== 'arguments' && key !== 'parameters') || this.#hasArguments) return 'none';
    this.#hasArguments = first !== 'n';
    if (first === '{') return 'arguments';
    return first === '"' || first === 'n' ? 'unlike-object' : undefined;
  }

  #end(): boolean {
    if (this.#role === 'none') return true;
    const value = jsonOf(this.#value);
    if (this.#role === 'name') return this.#endName(value);
    if (this.#role === 'arguments') return this.#endArguments(value);
    // Some models write the arguments as a string, as the OpenAI API has them; null is none.
    if (typeof value !== 'string') return value === null;
    if (!this.#endArguments(jsonOf(value))) return false;
    this.#ready = value;
    return true;
  }

  #endName(value: unknown): boolean {
    if (typeof value !== 'string' || !this.known.has(value)) return false;
    this.#name = value;
    return true;
  }

  #endArguments(value: unknown): boolean {
    if (!isRecord(value)) return false;
    this.#arguments = value;
    return true;
  }

  #close(): boolean {
    if (this.#name === undefined) return false;
    if (!this.#hasArguments) this.#ready = '{}';
    this.#arguments ??= {};
    return true;
  }
}
