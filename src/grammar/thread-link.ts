// The service's side of one thread: a request and its reply at a time, each within a limit.

import { TernionError } from '../errors';
import type { GrammarFailure, GrammarReplies, GrammarReply, GrammarRequest, ThreadPort } from './protocol';

/** A thread that has begun. */
export interface GrammarThread {
  readonly port: ThreadPort;
  /** Fires when the thread has ended by itself, where that is noticed. */
  readonly lost?: AbortSignal;
  /** Ends the thread, whatever it does. */
  end(): void;
}

/** Starts a thread. Rejects with a `TernionError` that says why there is none. */
export type StartGrammarThread = () => Promise<GrammarThread>;

/** A failure that the thread has told. */
export class GrammarError extends TernionError {
  /** Whether it may go better in a thread that has nothing else in it. */
  readonly outOfRoom: boolean;

  constructor({ code, message, outOfRoom }: GrammarFailure) {
    super(code, message);
    this.outOfRoom = outOfRoom;
  }
}

/** What is asked of a thread, and what is waited for at the time. */
type Asked = Exclude<GrammarRequest, { kind: 'release' }>;

/** A thread and the requests to it. It is ended as soon as it can be of no use any more. */
export class ThreadLink {
  /** Whether something was compiled there already. */
  used = false;
  #over: TernionError | undefined;
  #waiting: { settle: (reply: GrammarReply) => void; fail: (error: TernionError) => void } | undefined;

  constructor(private readonly thread: GrammarThread) {
    thread.port.onmessage = ({ data }: MessageEvent) => this.#waiting?.settle(data as GrammarReply);
    thread.port.unref?.();
    thread.lost?.addEventListener('abort', () => this.end(lost()), { once: true });
  }

  get isOver(): boolean {
    return this.#over !== undefined;
  }

  /** The thread's answer. If it takes longer than `limitMs` the thread is ended, and it rejects with what `tooLong` says. */
  async ask<Kind extends Asked['kind']>(
    request: Asked & { kind: Kind },
    limitMs: number,
    tooLong: () => TernionError,
  ): Promise<GrammarReplies[Kind]> {
    if (this.#over) throw this.#over;
    const { port } = this.thread;
    let timer: ReturnType<typeof setTimeout> | undefined;
    // A process of Node's waits for what was asked, and not for a thread with nothing to do.
    port.ref?.();
    try {
      const reply = await new Promise<GrammarReply>((settle, fail) => {
        this.#waiting = { settle, fail };
        timer = setTimeout(() => this.end(tooLong()), limitMs);
        port.postMessage(request, []);
      });
      if ('value' in reply) return reply.value as GrammarReplies[Kind];
      const error = new GrammarError(reply.failure);
      if (reply.failure.fatal) this.end(error);
      throw error;
    } finally {
      clearTimeout(timer);
      this.#waiting = undefined;
      port.unref?.();
    }
  }

  /** Tells the thread that an answer is over. */
  release(answer: number): void {
    if (!this.#over) this.thread.port.postMessage({ kind: 'release', answer }, []);
  }

  /** Ends the thread. What is being asked, and what will be, rejects with `reason`. Nothing happens the second time. */
  end(reason: TernionError): void {
    if (this.#over) return;
    this.#over = reason;
    this.#waiting?.fail(reason);
    this.thread.port.close();
    this.thread.end();
  }
}

function lost(): TernionError {
  return new TernionError(
    'worker-lost',
    'The worker for grammars has ended; the next answer starts another.',
  );
}
