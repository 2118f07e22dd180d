// An answer as a page receives it: what it was asked for, what came so far, and how another worker goes on with it.

import type { AnswerPiece } from '../engine/answer';
import type { Outlet } from '../engine/chunk-stream';
import { Clock } from '../engine/clock';
import type { FittedPrompt } from '../engine/fit-prompt';
import type { GenerateChunk } from '../engine/types';
import { append } from '../engine/whole-answer';
import type { Frame, RemoteGenerateOptions, RemotePrompt } from '../worker/protocol';

/** An answer and its reader. */
export class RemoteAnswer {
  /** What the reader was given. */
  readonly given: AnswerPiece = { text: '', tokenIds: [] };
  /** Whether that is all. */
  ended = false;
  /** Known with the first chunk, of an engine that tabs share. */
  #prompt: FittedPrompt | undefined;
  readonly #clock = new Clock();

  constructor(
    private readonly what: RemotePrompt,
    readonly options: RemoteGenerateOptions,
    readonly outlet: Outlet,
  ) {}

  /** Whether the reader was given something. */
  get begun(): boolean {
    return this.#prompt !== undefined;
  }

  /** What is to be asked of a worker for all that the reader has not been given yet. */
  get rest(): RemotePrompt {
    return this.#prompt ? { begun: { prompt: this.#prompt, sampled: this.given.tokenIds } } : this.what;
  }

  /** Gives the reader a chunk, and counts it if the reader is there to get it. */
  give({ chunk, prompt }: Exclude<Frame, { failure: unknown }>): void {
    if (!this.outlet.put(chunk)) return;
    this.#prompt ??= prompt;
    this.ended = chunk.finishReason !== undefined;
    append(this.given, chunk);
    for (let i = 0; i < chunk.tokenIds.length; i++) this.#clock.token();
  }

  /** The last chunk of an answer that was ended while no worker was there to make one; the prompt if something was given. */
  end(): { prompt: FittedPrompt | undefined; chunk: GenerateChunk } {
    const prompt = this.#prompt;
    const usage = this.#clock.usage({
      promptTokens: prompt?.ids.length ?? 0,
      cachedTokens: 0,
      completionTokens: this.given.tokenIds.length,
      forcedTokens: 0,
      omittedTokens: prompt?.omittedTokens ?? 0,
      omittedTurns: prompt?.omittedTurns ?? 0,
    });
    return { prompt, chunk: { text: '', tokenIds: [], finishReason: 'abort', usage } };
  }
}
