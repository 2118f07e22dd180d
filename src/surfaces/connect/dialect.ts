// What differs between servers: how an answer is asked for, and what its events mean.

import type { FinishReason, Prompt, ToolCallPiece } from '../../engine/types';
import type { Ids, PlainRemoteOptions, RemoteLogprob, WithIds, WithoutIds } from './types';

/** What to ask a server for. */
export interface Question {
  prompt: Prompt;
  options: PlainRemoteOptions;
  /** False if nobody reads before the answer is whole. A server may stream all the same. */
  streamed: boolean;
}

/** Counts of tokens so far, as far as the server says them. */
export interface Counts {
  promptTokens?: number | undefined;
  cachedTokens?: number | undefined;
  completionTokens?: number | undefined;
}

/** What one event brings. */
export interface Piece<I extends Ids> extends Counts {
  text: string;
  reasoning: string;
  /** What it brings of calls of tools, which stand behind the text. */
  toolCalls: ToolCallPiece[];
  tokenIds: I['tokenIds'];
  logprobs: RemoteLogprob<I>[];
}

/** How an answer ended. */
export interface End {
  finishReason: FinishReason;
  stopReason: string | number | undefined;
}

/** How to speak to a kind of server. */
export interface Dialect<I extends Ids> {
  readonly ids: IdHandling<I>;
  /** The answer as it comes. Leaving the loop, or the signal, closes the connection. */
  ask(question: Question, signal: AbortSignal): AsyncGenerator<Piece<I>, End>;
}

/** What to do with ids where a server says them, and where it says none. */
export interface IdHandling<I extends Ids> {
  readonly hasTokenIds: I['hasTokenIds'];
  /** All ids of some pieces, in order. */
  join(pieces: readonly I['tokenIds'][]): I['tokenIds'];
  /** How many there are; undefined where none are said. */
  count(tokenIds: I['tokenIds']): number | undefined;
  /** The id at `index`. Throws a `RangeError` if there is none, though the server says ids. */
  at(tokenIds: I['tokenIds'], index: number): I['tokenId'];
}

export const WITH_IDS: IdHandling<WithIds> = {
  hasTokenIds: true,
  join: (pieces) => pieces.flat(),
  count: ({ length }) => length,
  at(tokenIds, index) {
    const id = tokenIds[index];
    if (id === undefined) throw new RangeError(`There is no token ${index} among ${tokenIds.length}.`);
    return id;
  },
};

export const WITHOUT_IDS: IdHandling<WithoutIds> = {
  hasTokenIds: false,
  join: () => undefined,
  count: () => undefined,
  at: () => undefined,
};
