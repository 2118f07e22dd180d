// One answer on its way to its reader: from its first token to the chunk that says how it ended.

import { TernionError, throwIfAborted } from '../errors';
import type { Answer, AnswerPiece, AnswerText } from './answer';
import type { Outlet } from './chunk-stream';
import type { Clock, UsageCounts } from './clock';
import type { FittedPrompt } from './fit-prompt';
import type { TokenRun } from './token-run';
import type { FinishReason, GenerateChunk, Usage } from './types';
import { append } from './whole-answer';

/** What an answer gets from its end when no token comes with it. */
export const NOTHING: AnswerPiece = { text: '', tokenIds: [] };
/** What is counted of an answer that has not begun. */
export const NOTHING_COUNTED: UsageCounts = {
  promptTokens: 0,
  cachedTokens: 0,
  completionTokens: 0,
  forcedTokens: 0,
  omittedTokens: 0,
  omittedTurns: 0,
};

/** An answer, with all that takes part in it. */
export interface TurnParts {
  prompt: FittedPrompt;
  answer: Answer;
  /** Where its tokens come from. */
  run: TokenRun;
  /** Most tokens of it. */
  limit: number;
  /** What the answer begins with, if that was decided beforehand. `answer` has it. */
  beginning: AnswerPiece | undefined;
  /** What the reader was given, which is less than the answer if it cancels while the last chunk is made. */
  given: AnswerPiece;
  outlet: Outlet;
  clock: Clock;
  /** Leaves the session as it is after what the reader was given. */
  keep: () => void;
}

/** What an answer is that begins with these tokens, which `answer` takes as far as none of them ends it. */
export function begunOf(answer: Answer, tokens: readonly number[] = []): AnswerPiece {
  const begun: AnswerPiece = { text: '', tokenIds: [] };
  for (const token of tokens) {
    append(begun, answer.push({ token }));
    if (answer.stopReason !== undefined) break;
  }
  return begun;
}

/** Gives the reader of an answer its chunks, one for each that is wanted. */
export class AnswerTurn {
  constructor(private readonly parts: TurnParts) {}

  /** Resolves when the last chunk was given, which says `abort` once `signal` has fired. */
  async giveAll(signal: AbortSignal): Promise<void> {
    const { run, keep } = this.parts;
    try {
      await this.#giveTokens(signal);
    } catch (error) {
      if (!(error instanceof TernionError) || error.code !== 'aborted') throw error;
      await this.#giveLast(NOTHING, 'abort');
    } finally {
      // After a failure. A second one here would only hide the first.
      await run.end().catch(() => {});
      keep();
    }
  }

  async #giveTokens(signal: AbortSignal): Promise<void> {
    const { answer, run, limit, outlet, clock, beginning } = this.parts;
    await run.enter(signal);
    clock.queued();
    for (let given = beginning; ; given = undefined) {
      if (!given && !(await run.ready(signal))) return this.#giveLast(NOTHING, 'length');
      // From here to where it is given nothing waits: a token that is taken is given, whenever the signal fires, and is
      // among those that the next device goes on from.
      throwIfAborted(signal);
      const piece = given ?? this.#take();
      if (answer.stopReason !== undefined) return this.#giveLast(piece, 'stop');
      if (answer.tokenIds.length >= limit) return this.#giveLast(piece, 'length');
      this.#give(piece);
      run.watch();
      await outlet.wanted();
      await run.regain(signal);
      throwIfAborted(signal);
    }
  }

  #take(): AnswerPiece {
    const { answer, run, clock } = this.parts;
    const piece = answer.push(run.take());
    clock.token();
    return piece;
  }

  #give(chunk: GenerateChunk): void {
    const { outlet, given } = this.parts;
    if (outlet.put(chunk)) append(given, chunk);
  }

  /** The end of the stream is the end of the turn: whoever reads the last chunk may begin the next turn at once. */
  async #giveLast(piece: AnswerPiece, reason: FinishReason): Promise<void> {
    const { answer, run, keep } = this.parts;
    const usage = this.#usage();
    const last = joined(piece, answer.flush());
    const finishReason = reason === 'stop' && answer.calls.length > 0 ? 'tool-calls' : reason;
    if (finishReason !== 'abort') run.done();
    await run.end();
    this.#give({ ...last, finishReason, usage });
    keep();
  }

  #usage(): Usage {
    const { prompt, answer, run, clock } = this.parts;
    const { omittedTokens, omittedTurns } = prompt;
    return clock.usage({
      promptTokens: prompt.ids.length,
      // What an answer was begun with may be in the cache, too.
      cachedTokens: Math.min(run.cachedTokens, prompt.ids.length),
      completionTokens: answer.tokenIds.length,
      forcedTokens: answer.forcedTokens,
      ...(answer.stopReason !== undefined && { stopReason: answer.stopReason }),
      omittedTokens,
      omittedTurns,
    });
  }
}

/** A piece with what comes behind its text. */
function joined(piece: AnswerPiece, rest: AnswerText): AnswerPiece {
  const reasoning = (piece.reasoning ?? '') + (rest.reasoning ?? '');
  const toolCalls = [...(piece.toolCalls ?? []), ...(rest.toolCalls ?? [])];
  return {
    ...piece,
    text: piece.text + rest.text,
    ...(reasoning !== '' && { reasoning }),
    ...(toolCalls.length > 0 && { toolCalls }),
  };
}
