// The service worker's part: answers the OpenAI paths of its scope by asking a page. It knows nothing of models or of the API.

import { webLocks, type Locks } from '../../storage/cache/locks';
import { Exchange } from './exchange';
import { beginLife } from './lives';
import { OfferDesk } from './offer-desk';
import { isOffer, type RequestParts } from './protocol';
import type { RequestEvent, ServiceWorkerScope } from './scope';

/** How requests are served. */
export interface ServeOptions {
  /** How long a request waits for a page that offers, ms. After that it is answered with 503. Default 10 000. */
  waitMs?: number;
  /**
   * Take the pages that are open already, when the worker becomes active: so that one need not be loaded again before its
   * requests come here. Default true.
   */
  claim?: boolean;
}

/** What is served. */
export interface Serving {
  /** The id of the client (a tab) that answers now, as `clients.get` knows it; undefined if none is known. */
  readonly owner: string | undefined;
}

/**
 * Answers requests for `v1/…` under the scope of a service worker by a page that has called `offer`. To be called while the
 * service worker's script runs, with its `self`. Other requests are left alone.
 */
export function serve(scope: ServiceWorkerScope, options: ServeOptions = {}): Serving {
  return serveWith(webLocks(), scope, options);
}

/** As `serve`, with Web Locks of a caller's choice, or none. */
export function serveWith(
  locks: Locks | undefined,
  scope: ServiceWorkerScope,
  { waitMs = 10_000, claim = true }: ServeOptions = {},
): Serving {
  const life = beginLife(locks).then(({ name }) => name);
  const desk = new OfferDesk(scope.clients, locks, life);
  const prefix = new URL('v1/', scope.registration.scope).href;
  scope.addEventListener('message', ({ data, source, ports: [port] }) => {
    if (isOffer(data) && port && isClient(source)) void desk.add(source.id, data, port);
  });
  scope.addEventListener('fetch', (event) => {
    if (event.request.url.startsWith(prefix)) answer(event, desk, waitMs);
  });
  if (claim) scope.addEventListener('activate', (event) => event.waitUntil(scope.clients.claim()));
  return {
    get owner() {
      return desk.owner?.clientId;
    },
  };
}

function isClient(source: unknown): source is { id: string } {
  return typeof source === 'object' && source !== null && 'id' in source && typeof source.id === 'string';
}

/** Keeps the worker running until the client has the whole answer, or has left. */
function answer(event: RequestEvent, desk: OfferDesk, waitMs: number): void {
  const answered = ask(event.request, desk, waitMs);
  event.respondWith(answered.then(({ response }) => response));
  event.waitUntil(answered.then(({ over }) => over));
}

interface Answered {
  response: Response;
  over: Promise<void>;
}

async function ask(request: Request, desk: OfferDesk, waitMs: number): Promise<Answered> {
  const parts = await partsOf(request);
  for (;;) {
    const offer = await desk.find(waitMs);
    if (!offer) return { response: unavailable(waitMs), over: Promise.resolve() };
    const exchange = new Exchange(offer, parts);
    // Browsers differ in whether a client that leaves before the response has begun is heard of; if so, it is here.
    request.signal.addEventListener('abort', () => exchange.cancel(), { once: true });
    const response = await exchange.response;
    if (response) return { response, over: exchange.over };
  }
}

async function partsOf(request: Request): Promise<RequestParts> {
  const { method, url, headers } = request;
  const body = method === 'GET' || method === 'HEAD' ? undefined : await request.arrayBuffer();
  return { method, url, headers: [...headers], body };
}

/** The time to wait is over: clients that try again by themselves would only wait as long again. */
function unavailable(waitMs: number): Response {
  const message =
    `No open tab answers: a page of this origin must have loaded a model and called offer() of ternion/service-worker. ` +
    `None did within ${waitMs} ms.`;
  const error = { message, type: 'server_error', param: null, code: 'no_offer' };
  return Response.json({ error }, { status: 503, headers: { 'x-should-retry': 'false' } });
}
