// How the network is spoken to: one HTTP request at a time, with a limit on silence, and the rules for trying again.

import { abortedBy, TernionError, throwIfAborted } from '../../errors';

/** Figures of a download. All times in milliseconds. */
export interface NetworkPolicy {
  /** Requests for tensor data in flight at once. */
  connections: number;
  /** Pieces (see pieces.ts) that one request asks for. */
  runPieces: number;
  /** Pieces that may be in memory when there is no disk to put them on, those in flight included. */
  windowPieces: number;
  /** Failures in a row, without a byte between them, before a download is given up. */
  attempts: number;
  /** The same for the first request to a file, where a wrong address should be noticed soon. */
  openAttempts: number;
  /** Wait after the first failure; doubled after each further one, up to `maxBackoffMs`. Half of it is random. */
  backoffMs: number;
  maxBackoffMs: number;
  /** A server that asks (Retry-After) for more than this is given up. */
  maxRetryAfterMs: number;
  /** A connection without a byte for this long is given up, and tried again. */
  stallMs: number;
  /** How long to ask whether a cached file has changed, before taking it as it is. */
  validateMs: number;
}

export const DEFAULT_POLICY: NetworkPolicy = {
  connections: 4,
  runPieces: 8,
  windowPieces: 24,
  // With the waits below, some 90 s: a router that restarts, a train in a tunnel.
  attempts: 10,
  openAttempts: 4,
  backoffMs: 500,
  maxBackoffMs: 15_000,
  maxRetryAfterMs: 60_000,
  stallMs: 30_000,
  validateMs: 5_000,
};

/** What requests are made with. */
export interface Network {
  fetch: typeof fetch;
  policy: NetworkPolicy;
}

/** Where a file is, and what every request for it carries. */
export interface HttpTarget {
  url: string;
  headers?: Record<string, string> | undefined;
  credentials?: RequestCredentials | undefined;
}

/** A refusal by the server; the `cause` of `download-failed`. */
export class HttpStatusError extends Error {
  override readonly name = 'HttpStatusError';

  constructor(
    readonly status: number,
    statusText: string,
  ) {
    super(`the server answered ${status}${statusText && ` ${statusText}`}`);
  }
}

/** A failure that may pass: the connection broke, the server was busy. */
export class PassingFailure extends Error {
  override readonly name = 'PassingFailure';

  constructor(
    message: string,
    /** The server's own wish for the wait, if it had one. */
    readonly retryAfterMs?: number,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** The `download-failed` error of `url`. */
export function downloadFailed(url: string, what: string, cause?: unknown): TernionError {
  return new TernionError('download-failed', `Downloading ${withoutSecrets(url)} failed: ${what}.`, {
    cause,
  });
}

/** Query strings may hold signatures, and messages end up in logs; `data:` addresses may be very long. */
function withoutSecrets(url: string): string {
  return url.replace(/[?#].*$/s, '').slice(0, 200);
}

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
  const response = await watchdog.guard(
    network.fetch(target.url, {
      method,
      headers,
      signal: watchdog.signal,
      // The browser's own cache would keep a second copy, and makes requests for one URL wait for each other.
      cache: 'no-store',
      ...(target.credentials && { credentials: target.credentials }),
    }),
  );
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
  async guard<T>(waiting: Promise<T>): Promise<T> {
    const silence = new PassingFailure(`no byte came for ${this.stallMs / 1000} s`);
    const timer = setTimeout(() => this.#controller.abort(silence), this.stallMs);
    try {
      // Node leaves a read pending for ever that is aborted between the last byte and the end: so the signal counts too.
      return await abortable(waiting, this.signal);
    } catch (cause) {
      this.cancel();
      throwIfAborted(this.outer);
      if (this.signal.reason === silence) throw silence;
      const message = 'the connection broke, or the server does not allow this page';
      throw new PassingFailure(message, undefined, { cause });
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
function retryAfter(headers: Headers): number | undefined {
  const value = headers.get('retry-after');
  if (value === null) return undefined;
  const ms = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now();
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined;
}

/** Counts the failures in a row and waits between attempts. */
export class Retries {
  #failures = 0;

  constructor(
    private readonly policy: NetworkPolicy,
    private readonly url: string,
    private readonly attempts = policy.attempts,
  ) {}

  /** Bytes came: what failed before is forgotten. */
  succeeded(): void {
    this.#failures = 0;
  }

  /** Waits until the next attempt is due. Throws what cannot be retried, and `download-failed` when it is enough. */
  async failed(error: unknown, signal: AbortSignal | undefined): Promise<void> {
    if (!(error instanceof PassingFailure)) throw error;
    this.#failures++;
    const { backoffMs, maxBackoffMs, maxRetryAfterMs } = this.policy;
    const { retryAfterMs = 0 } = error;
    if (this.#failures >= this.attempts || retryAfterMs > maxRetryAfterMs) {
      throw downloadFailed(this.url, error.message, error.cause ?? error);
    }
    const backoff = Math.min(maxBackoffMs, backoffMs * 2 ** (this.#failures - 1));
    // Jitter keeps many tabs that lost the same server from coming back at the same instant.
    await delay(Math.max(retryAfterMs, backoff * (0.5 + Math.random() / 2)), signal);
  }
}

/** Waits. Rejects with `aborted` when the signal fires. */
export function delay(ms: number, signal: AbortSignal | undefined): Promise<void> {
  throwIfAborted(signal);
  let timer: ReturnType<typeof setTimeout>;
  const waiting = new Promise<void>((resolve) => (timer = setTimeout(resolve, ms)));
  return abortable(waiting, signal).finally(() => clearTimeout(timer));
}

/** `promise`, or `aborted` as soon as the signal fires. What `promise` waits for is not ended by that. */
export async function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise;
  let onAbort = (): void => {};
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(abortedBy(signal));
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
