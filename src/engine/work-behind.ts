// What a load leaves for later: kernels that the first answer does without, and the timing of variants for the next load. It begins
// when the first answer is complete, or when none has come for a moment.

import { untilAborted } from '../errors';
import type { RequestQueue } from './request-queue';
import type { Resident } from './resident';

/** Whoever loads a model mostly asks something at once: for so long that is waited for, ms. */
const MOMENT_MS = 400;
/** How often it is looked whether somebody waits for the GPU, ms. */
const LOOK_MS = 20;

/** Does what is left for each resident, once, unless the resident goes before. */
export class WorkBehind {
  readonly #begun = new WeakSet<Resident>();

  constructor(private readonly queue: RequestQueue) {}

  /** `resident` is there: begins in a moment, unless somebody uses the GPU by then, whose end is told by `begin`. */
  expect(resident: Resident): void {
    if (!resident.hasWorkBehind) return;
    const timer = setTimeout(() => {
      if (!this.queue.held) this.begin(resident);
    }, MOMENT_MS);
    // Under Node nobody waits for it.
    (timer as { unref?: () => void }).unref?.();
    resident.ending.addEventListener('abort', () => clearTimeout(timer), { once: true });
  }

  /** Begins, where that has not been done. What fails is done again by whoever needs it, who then hears of a failure. */
  begin(resident: Resident): void {
    if (!resident.hasWorkBehind || resident.gone || this.#begun.has(resident)) return;
    this.#begun.add(resident);
    void this.#work(resident).catch(() => {});
  }

  async #work(resident: Resident): Promise<void> {
    await untilAborted(resident.transformer.complete(), resident.ending);
    if (!resident.tunesBehind) return;
    await this.queue.enter(resident.ending);
    const crowded = new AbortController();
    const look = setInterval(() => this.queue.contended && crowded.abort(), LOOK_MS);
    try {
      await resident.tune(AbortSignal.any([crowded.signal, this.queue.pressure, resident.ending]));
    } finally {
      clearInterval(look);
      this.queue.leave();
    }
  }
}
