// Tabs of one origin in one thread: each with locks and channels that end with it, as a page that is closed ends them.
import type { TabEnvironment } from '../../src/tabs/environment';
import type { Locks } from '../../src/storage/cache/locks';
import { MemoryLocks } from './memory-storage';

/** The origin that tabs are of. */
export class Origin {
  readonly locks = new MemoryLocks();
  readonly #tabs: FakeTab[] = [];

  open(): FakeTab {
    const tab = new FakeTab(this.locks);
    this.#tabs.push(tab);
    return tab;
  }

  /** Ends all tabs: an open channel would keep the process alive. */
  close(): void {
    for (const tab of this.#tabs.splice(0)) tab.kill();
  }
}

/** A tab that can end at any moment, and all that it has with it. */
export class FakeTab implements TabEnvironment {
  readonly #ended = new AbortController();
  readonly locks: Locks;

  constructor(locks: MemoryLocks) {
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
    this.ended.addEventListener('abort', () => channel.close(), { once: true });
    return channel;
  }

  /** What a crash does: locks are free, nothing more is said, and nobody in it is told. */
  kill(): void {
    this.#ended.abort();
  }

  /** What gives a lock back, once, at the latest with the tab's end. */
  #untilEnd(release: () => void): () => void {
    const once = (): void => {
      this.ended.removeEventListener('abort', once);
      release();
    };
    this.ended.addEventListener('abort', once);
    return once;
  }
}
