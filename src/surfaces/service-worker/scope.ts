// The parts of a service worker's global scope that are used here, which the DOM's types do not have; and those of a page.

/** A page, or another kind of client, of a service worker. */
export interface WorkerClient {
  readonly id: string;
  postMessage(message: unknown, transfer?: Transferable[]): void;
}

/** A request that a client of the service worker makes. */
export interface RequestEvent {
  readonly request: Request;
  /** The response, which may be promised. */
  respondWith(response: Promise<Response>): void;
  /** Keeps the service worker running until then. */
  waitUntil(work: Promise<unknown>): void;
}

/** A message of a client. */
export interface ClientMessageEvent {
  readonly data: unknown;
  readonly source: unknown;
  readonly ports: readonly MessagePort[];
}

/** What `self` is in a service worker. */
export interface ServiceWorkerScope {
  readonly registration: { readonly scope: string };
  readonly clients: {
    get(id: string): Promise<WorkerClient | undefined>;
    matchAll(options: { includeUncontrolled: boolean; type: 'window' }): Promise<readonly WorkerClient[]>;
    claim(): Promise<void>;
  };
  addEventListener(type: 'fetch', listener: (event: RequestEvent) => void): void;
  addEventListener(type: 'message', listener: (event: ClientMessageEvent) => void): void;
  addEventListener(type: 'activate', listener: (event: Pick<RequestEvent, 'waitUntil'>) => void): void;
}

/** A service worker, as its pages see it. */
export interface WorkerPeer {
  postMessage(message: unknown, transfer: Transferable[]): void;
}

/** What `navigator.serviceWorker` is in a page. */
export interface WorkerContainer {
  readonly controller: WorkerPeer | null;
  readonly ready: Promise<{ readonly active: WorkerPeer | null }>;
  startMessages(): void;
  addEventListener(type: 'message', listener: (event: MessageEvent) => void): void;
  addEventListener(type: 'controllerchange', listener: () => void): void;
  removeEventListener(type: 'message', listener: (event: MessageEvent) => void): void;
  removeEventListener(type: 'controllerchange', listener: () => void): void;
}
