// Tabs of one origin in one thread: each with locks and channels that end with it, as a page that is closed ends them.
import { setMaxListeners } from 'node:events';
import type { TabEnvironment } from '../../src/tabs/environment';
import type { Locks } from '../../src/storage/cache/locks';
import { MemoryLocks } from './memory-storage';

/** The origin that tabs are of. */
export class Origin {
  readonly locks = new MemoryLocks();
  /** No other origin's: channels know nothing of origins here. */
  readonly name = crypto.randomUUID();
  readonly #tabs: FakeTab[] = [];
  #closed = false;

  open(): FakeTab {
    const tab = new FakeTab(this.locks);
    this.#tabs.push(tab);
    if (this.#closed) tab.kill();
    return tab;
  }

  /** Ends all tabs: an open channel would keep the process alive. */
  close(): void {
    this.#closed = true;
    for (const tab of this.#tabs) tab.kill();
  }
}

/** A tab that can end at any moment, and all that it has with it. */
export class FakeTab implements TabEnvironment {
  readonly #ended = new AbortController();
  readonly locks: Locks;
  #frozen = false;

  constructor(locks: MemoryLocks) {
    // All locks and channels of the tab listen.
    setMaxListeners(0, this.#ended.signal);
    this.locks = {
      acquire: async (name, mode, signal) => {
        const signals = [this.#ended.signal, ...(signal ? [signal] : [])];
        const release = await locks.acquire(name, mode, AbortSignal.any(signals));
        return this.#untilEnd(release);
      },
      tryAcquire: async (name, mode) => {
        const release = await locks.tryAcquire(name, mode);
        return release && this.#untilEnd(release);
      },
    };
  }

  /** Fires when the tab ends. */
  get ended(): AbortSignal {
    return this.#ended.signal;
  }

  openChannel(name: string): BroadcastChannel {
    const channel = new BroadcastChannel(name);
    const post = channel.postMessage.bind(channel);
    // What has ended here still runs, unlike in a browser; it is not heard.
    channel.postMessage = (message) => {
      if (!this.ended.aborted && !this.#frozen) post(message);
    };
    this.ended.addEventListener('abort', () => channel.close(), { once: true });
    return channel;
  }

  /** What freezing a page does: nothing more is heard of it, and its locks stay. */
  freeze(): void {
    this.#frozen = true;
  }

  /** What a crash does: locks are free, nothing more is said, and nobody in it is told. */
  kill(): void {
    this.#ended.abort();
  }

  /** What gives a lock back, once, at the latest with the tab's end. */
  #untilEnd(release: () => void): () => void {
    let held = true;
    const once = (): void => {
      if (!held) return;
      held = false;
      this.ended.removeEventListener('abort', once);
      release();
    };
    this.ended.addEventListener('abort', once);
    return once;
  }
}
