// Serves test pages and the built demo to real browsers, on a free port of this machine.
import { createServer as createSocket, type AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { createServer, preview, type Connect, type Plugin } from 'vite';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const CONFIG = fileURLToPath(new URL('../../vite.config.ts', import.meta.url));

/** A running server. */
export interface Served {
  /** With a slash at its end. */
  url: string;
  close: () => Promise<void>;
}

export interface ServeOptions {
  /** Send the COOP and COEP headers that make a page cross-origin isolated. Default false. */
  isolated?: boolean;
  /** Packages that are bundled beforehand: those that are no ES modules all the way down. Default: none. */
  bundled?: string[];
  /** Answers requests before anything else does; calls `next` for those it leaves alone. */
  middleware?: Connect.NextHandleFunction;
}

const ISOLATION = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
};

function middlewarePlugin(middleware: Connect.NextHandleFunction): Plugin {
  return {
    name: 'test-middleware',
    configureServer: ({ middlewares }) => void middlewares.use(middleware),
    configurePreviewServer: ({ middlewares }) => void middlewares.use(middleware),
  };
}

/** A port that is free now. Vite can not be given port 0: its client in the page would ask for that port too. */
async function freePort(): Promise<number> {
  const socket = createSocket();
  await new Promise<void>((resolve) => socket.listen(0, '127.0.0.1', resolve));
  const { port } = socket.address() as AddressInfo;
  await new Promise((resolve) => socket.close(resolve));
  return port;
}

/** What both kinds of server have in common. */
async function common({ isolated = false, middleware }: ServeOptions) {
  return {
    configFile: CONFIG,
    logLevel: 'warn' as const,
    plugins: middleware ? [middlewarePlugin(middleware)] : [],
    listen: { host: '127.0.0.1', port: await freePort(), headers: isolated ? ISOLATION : {} },
  };
}

/**
 * Serves the sources with the repository as root, so `test/e2e/pages/x.html` is at `/test/e2e/pages/x.html`, and its
 * scripts can import `/src/index.ts`; what is in `public/` is at `/`.
 */
export async function serveSources(options: ServeOptions = {}): Promise<Served> {
  const { bundled = [] } = options;
  const { listen, ...config } = await common(options);
  const server = await createServer({
    ...config,
    root: ROOT,
    base: '/',
    publicDir: `${ROOT}public`,
    // Bundling dependencies when they are first met would reload the page amid a test. What is bundled is kept apart from
    // what servers for other pages have, which may start at the same time.
    optimizeDeps: { noDiscovery: true, include: bundled },
    cacheDir: `${ROOT}node_modules/.vite/${['pages', ...bundled].join('-')}`,
    server: { ...listen, hmr: false, watch: null },
  });
  await server.listen();
  return { url: address(server.httpServer?.address()), close: () => server.close() };
}

/** Serves the sources of the demo, as `npm start` does. */
export async function serveDemoSources(options: ServeOptions = {}): Promise<Served> {
  const { listen, ...config } = await common(options);
  const server = await createServer({
    ...config,
    optimizeDeps: { noDiscovery: true },
    cacheDir: `${ROOT}node_modules/.vite/demo`,
    server: { ...listen, hmr: false, watch: null, open: false },
  });
  await server.listen();
  return { url: address(server.httpServer?.address()), close: () => server.close() };
}

/** Serves the demo as it was built into the folder `outDir`. */
export async function serveDemo({ outDir }: { outDir: string }): Promise<Served> {
  const { listen, ...config } = await common({});
  const server = await preview({ ...config, build: { outDir }, preview: { ...listen, open: false } });
  return { url: address(server.httpServer.address()), close: () => server.close() };
}

/** The port is not always the one that was asked for: somebody may have taken it in between. */
function address(bound: AddressInfo | string | null | undefined): string {
  if (!bound || typeof bound === 'string') throw new Error('The server is not listening on a port');
  return `http://127.0.0.1:${bound.port}/`;
}
