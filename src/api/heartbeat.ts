// How a page notices that its worker is gone where there are no Web Locks: it asks again and again, and hears nothing.

/** How often to ask, and how long to bear silence. */
export interface HeartbeatOptions {
  /** Time from one look to the next, ms. Default 10 s. */
  intervalMs?: number;
  /** Looks without an answer after which the other side counts as gone. Default 12: two minutes in all. */
  patience?: number;
}

/**
 * Calls `onSilence`, once, when `ping` has had no answer for long. A worker that computes cannot answer, so the time is
 * generous; and what counts is how often was looked, not the clock, which goes on while a computer sleeps.
 */
export class Heartbeat {
  readonly #timer: ReturnType<typeof setInterval>;
  #silent = 0;
  #asked = false;

  constructor(
    private readonly ping: () => Promise<unknown>,
    private readonly onSilence: () => void,
    { intervalMs = 10_000, patience = 12 }: HeartbeatOptions = {},
  ) {
    this.#timer = setInterval(() => {
      if (this.#silent >= patience) {
        this.stop();
        this.onSilence();
      } else this.#look();
    }, intervalMs);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    this.#silent++;
    // One question at a time: they would all be answered at once by a worker that was busy.
    if (this.#asked) return;
    this.#asked = true;
    const answered = (): void => {
      this.#asked = false;
      this.#silent = 0;
    };
    // A refusal is an answer too.
    this.ping().then(answered, answered);
  }
}
