// Who has the GPU while an answer is read: its reader, or others who wait while the reader is away.

import type { Generation } from '../inference/generation';
import type { RequestQueue } from './request-queue';

/** A reader who stays away this long while others wait loses its turn until it comes back, ms. */
const IDLE_MS = 50;

/** The GPU during a turn: held while there is demand, lent to others who wait while there is none. */
export class GpuTurn {
  generation: Generation | undefined;
  #holds = false;
  #timer: ReturnType<typeof setInterval> | undefined;
  #pausing: Promise<void> | undefined;
  #ended = false;

  constructor(private readonly queue: RequestQueue) {}

  async enter(signal: AbortSignal): Promise<void> {
    await this.queue.enter(signal);
    this.#holds = true;
  }

  /** From now until `regain`, gives the GPU away if someone waits for it longer than a reader may take. */
  watch(): void {
    this.#timer = setInterval(() => {
      if (this.queue.contended) this.#pausing ??= this.#lend();
    }, IDLE_MS);
  }

  /** The reader is back. */
  async regain(signal: AbortSignal): Promise<void> {
    clearInterval(this.#timer);
    await this.#pausing;
    this.#pausing = undefined;
    if (!this.#holds) await this.enter(signal);
  }

  /** Lets what is in flight end, and leaves. Nothing happens the second time. */
  async end(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    clearInterval(this.#timer);
    try {
      await this.#pausing;
      await this.generation?.finish();
    } finally {
      this.#leave();
    }
  }

  async #lend(): Promise<void> {
    // A failure shows when the reader is back and asks for the next token.
    await this.generation?.pause().catch(() => {});
    this.#leave();
  }

  #leave(): void {
    if (this.#holds) this.queue.leave();
    this.#holds = false;
  }
}
