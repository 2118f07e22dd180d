// Where a model is now: on a device, on its way onto another one in place of one that was lost, or on none while suspended.

import { TernionError, throwIfAborted, untilAborted } from '../errors';
import type { EngineStatus } from '../plan/load-options';
import type { GpuTurn } from './gpu-turn';
import type { RequestQueue } from './request-queue';
import type { Resident } from './resident';
import { WorkBehind } from './work-behind';

/** Brings a model onto a device again. */
export interface Reloader {
  /** Whether there can be another device in place of one that was lost. */
  readonly renewable: boolean;
  /** Brings the model onto a device, placed as it was at `before`. Rejects with a `TernionError`. */
  load(before: Resident, signal: AbortSignal): Promise<Resident>;
  /** The device is lost, and not to be used again. */
  discard(): void;
  /** Gives back the device, if it is the engine's own. */
  release(): void;
}

/** Losses in a row, with no work done between them to speak of, that are healed. The next one is an error. */
const MOST_LOSSES = 3;

/** Tokens after which a device counts as one that works. A request that was answered in full counts as many. */
export const WORK_DONE = 32;

/** Between a try that failed and the next: a browser may need a moment until it gives devices again. Times the tries, ms. */
const RETRY_MS = 500;

/** What a try can fail with that the next one may not: the others say that the model is not to be had any more. */
const PASSING: readonly string[] = ['device-lost', 'webgpu-unavailable', 'out-of-memory', 'internal'];

/**
 * The residents of one model, one after the other. Whoever has the GPU's turn uses the one that is there, and where there is
 * none, makes the next one first: so nothing is done for a device that nobody needs.
 */
export class Residence {
  /** The one that is there, or the last one that was. */
  #resident: Resident;
  #status: EngineStatus = 'ready';
  /** The one whose loss was counted last. */
  #noticed: Resident | undefined;
  #losses = 0;
  /** Work done since the last loss, in tokens. */
  #work = 0;
  /** Whether `suspend` was called, and nothing since that needs the GPU. */
  #wantsSuspended = false;
  #suspending: Promise<void> | undefined;
  /** Whether the queue is held so that nobody uses the GPU. */
  #suspended = false;
  readonly #closing = new AbortController();
  readonly #behind: WorkBehind;

  /** Owns `resident`, and those that come after it. Without a `reloader` there are none. */
  constructor(
    resident: Resident,
    private readonly queue: RequestQueue,
    private readonly reloader: Reloader | undefined,
    private readonly onStatus: (status: EngineStatus) => void = () => {},
  ) {
    this.#resident = resident;
    this.#behind = new WorkBehind(queue);
    this.#behind.expect(resident);
  }

  /** The resident that is there, or the last one that was. */
  get latest(): Resident {
    return this.#resident;
  }

  /** Bytes of GPU buffers held now. */
  get gpuBytes(): number {
    return this.#resident.gone ? 0 : this.#resident.gpu.bytes;
  }

  /**
   * Does `work` with the resident that is there, in `turn`, which holds the GPU afterwards. Where the device is lost
   * meanwhile, or given back, it is done again on the next one; so it must be such that it can be.
   */
  async use<T>(turn: GpuTurn, work: (resident: Resident) => Promise<T>, signal?: AbortSignal): Promise<T> {
    for (;;) {
      await turn.hold(signal);
      const resident = await this.#ready(signal);
      if (!resident) continue;
      try {
        return await work(resident);
      } catch (error) {
        throwIfAborted(signal);
        if (!this.queue.pressure.aborted && !(await resident.gpu.isLost())) throw error;
      }
    }
  }

