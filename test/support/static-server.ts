// Serves folders as any static host would: with lengths, ETags and ranges.
import { createReadStream, type Stats } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, normalize } from 'node:path';

const TYPES: Record<string, string> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.json': 'application/json',
  '.svg': 'image/svg+xml',
};

/** A running server. */
export interface Served {
  /** With a slash at its end. */
  url: string;
  close: () => Promise<void>;
}

interface Found {
  path: string;
  stats: Stats;
}

/** A server of `folders` on the loopback address; a file is that of the first folder that has it. `headers` come with each. */
export async function serveFolders(
  folders: readonly string[],
  headers: Record<string, string> = {},
): Promise<Served> {
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://localhost');
    void find(folders, decodeURIComponent(pathname)).then((found) => {
      if (found) answer(request, response, found, headers);
      else response.writeHead(404, headers).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function find(folders: readonly string[], pathname: string): Promise<Found | undefined> {
  const name = normalize(pathname.endsWith('/') ? `${pathname}index.html` : pathname);
  for (const folder of folders) {
    const path = join(folder, name);
    const stats = await stat(path).catch(() => undefined);
    if (stats?.isFile()) return { path, stats };
  }
  return undefined;
}

function answer(
  { method, headers: asked }: IncomingMessage,
  response: ServerResponse,
  { path, stats: { size, mtimeMs } }: Found,
  headers: Record<string, string>,
): void {
  const etag = `"${size.toString(16)}-${Math.round(mtimeMs).toString(16)}"`;
  const whole = { 'content-type': TYPES[extname(path)] ?? 'application/octet-stream', etag, ...headers };
  const range = rangeOf(asked.range, size);
  const isMeant = asked['if-range'] === undefined || asked['if-range'] === etag;
  const [from, to] = (isMeant && range) || [0, size];
  const partial = isMeant && range ? { 'content-range': `bytes ${from}-${to - 1}/${size}` } : {};
  response.writeHead(isMeant && range ? 206 : 200, {
    ...whole,
    ...partial,
    'accept-ranges': 'bytes',
    'content-length': to - from,
  });
  if (method === 'HEAD' || to === from) response.end();
  else createReadStream(path, { start: from, end: to - 1 }).pipe(response);
}

/** `bytes=2-` and `bytes=2-5`, which are all that is asked for here, as [from, to); undefined for anything else. */
function rangeOf(header: string | undefined, size: number): [number, number] | undefined {
  const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(header ?? '') ?? [];
  if (first === undefined || Number(first) >= size) return undefined;
  return [Number(first), last ? Math.min(Number(last) + 1, size) : size];
}
