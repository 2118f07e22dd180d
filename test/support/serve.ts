// Serves test pages and the demo to real browsers, on a free port of this machine. What is built is built once for all files of a run.
import { createServer as createSocket, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { builtFolder } from './builds/built';
import { serveFolders, type Served } from './static-server';

export type { Served };

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/**
 * Serves the built pages, so `test/e2e/pages/x.html` is at that path; what is in `public/` is at `/`, and fixtures are at
 * `/test/fixtures/`. `headers` come with every file.
 */
export async function servePages(headers: Record<string, string> = {}): Promise<Served> {
  return serveFolders([await builtFolder('pages'), join(ROOT, 'public'), ROOT], headers);
}

/** Serves the demo as it was built. */
export async function serveDemo(): Promise<Served> {
  return serveFolders([await builtFolder('demo')]);
}

/** Serves the sources of the demo, as `npm start` does. */
export async function serveDemoSources(): Promise<Served> {
  const { createServer } = await import('vite');
  const server = await createServer({
    configFile: join(ROOT, 'vite.config.ts'),
    logLevel: 'warn',
    // Bundling dependencies when they are first met would reload the page amid a test.
    optimizeDeps: { noDiscovery: true },
    cacheDir: join(ROOT, 'node_modules/.vite/demo'),
    server: { host: '127.0.0.1', port: await freePort(), hmr: false, watch: null, open: false },
  });
  await server.listen();
  return { url: address(server.httpServer?.address()), close: () => server.close() };
}

/** A port that is free now. Vite can not be given port 0: its client in the page would ask for that port too. */
async function freePort(): Promise<number> {
  const socket = createSocket();
  await new Promise<void>((resolve) => socket.listen(0, '127.0.0.1', resolve));
  const { port } = socket.address() as AddressInfo;
  await new Promise((resolve) => socket.close(resolve));
  return port;
}

/** The port is not always the one that was asked for: somebody may have taken it in between. */
function address(bound: AddressInfo | string | null | undefined): string {
  if (!bound || typeof bound === 'string') throw new Error('The server is not listening on a port');
  return `http://127.0.0.1:${bound.port}/`;
}