  /** To be called when work was done: so many tokens, or a request in full ({@link WORK_DONE}). */
  worked(tokens: number): void {
    this.#work += tokens;
    if (this.#work < WORK_DONE) return;
    this.#losses = 0;
    this.#behind.begin(this.#resident);
  }

  /**
   * Frees all that is on the GPU, and gives the device back, as soon as what is under way has come to a point where it can
   * be taken up again. From then on requests wait, until `wake`. A `wake` that comes meanwhile is heard: then nothing is freed.
   */
  suspend(): Promise<void> {
    this.#wantsSuspended = true;
    if (this.#suspended) return Promise.resolve();
    this.#suspending ??= this.#suspend().finally(() => (this.#suspending = undefined));
    return this.#suspending;
  }

  /** Somebody needs the GPU: requests go on. */
  wake(): void {
    this.#wantsSuspended = false;
    if (this.#suspended) this.queue.leave();
    this.#suspended = false;
  }

  /** Ends what is being done for a new device; there will be none any more. */
  close(): void {
    this.#closing.abort();
    this.wake();
  }

  /** Frees all that is on the GPU, for good. To be called after `close`, in a turn. */
  destroy(): Promise<void> {
    return this.#resident.destroy();
  }

  async #suspend(): Promise<void> {
    const { reloader } = this;
    if (!reloader) {
      throw new TernionError(
        'unsupported-feature',
        'This engine cannot bring its model back; it cannot be suspended.',
      );
    }
    await this.queue.press();
    if (!this.#wantsSuspended) return this.queue.leave();
    await this.#resident.destroy();
    reloader.release();
    this.#suspended = true;
    this.#report('suspended');
    this.#heed();
  }

  /** Lets those go on who woke it while it was being suspended. */
  #heed(): void {
    if (!this.#wantsSuspended) this.wake();
  }

  /** The resident that is there, or the next one; undefined if somebody pressed for the GPU before that one was there. */
  async #ready(signal: AbortSignal | undefined): Promise<Resident | undefined> {
    const { latest } = this;
    if (!latest.gone) return latest;
    throwIfAborted(signal);
    this.#assertOpen();
    const { reloader } = this;
    if (!reloader || (latest.lost && !reloader.renewable)) {
      this.#report('lost');
      latest.gpu.assertAlive();
      throw new TernionError('internal', 'A model that cannot be brought back was given up.');
    }
    if (latest.lost) await this.#notice(latest, reloader);
    const wasSuspended = this.#status === 'suspended';
    this.#report('recovering');
    try {
      this.#resident = await this.#next(reloader, signal);
    } catch (error) {
      if (!this.#closing.signal.aborted) this.#report(wasSuspended ? 'suspended' : 'lost');
      throwIfAborted(signal);
      this.#assertOpen();
      if (this.queue.pressure.aborted) return undefined;
      throw error;
    }
    this.#report('ready');
    this.#behind.expect(this.#resident);
    return this.#resident;
  }

  /** Brings the model onto a device, in as many tries as there may be. Rejects with `device-lost`, or as the signals say. */
  async #next(reloader: Reloader, signal: AbortSignal | undefined): Promise<Resident> {
    const { pressure } = this.queue;
    const ending = AbortSignal.any([this.#closing.signal, pressure, ...(signal ? [signal] : [])]);
    let cause: unknown;
    while (this.#losses <= MOST_LOSSES) {
      try {
        return await reloader.load(this.#resident, ending);
      } catch (error) {
        throwIfAborted(ending);
        if (!(error instanceof TernionError && PASSING.includes(error.code))) throw cannotHeal(error);
        cause = error;
        this.#countLoss();
        if (this.#losses <= MOST_LOSSES) await pause(RETRY_MS * this.#losses, ending);
      }
    }
    // Whoever asks again has tries of their own.
    this.#losses = 0;
    throw cannotHeal(cause);
  }

  /** Counts the loss of `lost`, once. */
  async #notice(lost: Resident, reloader: Reloader): Promise<void> {
    if (this.#noticed === lost) return;
    this.#noticed = lost;
    this.#countLoss();
    reloader.discard();
    await lost.destroy();
  }

  #countLoss(): void {
    this.#losses++;
    this.#work = 0;
  }

  #report(status: EngineStatus): void {
    if (status === this.#status) return;
    this.#status = status;
    this.onStatus(status);
  }

  #assertOpen(): void {
    if (this.#closing.signal.aborted) throw new TernionError('disposed', 'The engine was disposed.');
  }
}

function cannotHeal(cause: unknown): TernionError {
  const why = cause instanceof Error ? cause.message : `It was lost ${MOST_LOSSES + 1} times in a row.`;
  const message = `The GPU device is gone, and the model could not be brought onto another one. ${why}`;
  return new TernionError('device-lost', message, { cause });
}

/** Waits; rejects with `aborted` as soon as `signal` fires. */
async function pause(ms: number, signal: AbortSignal): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  try {
    await untilAborted(new Promise<void>((resolve) => (timer = setTimeout(resolve, ms))), signal);
  } finally {
    clearTimeout(timer);
  }
}
