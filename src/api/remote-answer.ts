// An answer as a page receives it: what it was asked for, what came so far, and how another worker goes on with it.

import type { Outlet } from '../engine/chunk-stream';
import { Clock } from '../engine/clock';
import type { EncodedPrompt } from '../engine/encode-prompt';
import type { GenerateChunk } from '../engine/types';
import type { Frame, RemoteGenerateOptions, RemotePrompt } from '../worker/protocol';

/** An answer and its reader. */
export class RemoteAnswer {
  text = '';
  readonly tokenIds: number[] = [];
  /** Known with the first chunk, of an engine that tabs share. */
  #prompt: EncodedPrompt | undefined;
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
    return this.#prompt ? { begun: { prompt: this.#prompt, sampled: this.tokenIds } } : this.what;
  }

  /** Gives the reader a chunk, and counts it if the reader is there to get it. */
  give({ chunk, prompt }: Exclude<Frame, { failure: unknown }>): void {
    if (!this.outlet.put(chunk)) return;
    this.#prompt ??= prompt;
    for (const id of chunk.tokenIds) {
      this.tokenIds.push(id);
      this.#clock.token();
    }
    this.text += chunk.text;
  }

  /** The last chunk of an answer that was ended while no worker was there to make one; the prompt if something was given. */
  end(): { prompt: EncodedPrompt | undefined; chunk: GenerateChunk } {
    const usage = this.#clock.usage(this.#prompt?.ids.length ?? 0, 0, this.tokenIds.length);
    return { prompt: this.#prompt, chunk: { text: '', tokenIds: [], finishReason: 'abort', usage } };
  }
}
