// Brings what a page has under way from one worker to the next: calls, answers, and what sessions have to be told.

import { abortedBy, TernionError } from '../errors';
import type { ConversationData } from '../engine/conversation';
import type { LinkedWorker } from './engine-link';

/** Something that is to be done with a worker, whichever it is. */
interface Task {
  /** The worker that it is being done with. */
  worker: LinkedWorker | undefined;
  start(worker: LinkedWorker): void;
  /** Ends it, whatever becomes of what a worker does for it. */
  giveUp(error: Error): void;
}

/** The work of a page and the worker that does it. */
export class Handover {
  /** Nothing is done while there is none. */
  #worker: LinkedWorker | undefined;
  /** In the order in which they came, which is that in which another worker gets them. */
  readonly #tasks = new Set<Task>();
  readonly #memories = new Map<number, ConversationData>();
  /** Sessions of which the next worker has to be told. */
  readonly #untold = new Set<number>();
  #left = false;

  /** When `over` fires all that is under way ends with its reason. */
  constructor(private readonly over: AbortSignal) {
    const onOver = (): void => {
      for (const task of [...this.#tasks]) task.giveUp(over.reason as Error);
    };
    over.addEventListener('abort', onOver, { once: true });
  }

  /** Does `work` with the worker that is there, or the next one, and again with the one after that if it is lost meanwhile. */
  use<T>(work: (worker: LinkedWorker) => Promise<T>, signal?: AbortSignal): Promise<T> {
    if (this.over.aborted) return Promise.reject(this.over.reason as TernionError);
    if (this.#left && !this.#worker) return Promise.reject(left());
    return new Promise<T>((resolve, reject) => {
      const settle = (how: () => void): void => {
        this.#tasks.delete(task);
        signal?.removeEventListener('abort', onAbort);
        how();
      };
      const onAbort = (): void => {
        if (!task.worker) task.giveUp(abortedBy(signal!));
      };
      const task: Task = {
        worker: undefined,
        start: (worker) => {
          task.worker = worker;
          work(worker).then(
            (value) => settle(() => resolve(value)),
            (error: Error) => {
              if (!worker.over.aborted) settle(() => reject(error));
              else this.#again(task, signal);
            },
          );
        },
        giveUp: (error) => settle(() => reject(error)),
      };
      this.#tasks.add(task);
      signal?.addEventListener('abort', onAbort, { once: true });
      if (this.#worker && !this.#worker.over.aborted) task.start(this.#worker);
      else if (signal?.aborted) onAbort();
    });
  }

  /** From now on all is done with `worker`. It is told of the sessions first; rejects if that fails. */
  async to(worker: LinkedWorker): Promise<void> {
    for (const session of this.#untold) {
      this.#untold.delete(session);
      const memory = this.#memories.get(session)!;
      try {
        await worker.call((api) => api.remember(session, memory));
      } catch (error) {
        this.#untold.add(session);
        throw error;
      }
    }
    this.#worker = worker;
    this.#watch(worker);
    for (const task of [...this.#tasks]) if (!task.worker) task.start(worker);
  }

  remember(session: number, { messages, sequence, marks }: ConversationData): void {
    this.#memories.set(session, { messages, sequence, marks });
    if (!this.#worker) this.#untold.add(session);
  }

  forget(session: number): void {
    this.#memories.delete(session);
    this.#untold.delete(session);
  }

  /** There will be no other worker: what waits for one ends, and what is being done ends with the one that is there. */
  leave(): void {
    this.#left = true;
    for (const task of [...this.#tasks]) if (!task.worker) task.giveUp(left());
  }

  #watch(worker: LinkedWorker): void {
    const onLost = (): void => {
      if (this.#worker !== worker) return;
      this.#worker = undefined;
      for (const session of this.#memories.keys()) this.#untold.add(session);
    };
    if (worker.over.aborted) onLost();
    else worker.over.addEventListener('abort', onLost, { once: true });
  }

  /** The worker of `task` is lost. */
  #again(task: Task, signal: AbortSignal | undefined): void {
    task.worker = undefined;
    if (this.over.aborted) task.giveUp(this.over.reason as Error);
    else if (signal?.aborted) task.giveUp(abortedBy(signal));
    else if (this.#left) task.giveUp(left());
    else if (this.#worker) task.start(this.#worker);
  }
}

function left(): TernionError {
  return new TernionError('disposed', 'The engine was disposed.');
}
