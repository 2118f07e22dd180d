// Who has the GPU: whoever's turn it is, or others who wait while the reader of an answer is away.

import type { RequestQueue } from './request-queue';

/** A reader who stays away this long while others wait loses its turn until it comes back, ms. */
const IDLE_MS = 50;

/** A request's hold on the GPU: held while there is demand, lent to others who wait while there is none. */
export class GpuTurn {
  #holds = false;
  #timer: ReturnType<typeof setInterval> | undefined;
  #lending: Promise<void> | undefined;
  #ended = false;

  /** `settle` lets what is in flight end, before the GPU is lent. */
  constructor(
    private readonly queue: RequestQueue,
    private readonly settle: () => Promise<void> = async () => {},
  ) {}

  /**
   * Waits until the GPU is the caller's: at first, when a reader is back, or before a step. Where somebody presses, it is
   * lent first. Rejects with `aborted`.
   */
  async hold(signal?: AbortSignal): Promise<void> {
    clearInterval(this.#timer);
    await this.#lending;
    this.#lending = undefined;
    if (this.#holds && this.queue.pressure.aborted) await this.#lend();
    if (this.#holds) return;
    await this.queue.enter(signal);
    this.#holds = true;
  }

  /** From now until `hold`, gives the GPU away if someone waits for it longer than a reader may take. */
  watch(): void {
    this.#timer = setInterval(() => {
      if (this.queue.contended) this.#lending ??= this.#lend();
    }, IDLE_MS);
  }

  /** Leaves for good, after `finish`. Nothing happens the second time. */
  async end(finish: () => Promise<void> = this.settle): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    clearInterval(this.#timer);
    try {
      await this.#lending;
      await finish();
    } finally {
      this.#leave();
    }
  }

  async #lend(): Promise<void> {
    // A failure shows when the reader is back and asks for the next token.
    await this.settle().catch(() => {});
    this.#leave();
  }

  #leave(): void {
    if (this.#holds) this.queue.leave();
    this.#holds = false;
  }
}
