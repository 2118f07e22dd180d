// Lends sessions to calls, and keeps one that is free, for the keys and values in its cache.

import type { Engine, Session } from '../../engine/types';

/** A session that is a call's until it gives it back, which it may do more than once. */
export interface Lent {
  session: Session;
  /** Whether another call had it before: then its model may have been exchanged since. */
  used: boolean;
  /** `ended`: its model is gone, so it is of no more use. */
  giveBack: (outcome: 'sound' | 'ended') => void;
}

/** A session takes a KV cache of its own on the GPU, so no more than one waits for a call. */
export class SessionLease {
  #free: Session | undefined;

  constructor(private readonly engine: Pick<Engine, 'createSession'>) {}

  /** The session that is free, or a new one. Throws `disposed` if the engine is gone. */
  take(): Lent {
    const used = this.#free !== undefined;
    const session = this.#free ?? this.engine.createSession();
    this.#free = undefined;
    let lent = true;
    const giveBack = (outcome: 'sound' | 'ended'): void => {
      if (lent && outcome === 'sound') this.#keep(session);
      lent = false;
    };
    return { session, used, giveBack };
  }

  /** The one that was used last is kept: conversations go on. */
  #keep(session: Session): void {
    const before = this.#free;
    this.#free = session;
    // What it fails with has happened to the engine, and whoever uses that hears of it.
    before?.dispose().catch(() => {});
  }
}
