// Which pages offer to answer, and which of them is asked. What is known here is lost with the worker, and then asked for anew.

import type { Locks } from '../../storage/cache/locks';
import { whenOver } from './lives';
import type { Call, FromOffer, OfferMessage, ToOffer } from './protocol';
import type { ServiceWorkerScope } from './scope';

/** A page that answers. */
export class PageOffer {
  readonly #gone = new AbortController();
  #withdrawn = false;
  /** What the page was told; nothing yet at first. */
  #owns: boolean | undefined;

  constructor(
    readonly clientId: string,
    /** When it first offered, ms. */
    readonly since: number,
    private readonly port: MessagePort,
  ) {}

  /** Fires when the page has ended: nothing under way there will come to its end. */
  get gone(): AbortSignal {
    return this.#gone.signal;
  }

  /** Whether it takes requests. */
  get stands(): boolean {
    return !this.#withdrawn && !this.gone.aborted;
  }

  /** It takes no more requests; those under way go on. */
  withdraw(): void {
    this.#withdrawn = true;
  }

  leave(): void {
    this.#gone.abort();
    this.port.close();
  }

  /** Tells the page whether it is the one that is asked, if that has changed. */
  tell(owns: boolean): void {
    if (owns !== this.#owns) this.post({ type: 'owner', owns });
    this.#owns = owns;
  }

  post(message: ToOffer, transfer: Transferable[] = []): void {
    this.port.postMessage(message, transfer);
  }
}

/** The offers of all pages of an origin. */
export class OfferDesk {
  #offers: readonly PageOffer[] = [];
  /** Those who wait for an offer. */
  readonly #waiting = new Set<() => void>();

  constructor(
    private readonly clients: ServiceWorkerScope['clients'],
    private readonly locks: Locks | undefined,
    /** The name of this worker's own life, for pages to watch. */
    private readonly life: Promise<string | undefined>,
  ) {}

  /** The page that is asked: of those that are there, the one that offered first. */
  get owner(): PageOffer | undefined {
    return this.#offers[0];
  }

  /** Takes an offer. One that the same page made before is replaced; what it answers goes on. */
  async add(clientId: string, { since, life }: OfferMessage, port: MessagePort): Promise<void> {
    const offer = new PageOffer(clientId, since, port);
    port.onmessage = ({ data }: MessageEvent<FromOffer>) => {
      if (data.type !== 'withdraw') return;
      offer.withdraw();
      this.#settle(this.#offers);
    };
    whenOver(this.locks, life, offer.gone, () => this.#leave(offer));
    offer.post({ type: 'heard', id: clientId, life: await this.life });
    this.#settle([...this.#offers.filter((other) => other.clientId !== clientId), offer]);
    for (const wake of this.#waiting) wake();
  }

  /** The page to ask. Where there is none, all pages are called to offer; undefined if none has after `waitMs`. */
  async find(waitMs: number): Promise<PageOffer | undefined> {
    const present = await this.#present();
    if (present) return present;
    const offered = this.#nextOffer(waitMs);
    await this.#call();
    return (await offered) ? this.find(0) : undefined;
  }

  /** The owner, if its page is there still. Where there are no Web Locks, it is here that its end is noticed. */
  async #present(): Promise<PageOffer | undefined> {
    const { owner } = this;
    if (!owner || (await this.clients.get(owner.clientId))) return owner;
    this.#leave(owner);
    return this.#present();
  }

  /** Resolves to whether a page has offered within so many milliseconds. */
  #nextOffer(ms: number): Promise<boolean> {
    return new Promise((resolve) => {
      const settle = (offered: boolean): void => {
        clearTimeout(timer);
        this.#waiting.delete(wake);
        resolve(offered);
      };
      const wake = (): void => settle(true);
      const timer = setTimeout(() => settle(false), ms);
      this.#waiting.add(wake);
    });
  }

  /** Asks all pages to offer, those too that this worker does not control. */
  async #call(): Promise<void> {
    const message: Call = { ternion: 'call' };
    const pages = await this.clients.matchAll({ includeUncontrolled: true, type: 'window' });
    for (const page of pages) page.postMessage(message);
  }

  #leave(offer: PageOffer): void {
    offer.leave();
    this.#settle(this.#offers);
  }

  #settle(offers: readonly PageOffer[]): void {
    this.#offers = offers.filter(({ stands }) => stands).sort((a, b) => a.since - b.since);
    this.#offers.forEach((offer, i) => offer.tell(i === 0));
  }
}
