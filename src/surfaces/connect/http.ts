// Requests to one server: where its paths are, what every request carries, and when one is tried again.

import { EventSourceParserStream } from 'eventsource-parser/stream';
import { throwIfAborted, untilAborted, type TernionError } from '../../errors';
import { retryAfter } from '../../storage/http/request';
import { delay } from '../../storage/http/retries';
import { eventIn, refusalOf, serverFailed } from './failures';
import type { Json } from './json';

/** Wait after the first failure, ms; doubled after each further one. Half of it is random. */
const BACKOFF_MS = 500;
const MAX_BACKOFF_MS = 8000;
/** A server that asks (Retry-After) for more than this is given up, ms. */
const MAX_RETRY_AFTER_MS = 30_000;
/** Characters of one event. More is no piece of an answer. */
const LONGEST_EVENT = 2 ** 24;

/** What requests are made with. */
export interface HttpOptions {
  /** An absolute URL without query. */
  baseURL: string;
  apiKey: string | undefined;
  headers: Record<string, string>;
  fetch: typeof fetch;
  maxRetries: number;
}

/** What came of one attempt. `retryAfterMs` is undefined where another one would not help. */
type Attempt = { response: Response } | { error: TernionError; retryAfterMs: number | undefined };

/** The HTTP side of a server. */
export class HttpServer {
  /** Where the OpenAI paths are, with no slash at its end. */
  readonly baseURL: string;
  /** Where a server's own paths are: beside `/v1`. */
  readonly root: string;

  constructor(private readonly options: HttpOptions) {
    this.baseURL = options.baseURL.replace(/\/+$/, '');
    this.root = this.baseURL.replace(/\/v1$/, '');
  }

  /** The JSON at `url`. */
  async get(url: string, signal: AbortSignal | undefined): Promise<unknown> {
    return this.#json(url, await this.#send(url, undefined, signal), signal);
  }

  /** The JSON that answers `body`. */
  async post(url: string, body: unknown, signal: AbortSignal | undefined): Promise<unknown> {
    return this.#json(url, await this.#send(url, body, signal), signal);
  }

  /**
   * The events that answer `body`, one for each `next`, so that a slow reader slows the server. Leaving the loop closes the
   * connection. An event that says what failed is thrown.
   */
  async *events(url: string, body: unknown, signal: AbortSignal): AsyncGenerator<Json, void> {
    const response = await this.#send(url, body, signal);
    if (!response.body) throw serverFailed(url, 'answered without a body');
    const reader = response.body
      .pipeThrough(new TextDecoderStream())
      .pipeThrough(new EventSourceParserStream({ maxBufferSize: LONGEST_EVENT }))
      .getReader();
    try {
      for (;;) {
        const { done, value } = await this.#next(url, reader, signal);
        if (done || value.data === '[DONE]') return;
        yield eventIn(url, value.data);
      }
    } finally {
      // Of a stream that has failed there is nothing to close.
      reader.cancel().catch(() => {});
    }
  }

  async #next<T>(
    url: string,
    reader: ReadableStreamDefaultReader<T>,
    signal: AbortSignal,
  ): Promise<ReadableStreamReadResult<T>> {
    try {
      return await untilAborted(reader.read(), signal);
    } catch (cause) {
      throwIfAborted(signal);
      throw serverFailed(url, 'broke off amid the answer', cause);
    }
  }

  async #json(url: string, response: Response, signal: AbortSignal | undefined): Promise<unknown> {
    try {
      return await untilAborted(response.json(), signal);
    } catch (cause) {
      throwIfAborted(signal);
      throw serverFailed(url, 'did not answer in JSON', cause);
    }
  }

  /** An answer with a status of success. Until its headers are there a request may be made again; after that it is not. */
  async #send(url: string, body: unknown, signal: AbortSignal | undefined): Promise<Response> {
    for (let failures = 0; ; failures++) {
      const attempt = await this.#attempt(url, body, signal);
      if ('response' in attempt) return attempt.response;
      const { error, retryAfterMs } = attempt;
      if (retryAfterMs === undefined || retryAfterMs > MAX_RETRY_AFTER_MS) throw error;
      if (failures >= this.options.maxRetries) throw error;
      const backoff = Math.min(MAX_BACKOFF_MS, BACKOFF_MS * 2 ** failures);
      await delay(Math.max(retryAfterMs, backoff * (0.5 + Math.random() / 2)), signal);
    }
  }

  async #attempt(url: string, body: unknown, signal: AbortSignal | undefined): Promise<Attempt> {
    throwIfAborted(signal);
    let response: Response;
    try {
      response = await untilAborted(this.options.fetch(url, this.#request(body, signal)), signal);
    } catch (cause) {
      throwIfAborted(signal);
      const what = 'cannot be reached, or does not allow this page (CORS)';
      return { error: serverFailed(url, what, cause), retryAfterMs: 0 };
    }
    if (response.ok) return { response };
    const retryAfterMs = passes(response) ? (retryAfter(response.headers) ?? 0) : undefined;
    return { error: await refusalOf(url, response), retryAfterMs };
  }

  #request(body: unknown, signal: AbortSignal | undefined): RequestInit {
    const { apiKey, headers } = this.options;
    const init: RequestInit = {
      headers: {
        ...(apiKey !== undefined && { authorization: `Bearer ${apiKey}` }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(signal && { signal }),
    };
    return body === undefined ? init : { ...init, method: 'POST', body: JSON.stringify(body) };
  }
}

/** Whether another attempt may help. Some servers say so themselves, as the OpenAI client understands it. */
function passes({ status, headers }: Response): boolean {
  const said = headers.get('x-should-retry');
  if (said === 'true' || said === 'false') return said === 'true';
  return status === 408 || status === 409 || status === 429 || status >= 500;
}
