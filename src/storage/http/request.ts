// One HTTP request at a time, with a limit on how long the network may be silent.

import { throwIfAborted, untilAborted } from '../../errors';
import { downloadFailed, HttpStatusError, noAnswer, PassingFailure, requestForbidden } from './failures';
import type { HttpTarget, Network } from './network';
import { watchRequest } from './violations';

/** An answer whose headers are there. The body comes by iterating, or `cancel` lets go of the connection. */
export interface Reply extends AsyncIterable<Uint8Array> {
  readonly status: number;
  readonly headers: Headers;
  cancel(): void;
}

/** What to ask for: `range` is [first byte, byte after the last). */
export interface Request {
  method?: 'GET' | 'HEAD';
  range?: readonly [number, number];
  stallMs?: number;
}

/**
 * Sends one request. Rejects with a {@link PassingFailure} where another attempt may help, with `download-failed` where
 * it will not, and with `aborted`.
 */
export async function send(
  network: Network,
  target: HttpTarget,
  { method = 'GET', range, stallMs = network.policy.stallMs }: Request,
  signal: AbortSignal | undefined,
): Promise<Reply> {
  throwIfAborted(signal);
  const watchdog = new Watchdog(stallMs, signal);
  const headers = new Headers(target.headers);
  if (range) headers.set('range', `bytes=${range[0]}-${range[1] - 1}`);
  const ask = (): Promise<Response> =>
    watchdog.guard(
      network.fetch(target.url, {
        method,
        headers,
        signal: watchdog.signal,
        // The browser's own cache would keep a second copy, and makes requests for one URL wait for each other.
        cache: 'no-store',
        ...(target.credentials && { credentials: target.credentials }),
      }),
      noAnswer(target.url, headers),
    );
  const response = await unlessForbidden(target.url, ask, signal);
  if (!response.ok) {
    watchdog.cancel();
    throw refusal(target.url, response);
  }
  return {
    status: response.status,
    headers: response.headers,
    cancel: () => watchdog.cancel(),
    [Symbol.asyncIterator]: () => chunksOf(response, watchdog),
  };
}

/** Runs `ask`, a request for `url`. Where a policy forbids it no other attempt would help, and `download-failed` says so. */
async function unlessForbidden<T>(
  url: string,
  ask: () => Promise<T>,
  signal: AbortSignal | undefined,
): Promise<T> {
  const watch = watchRequest(url);
  try {
    return await ask();
  } catch (error) {
    if (!(error instanceof PassingFailure)) throw error;
    if (await untilAborted(watch.explanation(), signal)) throw requestForbidden(url, error.cause);
    throw error;
  } finally {
    watch.stop();
  }
}

async function* chunksOf(response: Response, watchdog: Watchdog): AsyncGenerator<Uint8Array> {
  const reader = response.body?.getReader();
  if (!reader) return;
  try {
    for (;;) {
      const { done, value } = await watchdog.guard(reader.read());
      if (done) return;
      yield value;
    }
  } finally {
    watchdog.cancel();
  }
}

/** Ends a request on silence, or when the caller's signal fires. */
class Watchdog {
  readonly #controller = new AbortController();
  readonly signal = this.#controller.signal;
  readonly #onAbort = (): void => this.#controller.abort(this.outer?.reason);

  constructor(
    private readonly stallMs: number,
    private readonly outer: AbortSignal | undefined,
  ) {
    outer?.addEventListener('abort', this.#onAbort, { once: true });
  }

  /** Waits for the network, and no longer than it may be silent; what fails is named for what it is. */
  async guard<T>(waiting: Promise<T>, broken = 'the connection broke'): Promise<T> {
    const silence = new PassingFailure(`no byte came for ${this.stallMs / 1000} s`);
    const timer = setTimeout(() => this.#controller.abort(silence), this.stallMs);
    try {
      // Node leaves a read pending for ever that is aborted between the last byte and the end: so the signal counts too.
      return await untilAborted(waiting, this.signal);
    } catch (cause) {
      this.cancel();
      throwIfAborted(this.outer);
      if (this.signal.reason === silence) throw silence;
      throw new PassingFailure(broken, undefined, { cause });
    } finally {
      clearTimeout(timer);
    }
  }

  /** Lets go of the connection, if it is still there. */
  cancel(): void {
    this.outer?.removeEventListener('abort', this.#onAbort);
    this.#controller.abort();
  }
}

function refusal(url: string, { status, statusText, headers }: Response): Error {
  const error = new HttpStatusError(status, statusText);
  const passes = status === 408 || status === 425 || status === 429 || status >= 500;
  if (passes) return new PassingFailure(error.message, retryAfter(headers), { cause: error });
  return downloadFailed(url, error.message, error);
}

/** Retry-After in milliseconds: it comes as seconds or as a date. */
export function retryAfter(headers: Headers): number | undefined {
  const value = headers.get('retry-after');
  if (value === null) return undefined;
  const ms = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now();
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined;
}
