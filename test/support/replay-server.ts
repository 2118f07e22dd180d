// A server on loopback that answers from fixtures, in pieces as a test cuts them, and says what it was asked.
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

const FIXTURES = new URL('../fixtures/servers/', import.meta.url);

/** The bytes of a fixture of test/fixtures/servers. */
export function recorded(name: string): Buffer {
  return readFileSync(new URL(name, FIXTURES));
}

/** A request that came. */
export interface Asked {
  path: string;
  headers: IncomingMessage['headers'];
  /** Parsed; undefined for a GET. */
  body: unknown;
}

/** What a path is answered with. */
export interface Reply {
  status?: number;
  headers?: Record<string, string>;
  /** Sent one after the other: each arrives by itself, as it is a chunk of its own in HTTP. */
  pieces?: readonly (Buffer | string)[];
  /** Breaks the connection after the pieces, or leaves it open. Default: the answer ends. */
  then?: 'break' | 'wait';
  /** Takes over after the headers. */
  run?: (response: ServerResponse) => void;
}

/** Answers of a path: the last one is given again and again. */
export type Routes = Record<string, Reply | Reply[]>;

/** A server that is running. */
export class ReplayServer {
  readonly asked: Asked[] = [];
  /** Connections that the client closed before the answer was whole. */
  hungUp = 0;
  routes: Routes = {};
  readonly #server = createServer((request, response) => void this.#answer(request, response));

  static async start(): Promise<ReplayServer> {
    const server = new ReplayServer();
    // A connection that is closed because it was idle may be closed while the next request is on its way.
    server.#server.keepAliveTimeout = 0;
    await new Promise<void>((resolve) => server.#server.listen(0, '127.0.0.1', resolve));
    return server;
  }

  /** With no slash at its end. */
  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Forgets what was asked, and answers by these routes from now on. */
  play(routes: Routes): void {
    this.asked.length = 0;
    this.hungUp = 0;
    this.routes = routes;
  }

  close(): Promise<void> {
    this.#server.closeAllConnections();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url ?? '/';
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const text = Buffer.concat(parts).toString();
    this.asked.push({ path, headers: request.headers, body: text === '' ? undefined : JSON.parse(text) });
    response.on('close', () => response.writableFinished || this.hungUp++);
    const { status = 200, headers = {}, pieces = [], then, run } = this.#next(path);
    response.writeHead(status, headers);
    for (const piece of pieces) response.write(piece);
    if (run) run(response);
    else if (then === undefined) response.end();
    // In order, so that what was sent arrives before.
    else if (then === 'break') response.socket?.end();
  }

  #next(path: string): Reply {
    const route = this.routes[path];
    if (!route) return { status: 404, pieces: ['{"error":{"message":"Not Found"}}'] };
    if (!Array.isArray(route)) return route;
    const [first = {}] = route;
    return route.length > 1 ? (route.shift() ?? first) : first;
  }
}
