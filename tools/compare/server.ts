// Serves folders to a browser, isolated, so that threads with shared memory are allowed.

import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, normalize } from 'node:path';

const HEADERS = {
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-embedder-policy': 'require-corp',
};
const TYPES: Record<string, string> = { '.js': 'text/javascript', '.wasm': 'application/wasm' };

/** `folders` by the first part of their address. `/` is an empty page. */
export async function serve(folders: Record<string, string>): Promise<{ url: string; server: Server }> {
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://localhost');
    if (pathname === '/') {
      response
        .writeHead(200, { ...HEADERS, 'content-type': 'text/html' })
        .end('<!doctype html><title>.</title>');
      return;
    }
    const [, first = '', ...rest] = normalize(decodeURIComponent(pathname)).split('/');
    const path = join(folders[first] ?? '/nowhere', ...rest);
    const missing = (): void => void response.writeHead(404, HEADERS).end();
    stat(path).then(({ size }) => {
      const type = TYPES[extname(path)] ?? 'application/octet-stream';
      response.writeHead(200, { ...HEADERS, 'content-type': type, 'content-length': size });
      createReadStream(path).pipe(response);
    }, missing);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { url: `http://localhost:${(server.address() as AddressInfo).port}`, server };
}
