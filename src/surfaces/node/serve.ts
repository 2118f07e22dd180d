// An HTTP server of the OpenAI API: requests of node:http become those of `fetch`, and answers go back as they come.

import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pipeline } from 'node:stream/promises';
import type { Engine } from '../../engine/types';
import { createFetch, type CreateFetchOptions, type EngineFor, type Fetch } from '../openai';

/** How to serve. */
export interface ServeOptions extends CreateFetchOptions {
  /** Default: a free one. */
  port?: number;
  /**
   * The address to listen on. Default `127.0.0.1`, which only this machine can reach. There is no other protection: on any
   * other address everybody who can reach it can use the model.
   */
  host?: string;
  /**
   * Origins of pages that may use the server, for example `http://localhost:5173`. Default: none. Programs that are no
   * browsers send no origin and need none.
   */
  origins?: readonly string[];
}

/** A server that runs. */
export interface RunningServer {
  /** Where it is, without a slash at its end; the base URL of clients is this and `/v1`. */
  readonly url: string;
  /** Takes no more requests, and resolves when those under way have been answered; `now` ends these within one step. */
  close(how?: { now?: boolean }): Promise<void>;
}

/** The longest body that is read, in bytes. */
const MAX_BODY = 64 << 20;

/** Serves the OpenAI API in front of `source`; see `createFetch`. Engines stay the caller's. */
export async function serve(
  source: Engine | EngineFor,
  { port = 0, host = '127.0.0.1', origins = [], ...options }: ServeOptions = {},
): Promise<RunningServer> {
  // Origins have no slash at their end, and addresses that are copied have.
  const allowed = origins.map((origin) => origin.replace(/\/$/, ''));
  const http = new HttpServer(createFetch(source, options), host, allowed);
  await http.listen(port);
  return http;
}

class HttpServer implements RunningServer {
  readonly #server: Server;
  /** Fires when what is under way is to end. */
  readonly #ending = new AbortController();
  /** Requests that are being answered. */
  #open = 0;
  #closed: Promise<void> | undefined;

  constructor(
    private readonly fetch: Fetch,
    private readonly host: string,
    private readonly origins: readonly string[],
  ) {
    this.#server = createServer((request, response) => {
      void this.#serve(request, response);
    });
    // A prompt can take longer than Node's five minutes to come to its first token.
    this.#server.requestTimeout = 0;
  }

  async listen(port: number): Promise<void> {
    this.#server.listen(port, this.host);
    await once(this.#server, 'listening');
  }

  get url(): string {
    const { port } = this.#server.address() as AddressInfo;
    return `http://${this.host.includes(':') ? `[${this.host}]` : this.host}:${port}`;
  }

  async close({ now = false }: { now?: boolean } = {}): Promise<void> {
    this.#closed ??= this.#stopListening();
    if (now) this.#ending.abort();
    this.#closeConnections();
    await this.#closed;
  }

  /** Resolves when the last connection is closed. */
  async #stopListening(): Promise<void> {
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** Of those that are kept for more requests some count as busy, and would keep the server. */
  #closeConnections(): void {
    if (this.#ending.signal.aborted || this.#open === 0) this.#server.closeAllConnections();
    else this.#server.closeIdleConnections();
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const gone = new AbortController();
    this.#open++;
    response.once('close', () => {
      this.#open--;
      gone.abort();
      if (this.#closed) this.#closeConnections();
    });
    try {
      await send(await this.#answer(request, AbortSignal.any([gone.signal, this.#ending.signal])), response);
    } catch {
      // The client has left, or is to leave: there is nobody to tell.
      response.destroy();
    }
  }

  async #answer(request: IncomingMessage, signal: AbortSignal): Promise<Response> {
    if (!this.#isForUs(request)) return refusal(403, 'This server answers only under its own address.');
    const { origin } = request.headers;
    if (origin === undefined) return this.#fetch(request, signal);
    // A page that anybody may have made could otherwise use the model of whoever looks at it.
    if (!this.origins.includes(origin)) return refusal(403, `Pages of ${origin} may not use this server.`);
    const response = request.method === 'OPTIONS' ? preflight(request) : await this.#fetch(request, signal);
    response.headers.set('access-control-allow-origin', origin);
    response.headers.append('vary', 'Origin');
    return response;
  }

  /** On loopback: that no foreign name was made to point here, by which a page would get past its own origin. */
  #isForUs({ headers }: IncomingMessage): boolean {
    if (!isLoopback(this.host)) return true;
    return headers.host !== undefined && isLoopback(headers.host.replace(/:\d+$/, ''));
  }

  async #fetch(request: IncomingMessage, signal: AbortSignal): Promise<Response> {
    const { method = 'GET', url = '/' } = request;
    if (method !== 'POST') return this.fetch(new URL(url, this.url), { method, signal });
    const body = await bodyOf(request);
    if (body === undefined) return refusal(413, `The body is longer than ${MAX_BODY} bytes.`);
    return this.fetch(new URL(url, this.url), { method, signal, body });
  }
}

function isLoopback(host: string): boolean {
  return /^(localhost|127(\.\d+){3}|\[?::1\]?)$/.test(host);
}

function refusal(status: number, message: string): Response {
  const error = { message, type: 'invalid_request_error', param: null, code: null };
  return Response.json({ error }, { status, headers: { 'x-should-retry': 'false' } });
}

function preflight({ headers }: IncomingMessage): Response {
  const allowed = {
    'access-control-allow-methods': 'GET, POST',
    'access-control-allow-headers': headers['access-control-request-headers'] ?? '*',
    'access-control-max-age': '600',
  };
  return new Response(null, { status: 204, headers: allowed });
}

/** Undefined if it is too long. */
async function bodyOf(request: IncomingMessage): Promise<string | undefined> {
  const pieces: Buffer[] = [];
  let length = 0;
  for await (const piece of request as AsyncIterable<Buffer>) {
    length += piece.length;
    if (length > MAX_BODY) return undefined;
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString('utf8');
}

/** Sends headers at once, and the body as fast as the client takes it. Rejects when it has left. */
async function send(answer: Response, response: ServerResponse): Promise<void> {
  response.writeHead(answer.status, Object.fromEntries(answer.headers));
  response.flushHeaders();
  await pipeline(answer.body ?? [], response);
}
