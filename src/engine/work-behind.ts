// What a load leaves for later: kernels that the first answer does without, and the timing of variants. It begins
// when the first answer is complete, or when none has come for a moment.

import { untilAborted } from '../errors';
import type { Transformer } from '../inference/transformer';
import type { RequestQueue } from './request-queue';
import type { Resident } from './resident';

/** Whoever loads a model mostly asks something at once: for so long that is waited for, ms. */
const MOMENT_MS = 400;
/** How often it is looked whether somebody waits for the GPU, ms. */
const LOOK_MS = 20;

/** A resident, as far as this has to do with it. */
export type Loaded = Pick<Resident, 'gone' | 'ending' | 'hasWorkBehind' | 'tunesBehind' | 'tune'> & {
  readonly transformer: Pick<Transformer, 'complete'>;
};

/** Does what is left for each resident, once, unless the resident goes before. */
export class WorkBehind {
  readonly #begun = new WeakSet<Loaded>();

  constructor(private readonly queue: RequestQueue) {}

  /** `resident` is there: begins in a moment, or as soon after that as nobody uses the GPU. */
  expect(resident: Loaded): void {
    if (!resident.hasWorkBehind) return;
    // Not once: an answer that was cut or aborted is never complete.
    const look = setInterval(() => {
      if (this.queue.held && !resident.gone) return;
      clearInterval(look);
      this.begin(resident);
    }, MOMENT_MS);
    // Under Node nobody waits for it.
    (look as { unref?: () => void }).unref?.();
    resident.ending.addEventListener('abort', () => clearInterval(look), { once: true });
  }

  /**
   * Begins, where that has not been done, or was given up for somebody who waited for the GPU. What fails is done again by whoever
   * needs it, who then hears of a failure.
   */
  begin(resident: Loaded): void {
    if (!resident.hasWorkBehind || resident.gone || this.#begun.has(resident)) return;
    this.#begun.add(resident);
    void this.#work(resident).catch(() => {});
  }

  async #work(resident: Loaded): Promise<void> {
    await untilAborted(resident.transformer.complete(), resident.ending);
    if (!resident.tunesBehind) return;
    await this.queue.enter(resident.ending);
    const crowded = new AbortController();
    const look = setInterval(() => this.queue.contended && crowded.abort(), LOOK_MS);
    const signal = AbortSignal.any([crowded.signal, this.queue.pressure, resident.ending]);
    try {
      await resident.tune(signal);
    } catch (error) {
      // The next answer that is complete is another chance.
      if (signal.aborted) this.#begun.delete(resident);
      throw error;
    } finally {
      clearInterval(look);
      this.queue.leave();
    }
  }
}
