// The page's part: offers to answer requests, to whichever service worker the browser has running for it.

import { TernionError, untilAborted } from '../../errors';
import { webLocks, type Locks } from '../../storage/cache/locks';
import { answerRequest, type Answer } from './answering';
import { beginLife, whenOver, type Life } from './lives';
import { isCall, type FromOffer, type OfferMessage, type ToOffer } from './protocol';
import type { WorkerContainer, WorkerPeer } from './scope';

/** How to offer. */
export interface OfferOptions {
  /** Hears whether this page is the one that is asked, each time that changes. */
  onOwner?: ((owns: boolean) => void) | undefined;
  /** Ends the wait for a service worker. */
  signal?: AbortSignal | undefined;
}

/** An offer that stands. */
export interface Offer {
  /** The id of this page as a client of the service worker, which responses have in the header `x-ternion-client`. */
  readonly clientId: string;
  /** Whether this page is asked now. If another one has offered before, it is asked, until it closes. */
  readonly owns: boolean;
  /** Takes no more requests. Resolves when those under way are answered. */
  withdraw(): Promise<void>;
}

/**
 * Offers to answer what the service worker of this page is asked. Waits until there is one, and it has heard; from then on
 * a service worker that was stopped and started again, or replaced, finds this page by itself. Rejects with
 * `unsupported-feature` where there are no service workers, and with `aborted`.
 */
export async function offer(answer: Answer, options: OfferOptions = {}): Promise<Offer> {
  const container = globalThis.navigator?.serviceWorker as WorkerContainer | undefined;
  if (container) return offerTo(container, webLocks(), answer, options);
  const message = 'There are no service workers here: they need https or localhost, and no private window.';
  throw new TernionError('unsupported-feature', message);
}

/** As `offer`, with parts of the browser of a caller's choice. */
export async function offerTo(
  container: WorkerContainer,
  locks: Locks | undefined,
  answer: Answer,
  { onOwner = () => {}, signal }: OfferOptions = {},
): Promise<Offer> {
  const made = new StandingOffer(container, locks, answer, onOwner, await beginLife(locks));
  try {
    await untilAborted(made.start(), signal);
    return made;
  } catch (error) {
    await made.withdraw();
    throw error;
  }
}

class StandingOffer implements Offer {
  clientId = '';
  owns = false;
  readonly #since = Date.now();
  readonly #answers = new Set<Promise<void>>();
  /** Those of all offers that were made: the last one is the one that stands. */
  readonly #ports: MessagePort[] = [];
  readonly #withdrawn = new AbortController();

  constructor(
    private readonly container: WorkerContainer,
    private readonly locks: Locks | undefined,
    private readonly answer: Answer,
    private readonly onOwner: (owns: boolean) => void,
    private readonly life: Life,
  ) {}

  async start(): Promise<void> {
    this.container.addEventListener('message', this.#onMessage);
    this.container.addEventListener('controllerchange', this.#onController);
    this.container.startMessages();
    const { active } = await this.container.ready;
    if (active && !this.#withdrawn.signal.aborted) await this.#offer(active);
  }

  async withdraw(): Promise<void> {
    this.container.removeEventListener('message', this.#onMessage);
    this.container.removeEventListener('controllerchange', this.#onController);
    const message: FromOffer = { type: 'withdraw' };
    this.#ports.at(-1)?.postMessage(message);
    this.#own(false);
    await Promise.all(this.#answers);
    this.#withdrawn.abort();
    for (const port of this.#ports) port.close();
    this.life.end();
  }

  /** A service worker that knows of nobody calls all pages. */
  readonly #onMessage = ({ data, source }: MessageEvent): void => {
    // Pages get messages here from service workers alone.
    if (isCall(data) && source) void this.#offer(source as WorkerPeer);
  };

  readonly #onController = (): void => {
    if (this.container.controller) void this.#offer(this.container.controller);
  };

  /** Resolves when the worker has heard. What an earlier offer was asked for goes on. */
  #offer(worker: WorkerPeer): Promise<void> {
    const { port1: port, port2 } = new MessageChannel();
    const message: OfferMessage = { ternion: 'offer', life: this.life.name, since: this.#since };
    /** Fires when the worker has ended, and its clients with it. */
    const gone = new AbortController();
    this.#ports.push(port);
    return new Promise((resolve) => {
      port.onmessage = ({ data, ports: [request] }: MessageEvent<ToOffer>) => {
        switch (data.type) {
          case 'heard':
            this.clientId = data.id;
            whenOver(this.locks, data.life, this.#withdrawn.signal, () => gone.abort());
            return resolve();
          case 'owner':
            return port === this.#ports.at(-1) ? this.#own(data.owns) : undefined;
          case 'request':
            return request && this.#take(answerRequest(this.answer, data.request, request, gone.signal));
        }
      };
      worker.postMessage(message, [port2]);
    });
  }

  #take(answering: Promise<void>): void {
    this.#answers.add(answering);
    void answering.finally(() => this.#answers.delete(answering));
  }

  #own(owns: boolean): void {
    if (owns === this.owns) return;
    this.owns = owns;
    this.onOwner(owns);
  }
}
