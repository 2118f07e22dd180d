// How models write calls of tools, and what is found of them. A page imports this file, so it imports nothing.

/**
 * How a model writes calls:
 *
 * - `hermes` (Hermes, Qwen): `<tool_call>{"name": "f", "arguments": {…}}</tool_call>`, between text if it likes;
 * - `llama-3-json`: the answer is `{"name": "f", "parameters": {…}}`, or several of these with semicolons between them;
 * - `pythonic` (Llama 3.2 and 4): the answer is `[f(x=1), g(y='two')]`.
 */
export type ToolCallFormat = 'hermes' | 'llama-3-json' | 'pythonic';

/** The marks around a call of the format `hermes`. */
export const CALL_MARKS = { open: '<tool_call>', close: '</tool_call>' } as const;

/** A call that was found. */
export interface FoundCall {
  name: string;
  arguments: Record<string, unknown>;
}

/** A call of an answer that is whole. */
export interface WholeCall extends FoundCall {
  /** Which call of the answer, from 0. */
  index: number;
}

/** A part of a call as it comes. Joined over the pieces of one `index`, `argumentsText` is the arguments as JSON. */
export interface CallPiece {
  /** Which call of the answer, from 0. */
  index: number;
  /** On the first piece of a call only. */
  name?: string;
  /** What has come of the JSON text of the arguments; '' where only the name has. */
  argumentsText: string;
}

/** What has become final: text that is no call, and parts of calls. */
export interface StreamedCalls {
  text: string;
  calls: CallPiece[];
}

/**
 * Takes an answer apart as it comes. What may yet become a call is kept back until its name and the beginning of its arguments
 * are there; from then on it is a call. Should it break off later, or turn out not to be JSON, which can only happen
 * where no grammar holds the answer, then it stays a call as far as it came: its arguments do not parse, it is not among `calls`,
 * and what comes behind the fault is text.
 */
export interface ToolCallStream {
  /** The whole calls so far: those whose arguments are complete, and parse. */
  readonly calls: readonly WholeCall[];
  /** Takes the next text of the answer. */
  push(text: string): StreamedCalls;
  /** Ends the answer: what was kept back and is no call after all is text. */
  flush(): StreamedCalls;
}

/** The format that a chat template teaches its model, told by the template's text; undefined if it knows no tools. */
export function toolCallFormatOf(template: string): ToolCallFormat | undefined {
  if (!/\btools\b/.test(template)) return undefined;
  if (template.includes(CALL_MARKS.open)) return 'hermes';
  if (/\[func_name1?\(/.test(template)) return 'pythonic';
  if (/"parameters"\s*:|<\|python_tag\|>/.test(template)) return 'llama-3-json';
  return 'hermes';
}
