// Gives the GPU back while nobody sees the page: phones have little memory, and end what holds much of it unseen.

/** How long a page has to be hidden where the caller only says that it may be suspended then, ms. */
const HIDDEN_MS = 60_000;

/** What is known of a page: a `Document` is one. */
export type Page = Pick<Document, 'visibilityState' | 'addEventListener' | 'removeEventListener'>;

/** What can be suspended. */
export interface Suspendable {
  /** Whether something is under way that somebody waits for. */
  readonly busy: boolean;
  suspend(): Promise<void>;
}

/** The option's meaning in ms; undefined where it is off. */
export function hiddenMs(option: boolean | number | undefined): number | undefined {
  if (option === undefined || option === false) return undefined;
  return option === true ? HIDDEN_MS : option;
}

/** Suspends an engine once its page was hidden, and the engine not in use, for some time. Calls bring it back by themselves. */
export class SuspendWhenHidden {
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #onChange = (): void => this.check();

  constructor(
    private readonly engine: Suspendable,
    private readonly ms: number,
    private readonly page: Page = document,
  ) {
    page.addEventListener('visibilitychange', this.#onChange);
    this.check();
  }

  /** To be called whenever the engine begins or ends something: the time counts from then. */
  check(): void {
    clearTimeout(this.#timer);
    if (this.page.visibilityState !== 'hidden' || this.engine.busy) return;
    // A failure says that there is nothing to suspend: the worker is gone, or another model is on its way.
    this.#timer = setTimeout(() => void this.engine.suspend().catch(() => {}), this.ms);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.page.removeEventListener('visibilitychange', this.#onChange);
  }
}
