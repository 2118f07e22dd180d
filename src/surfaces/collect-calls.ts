// Whole calls of tools, of the pieces in which they come.

import type { ToolCallPiece } from '../engine/types';

/** A call as far as it has come: its arguments are the beginning of a JSON text until it is whole. */
export interface CollectedCall {
  id: string;
  name: string;
  argumentsText: string;
}

/** Puts the pieces of an answer's calls together. */
export class CallCollector {
  readonly #calls = new Map<number, CollectedCall>();

  /** In the order in which they began. */
  get calls(): CollectedCall[] {
    return [...this.#calls.values()];
  }

  add(pieces: readonly ToolCallPiece[] = []): void {
    for (const { index, id = '', name = '', argumentsText } of pieces) {
      const call = this.#calls.get(index);
      if (call) call.argumentsText += argumentsText;
      else this.#calls.set(index, { id, name, argumentsText });
    }
  }
}

/** The arguments of a call that is whole; undefined for one that was cut. */
export function argumentsOf({ argumentsText }: CollectedCall): Record<string, unknown> | undefined {
  try {
    const read: unknown = JSON.parse(argumentsText);
    return isRecord(read) ? read : undefined;
  } catch {
    // The answer has ended amid the call.
    return undefined;
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
