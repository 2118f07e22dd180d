// Takes apart what a server sends as one text: reasoning, calls of tools, and what is said.

import type { ToolCallPiece } from '../../engine/types';
import type { ReasoningSplitter } from '../../tokenizer/reasoning';
import type { CallPiece, ToolCallStream } from '../../tokenizer/tool-calls';

/** The parts of a piece of text. */
export interface SplitPiece {
  text: string;
  reasoning: string;
  toolCalls: ToolCallPiece[];
}

/** Follows one answer. Either splitter may be missing: then there is nothing of its kind. */
export class TextSplitter {
  #called = false;

  constructor(
    private readonly reasoning: ReasoningSplitter | undefined,
    private readonly calls: ToolCallStream | undefined,
  ) {}

  /** Whether there was a call. */
  get called(): boolean {
    return this.#called;
  }

  /** `over`: this is the last piece. */
  push(piece: string, over: boolean): SplitPiece {
    const said = this.#withoutReasoning(piece, over);
    if (!this.calls) return { ...said, toolCalls: [] };
    const found = [this.calls.push(said.text), ...(over ? [this.calls.flush()] : [])];
    return {
      text: found.map(({ text }) => text).join(''),
      reasoning: said.reasoning,
      toolCalls: found.flatMap(({ calls }) => calls).map((piece) => this.#named(piece)),
    };
  }

  #withoutReasoning(piece: string, over: boolean): { text: string; reasoning: string } {
    if (!this.reasoning) return { text: piece, reasoning: '' };
    const now = this.reasoning.push(piece);
    const rest = over ? this.reasoning.flush() : { text: '', reasoning: '' };
    return { text: now.text + rest.text, reasoning: now.reasoning + rest.reasoning };
  }

  #named(piece: CallPiece): ToolCallPiece {
    this.#called = true;
    return piece.name === undefined ? piece : { ...piece, id: crypto.randomUUID() };
  }
}
