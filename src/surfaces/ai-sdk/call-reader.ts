// Reads the chunks of a call, from a session that is lent for it.

import type { GenerateChunk } from '../../engine/types';
import type { ReadCall } from './call-options';
import type { Lent, SessionLease } from './session-lease';

/** The chunks of one call. A session that has ended with its model is replaced by another one before anything has come. */
export class CallReader {
  #lent: Lent;
  #reader: ReadableStreamDefaultReader<GenerateChunk>;
  #begun = false;
  #ended = false;

  constructor(
    private readonly sessions: SessionLease,
    private readonly call: Pick<ReadCall, 'messages' | 'generate'>,
  ) {
    this.#lent = sessions.take();
    this.#reader = this.#ask();
  }

  async read(): Promise<ReadableStreamReadResult<GenerateChunk>> {
    try {
      const result = await this.#reader.read();
      this.#begun = true;
      return result;
    } catch (error) {
      this.#ended = error instanceof Error && 'code' in error && error.code === 'disposed';
      if (!this.#ended || this.#begun || !this.#lent.used) throw error;
    }
    this.end();
    this.#ended = false;
    this.#lent = this.sessions.take();
    this.#reader = this.#ask();
    return this.read();
  }

  /** Ends the answer, and gives the session back once it has ended. */
  async cancel(reason: unknown): Promise<void> {
    await this.#reader.cancel(reason);
    this.end();
  }

  /** Gives the session back: nothing more is read. */
  end(): void {
    this.#lent.giveBack(this.#ended ? 'ended' : 'sound');
  }

  #ask(): ReadableStreamDefaultReader<GenerateChunk> {
    const { messages, generate } = this.call;
    return this.#lent.session.generate(messages, generate).getReader();
  }
}
