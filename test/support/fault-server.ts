// An HTTP server on this machine that can misbehave in every way that downloads have to survive.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What a request asked for, and what it got. */
export interface Exchange {
  method: string;
  path: string;
  headers: IncomingMessage['headers'];
  /** Bytes asked for, [first, after the last); undefined without a Range header. */
  range: [number, number] | undefined;
  /** Bytes of the body that were sent. */
  sent: number;
}

/** How one answer differs from a good one. */
export interface Fault {
  /** Answer with this status and no file. */
  status?: number;
  headers?: Record<string, string>;
  /** Break the connection after so many bytes of the body. */
  cutAfter?: number;
  /** Fall silent after so many bytes of the body. */
  stallAfter?: number;
  /** Send the whole file, whatever was asked for. */
  ignoreRange?: boolean;
  /** Do not say how long the file is. */
  noLength?: boolean;
  /** Say that the whole file has so many bytes. */
  claimedSize?: number;
  /** Send the part from so many bytes later than asked for. */
  shift?: number;
  /** Bytes a second, at most. */
  bytesPerSecond?: number;
}

/** A file on the server. */
export interface ServedFile {
  bytes: Uint8Array;
  etag?: string;
  lastModified?: string;
  contentType?: string;
}

const CHUNK = 64 << 10;

/** Serves `files` by path. `fault` decides for each request, the first being number 0, what goes wrong with it. */
export class FaultServer {
  readonly exchanges: Exchange[] = [];
  fault: (exchange: Exchange, number: number) => Fault | undefined = () => undefined;
  /** Requests being answered, until their last bytes are sent, and the most that ever were at once. */
  active = 0;
  mostActive = 0;
  readonly #server = createServer((request, response) => void this.#answer(request, response));

  constructor(readonly files: Map<string, ServedFile>) {}

  static async start(files: Record<string, ServedFile>): Promise<FaultServer> {
    const server = new FaultServer(new Map(Object.entries(files)));
    await new Promise<void>((resolve) => server.#server.listen(0, '127.0.0.1', resolve));
    return server;
  }

  /** The server's address, without a slash at its end. */
  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Bytes of bodies sent so far. */
  get bytesSent(): number {
    return this.exchanges.reduce((sum, { sent }) => sum + sent, 0);
  }

  /** How often each byte of a file was asked for: [least, most], over requests with a Range header. */
  timesAsked(path: string): [number, number] {
    return this.#times(path, ({ range }) => range);
  }

  /** How often each byte of a file was sent, [least, most], over requests with a Range header. */
  timesSent(path: string): [number, number] {
    return this.#times(path, ({ range, sent }) => range && [range[0], range[0] + sent]);
  }

  #times(path: string, part: (exchange: Exchange) => [number, number] | undefined): [number, number] {
    const { length } = this.files.get(path)!.bytes;
    const ranges = this.exchanges.flatMap((exchange) => {
      const range = exchange.path === path ? part(exchange) : undefined;
      return range ? [range] : [];
    });
    // Between two ends of ranges all bytes have the same count.
    const starts = new Set([0, ...ranges.flat()].filter((at) => at < length));
    const times = Array.from(
      starts,
      (at) => ranges.filter(([first, behind]) => first <= at && at < behind).length,
    );
    return [Math.min(...times), Math.max(...times)];
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = new URL(request.url ?? '/', 'http://localhost').pathname;
    const exchange: Exchange = {
      method: request.method ?? '',
      path,
      headers: request.headers,
      range: rangeOf(request),
      sent: 0,
    };
    const fault = this.fault(exchange, this.exchanges.push(exchange) - 1) ?? {};
    this.mostActive = Math.max(this.mostActive, ++this.active);
    let active = true;
    const done = (): void => {
      if (active) this.active--;
      active = false;
    };
    response.once('close', done);
    const file = this.files.get(path);
    if (fault.status !== undefined || !file) {
      response.writeHead(fault.status ?? 404, fault.headers).end();
      return;
    }
    const { size, from, to } = head(response, file, fault, exchange);
    if (exchange.method === 'HEAD') return void response.end();
    if (from >= size) return void response.writeHead(416, { 'content-range': `bytes */${size}` }).end();
    await body(response, file.bytes.subarray(from, to), fault, exchange, done);
  }
}

function rangeOf({ headers }: IncomingMessage): [number, number] | undefined {
  const match = /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? '');
  return match ? [Number(match[1]), Number(match[2]) + 1] : undefined;
}

/** Writes the headers of an answer; which bytes of the file follow. */
function head(
  response: ServerResponse,
  file: ServedFile,
  fault: Fault,
  { range, method }: Exchange,
): { size: number; from: number; to: number } {
  const size = fault.claimedSize ?? file.bytes.length;
  const part = fault.ignoreRange ? undefined : range;
  const from = (part?.[0] ?? 0) + (part ? (fault.shift ?? 0) : 0);
  const to = Math.min(part ? part[1] + (fault.shift ?? 0) : size, size);
  response.statusCode = part && method === 'GET' ? 206 : 200;
  if (from >= size) return { size, from, to };
  if (response.statusCode === 206) response.setHeader('content-range', `bytes ${from}-${to - 1}/${size}`);
  if (!fault.noLength) response.setHeader('content-length', method === 'HEAD' ? size : to - from);
  response.setHeader('content-type', file.contentType ?? 'application/octet-stream');
  if (file.etag) response.setHeader('etag', file.etag);
  if (file.lastModified) response.setHeader('last-modified', file.lastModified);
  response.setHeader('access-control-allow-origin', '*');
  response.setHeader('access-control-expose-headers', 'ETag, Content-Range');
  for (const [name, value] of Object.entries(fault.headers ?? {})) response.setHeader(name, value);
  return { size, from, to };
}

async function body(
  response: ServerResponse,
  bytes: Uint8Array,
  { cutAfter = Infinity, stallAfter = Infinity, bytesPerSecond }: Fault,
  exchange: Exchange,
  whenSent: () => void,
): Promise<void> {
  response.flushHeaders();
  const closed = new Promise((resolve) => response.once('close', resolve));
  while (exchange.sent < bytes.length && !response.destroyed) {
    const end = Math.min(exchange.sent + CHUNK, bytes.length, cutAfter, stallAfter);
    const chunk = bytes.subarray(exchange.sent, end);
    // Before the last bytes, for whoever has them may ask again at once.
    if (end === bytes.length) whenSent();
    const flushed = new Promise<void>((resolve) => response.write(chunk, () => resolve()));
    await Promise.race([flushed, closed]);
    exchange.sent = end;
    if (bytesPerSecond)
      await new Promise((resolve) => setTimeout(resolve, (chunk.length / bytesPerSecond) * 1000));
    if (end === cutAfter) return void response.destroy();
    if (end === stallAfter) return;
  }
  response.end();
}
