// A file on a server whose length is known: its bytes, however often the connection breaks.

import type { TernionError } from '../../errors';
import { downloadFailed, PassingFailure } from './failures';
import type { HttpTarget, Network } from './network';
import { send, type Reply } from './request';
import { Retries } from './retries';
import { contentRange, differ, validatorsOf, type Validators } from './validators';

/** A file of known length on a server. */
export class RemoteFile {
  constructor(
    private readonly network: Network,
    private readonly target: HttpTarget,
    readonly validators: Validators & { size: number },
    /** Whether the server sends parts of the file. If not, a part is reached by reading what is before it. */
    readonly ranges: boolean,
  ) {}

  get url(): string {
    return this.target.url;
  }

  /**
   * The bytes from `from` up to `to`, in chunks as they come. Where a connection breaks, a new one goes on.
   * `reply` is an answer that brings them already. Rejects with `download-failed`, also if the file has changed, and `aborted`.
   */
  async *bytes(from: number, to: number, signal: AbortSignal, reply?: Reply): AsyncGenerator<Uint8Array> {
    const retries = new Retries(this.network.policy, this.url);
    let at = from;
    for (;;) {
      try {
        const answer = reply ?? (await this.#ask(at, to, signal));
        reply = undefined;
        for await (const chunk of this.#part(answer, at, to)) {
          retries.succeeded();
          at += chunk.length;
          yield chunk;
        }
        if (at === to) return;
        throw new PassingFailure(`the server ended after ${at} of ${to} bytes`);
      } catch (error) {
        await retries.failed(error, signal);
      }
    }
  }

  async #ask(from: number, to: number, signal: AbortSignal): Promise<Reply> {
    const reply = await send(this.network, this.target, { range: [from, to] }, signal);
    // No If-Range: it would cost pages of other origins a preflight request, and says nothing that this does not.
    if (differ(this.validators, validatorsOf(reply))) {
      reply.cancel();
      throw this.#changed();
    }
    return reply;
  }

  /** The bytes from `from` to `to` that an answer brings; fewer if it ends early. */
  async *#part(reply: Reply, from: number, to: number): AsyncGenerator<Uint8Array> {
    let at = reply.status === 206 ? (contentRange(reply.headers)?.start ?? from) : 0;
    if (at !== from && reply.status === 206) {
      reply.cancel();
      throw new PassingFailure(`the server sent bytes from ${at} where ${from} were asked for`);
    }
    for await (const chunk of reply) {
      const before = Math.max(0, from - at);
      at += chunk.length;
      if (at > to && (reply.status === 206 || to === this.validators.size)) throw this.#changed();
      const wanted = chunk.subarray(before, chunk.length - Math.max(0, at - to));
      if (wanted.length > 0) yield wanted;
      // Of a whole file only a part was wanted. Leaving the loop lets go of the connection.
      if (at >= to && reply.status !== 206) return;
    }
  }

  #changed(): TernionError {
    return downloadFailed(this.url, 'the file on the server changed meanwhile; load it again');
  }
}
