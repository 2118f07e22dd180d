// Calls of tools in the events of an answer, as OpenAI's API has them.

import type { ToolCallPiece } from '../../engine/types';
import { listIn, numberIn, objectIn, textIn, type Json } from './json';

/** Reads the calls of one answer. Servers may say the name of a call with each of its pieces; here it comes once. */
export class CallReader {
  readonly #begun = new Set<number>();

  /** Whether there was a call. */
  get called(): boolean {
    return this.#begun.size > 0;
  }

  /** What an event brings of calls. */
  read({ tool_calls }: Json): ToolCallPiece[] {
    return listIn(tool_calls).map((call, place) => this.#piece(objectIn(call), place));
  }

  #piece(call: Json, place: number): ToolCallPiece {
    const index = numberIn(call.index) ?? place;
    const { name, arguments: given } = objectIn(call.function);
    const piece = { index, argumentsText: textIn(given) };
    if (this.#begun.has(index)) return piece;
    this.#begun.add(index);
    return { ...piece, id: textIn(call.id) || crypto.randomUUID(), name: textIn(name) };
  }
}
