// A browser's service workers without a browser: pages that open and close, a worker that is stopped and started, Web Locks.
import type { Locks } from '../../src/storage/cache/locks';
import type { Answer } from '../../src/surfaces/service-worker/answering';
import { offerTo, type Offer } from '../../src/surfaces/service-worker/offer';
import type {
  ClientMessageEvent,
  RequestEvent,
  ServiceWorkerScope,
  WorkerContainer,
  WorkerPeer,
} from '../../src/surfaces/service-worker/scope';
import { serveWith, type ServeOptions, type Serving } from '../../src/surfaces/service-worker/serve';

type Listener = (event: never) => void;

/** Web Locks of which each is exclusive. Those of a page or worker that ends are released. */
class FakeLocks {
  readonly #queues = new Map<string, { owner: object; grant: () => void }[]>();

  /** The locks as `owner` sees them. */
  of(owner: object): Locks {
    return {
      acquire: (name, _mode, signal) =>
        new Promise((resolve, reject) => {
          const entry = { owner, grant: () => resolve(() => this.#leave(name, entry)) };
          const queue = this.#queues.get(name) ?? [];
          this.#queues.set(name, queue);
          queue.push(entry);
          if (queue[0] === entry) entry.grant();
          signal?.addEventListener('abort', () => {
            this.#leave(name, entry);
            reject(new Error('aborted'));
          });
        }),
      tryAcquire: () => Promise.reject(new Error('Nobody tries.')),
    };
  }

  end(owner: object): void {
    for (const [name, queue] of this.#queues)
      for (const entry of queue.filter((each) => each.owner === owner)) this.#leave(name, entry);
  }

  #leave(name: string, entry: { owner: object; grant: () => void }): void {
    const queue = this.#queues.get(name) ?? [];
    const at = queue.indexOf(entry);
    if (at < 0) return;
    queue.splice(at, 1);
    if (at === 0) queue[0]?.grant();
  }
}

/** A running service worker. */
class FakeWorker implements ServiceWorkerScope {
  readonly registration = { scope: 'https://app.example/chat/' };
  readonly #listeners = new Map<string, Listener[]>();
  readonly serving: Serving;
  /** Events that keep it running. */
  busy = 0;
  claimed = false;

  constructor(
    private readonly browser: FakeBrowser,
    options: ServeOptions,
  ) {
    this.serving = serveWith(browser.locksOf(this), this, options);
    this.dispatch('activate', { waitUntil: () => {} });
  }

  readonly clients = {
    get: (id: string) => Promise.resolve(this.browser.pages.find((page) => page.id === id)),
    matchAll: () => Promise.resolve(this.browser.pages),
    claim: () => {
      this.claimed = true;
      return Promise.resolve();
    },
  };

  addEventListener(type: string, listener: Listener): void {
    this.#listeners.set(type, [...(this.#listeners.get(type) ?? []), listener]);
  }

  dispatch(type: 'fetch', event: RequestEvent): void;
  dispatch(type: 'message', event: ClientMessageEvent): void;
  dispatch(type: 'activate', event: Pick<RequestEvent, 'waitUntil'>): void;
  dispatch(type: string, event: unknown): void {
    for (const listener of this.#listeners.get(type) ?? []) listener(event as never);
  }
}

/** A tab. */
class FakePage implements WorkerContainer {
  readonly id = crypto.randomUUID();
  readonly #events = new EventTarget();
  readonly #ports: MessagePort[] = [];

  constructor(private readonly browser: FakeBrowser) {}

  get controller(): WorkerPeer {
    return this.#peer;
  }

  get ready(): Promise<{ active: WorkerPeer }> {
    return Promise.resolve({ active: this.#peer });
  }

  /** The service worker, which the browser starts if something is sent to it. */
  readonly #peer: WorkerPeer = {
    postMessage: (data, ports) => {
      const port = ports[0];
      if (!(port instanceof MessagePort)) throw new Error('An offer comes with a port.');
      this.#ports.push(port);
      this.browser.worker.dispatch('message', { data, source: this, ports: [port] });
    },
  };

  startMessages(): void {}

  addEventListener(type: string, listener: (event: MessageEvent) => void): void {
    this.#events.addEventListener(type, listener as EventListener);
  }

  removeEventListener(type: string, listener: (event: MessageEvent) => void): void {
    this.#events.removeEventListener(type, listener as EventListener);
  }

  /** What the service worker says to this page. */
  postMessage(data: unknown): void {
    const event = new MessageEvent('message', { data });
    Object.defineProperty(event, 'source', { value: this.#peer });
    queueMicrotask(() => this.#events.dispatchEvent(event));
  }

  controllerChanges(): void {
    this.#events.dispatchEvent(new Event('controllerchange'));
  }

  offer(answer: Answer, onOwner?: (owns: boolean) => void): Promise<Offer> {
    return offerTo(this, this.browser.locksOf(this), answer, { onOwner });
  }

  /** Ends with all that runs in it. Nothing tells the service worker but its locks and the list of clients. */
  close(): void {
    for (const port of this.#ports) port.onmessage = null;
    this.browser.forget(this);
  }
}

/** A browser with one origin. */
export class FakeBrowser {
  readonly #locks = new FakeLocks();
  pages: FakePage[] = [];
  #worker: FakeWorker | undefined;

  constructor(
    private readonly options: ServeOptions = {},
    private readonly hasLocks = true,
  ) {}

  locksOf(owner: object): Locks | undefined {
    return this.hasLocks ? this.#locks.of(owner) : undefined;
  }

  /** The service worker; started if it is not running. */
  get worker(): FakeWorker {
    this.#worker ??= new FakeWorker(this, this.options);
    return this.#worker;
  }

  /** Ends the service worker, as browsers do when they like. What it knew is lost. */
  stopWorker(): void {
    if (this.#worker) this.#locks.end(this.#worker);
    this.#worker = undefined;
  }

  open(): FakePage {
    const page = new FakePage(this);
    this.pages.push(page);
    return page;
  }

  forget(page: FakePage): void {
    this.pages = this.pages.filter((other) => other !== page);
    this.#locks.end(page);
  }

  /** What a page of this origin gets for a request; undefined if the service worker leaves it to the network. */
  fetch(url: string, init?: RequestInit): Promise<Response> | undefined {
    const { worker } = this;
    let response: Promise<Response> | undefined;
    worker.dispatch('fetch', {
      request: new Request(new URL(url, 'https://app.example/'), init),
      respondWith(given) {
        response = given;
      },
      waitUntil(work) {
        worker.busy++;
        void work.finally(() => worker.busy--);
      },
    });
    return response;
  }
}
