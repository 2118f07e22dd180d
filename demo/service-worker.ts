// The service worker of the built demo: keeps the page's own files, so that it opens without a network. Models are none of them: the
// engine keeps those itself.

import type { Shell } from './shell';

/** What this script was built with (tools/vite/offline.ts). */
declare const SHELL: Shell;

/** What is used here of a service worker's scope. (TypeScript's DOM library leaves out what only workers have.) */
interface Scope {
  readonly registration: ServiceWorkerRegistration;
  addEventListener(type: 'install' | 'activate', listener: (event: Lasting) => void): void;
  addEventListener(type: 'fetch', listener: (event: Fetching) => void): void;
  skipWaiting(): Promise<void>;
  readonly clients: { claim(): Promise<void> };
}

interface Lasting {
  waitUntil(work: Promise<unknown>): void;
}

interface Fetching extends Lasting {
  readonly request: Request;
  respondWith(response: Promise<Response>): void;
}

const scope = globalThis as unknown as Scope;
const PREFIX = 'ternion-demo-';
const { version, assets, pages: documents } = SHELL;
const NAME = PREFIX + version;

const addressOf = (path: string): string => new URL(path, scope.registration.scope).href;
/** Where the files are whose names change with what is in them: those of this version and of all others. */
const hashed = addressOf('assets/');
/** The pages: each by its address, and the first one also by that of its folder. */
const pages = new Map(documents.map(({ path }) => [addressOf(path), addressOf(path)]));
pages.set(addressOf('./'), addressOf('index.html'));

/** Keeps all files of this version, or none: a page and its scripts are never of different ones. */
async function keep(): Promise<void> {
  const cache = await caches.open(NAME);
  // `integrity` refuses a page that is already of the next version, or that something on the way has changed.
  const requests = documents.map(
    ({ path, integrity }) => new Request(addressOf(path), { integrity, cache: 'no-cache' }),
  );
  await cache.addAll([...assets.map(addressOf), ...requests]);
  // Tabs that are open go on with what they have: the names of their files are theirs alone.
  await scope.skipWaiting();
}

/** Lets go of all versions but this one and the one before, which tabs may still show. */
async function tidy(): Promise<void> {
  const kept = (await caches.keys()).filter((name) => name.startsWith(PREFIX) && name !== NAME);
  // `keys` is in the order in which they were made.
  await Promise.all(kept.slice(0, -1).map((name) => caches.delete(name)));
  // The tab of the first visit, too, finds here what it loads later and an update has taken from the server.
  await scope.clients.claim();
}

/** What a name stands for is the same for whoever asks, whatever a server says that its answers vary with: `Origin`, often. */
const BY_NAME = { ignoreVary: true };

async function fromCacheFirst(request: Request): Promise<Response> {
  return (await caches.match(request, BY_NAME)) ?? fetch(request);
}

async function fromNetworkFirst(request: Request, page: string): Promise<Response> {
  try {
    return await fetch(request);
  } catch (error) {
    // Of this version alone, whose scripts are all here.
    const kept = await (await caches.open(NAME)).match(page, BY_NAME);
    if (kept) return kept;
    throw error;
  }
}

scope.addEventListener('install', (event) => event.waitUntil(keep()));
scope.addEventListener('activate', (event) => event.waitUntil(tidy()));
scope.addEventListener('fetch', (event) => {
  const { request } = event;
  // Whatever is left alone goes to the network as if there were no service worker: models above all, which come in ranges.
  if (request.method !== 'GET' || request.headers.has('range')) return;
  const { origin, pathname } = new URL(request.url);
  const page = request.mode === 'navigate' ? pages.get(origin + pathname) : undefined;
  if (page !== undefined) event.respondWith(fromNetworkFirst(request, page));
  else if (request.url.startsWith(hashed)) event.respondWith(fromCacheFirst(request));
});
