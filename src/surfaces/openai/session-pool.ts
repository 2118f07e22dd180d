// A few sessions of an engine that requests take turns with, so that a conversation that goes on finds its beginning cached.

import type { ChatMessage, Engine, Prompt, Session } from '../../engine/types';
import { throwIfAborted } from '../../errors';

/** A session, and what stands in it. */
interface Entry {
  session: Session;
  /** Its messages as JSON, if it was last used for a conversation; else what counts are its token ids. */
  conversation: readonly string[] | undefined;
}

/** A session that is somebody's until `release`. */
export interface Lease {
  readonly session: Session;
  /** Whether it was used before: then its model may have been exchanged since. */
  readonly used: boolean;
  /** Gives the session back. `ended`: its model is gone, so it is of no more use. */
  release(outcome: 'sound' | 'ended'): void;
}

/** What a request begins with: the ids of a raw prompt, or messages. */
export type Beginning = ArrayLike<number> | readonly ChatMessage[];

/**
 * At most `most` sessions, each with a KV cache on the GPU. Whoever wants one while all are taken waits, in order. A
 * conversation gets the session that holds its beginning; where none does, a new one while there is room, then the one that
 * was idle for longest.
 */
export class SessionPool {
  /** Idle ones, the one that was used last at the end. */
  readonly #idle: Entry[] = [];
  /** Sessions that there are, idle or not. */
  #count = 0;
  readonly #places: Places;

  constructor(
    private readonly engine: Engine,
    private readonly most: number,
  ) {
    this.#places = new Places(most);
  }

  /** Rejects with `aborted` if `signal` fires before there is a session. */
  async lease(prompt: Prompt, beginning: Beginning, signal: AbortSignal): Promise<Lease> {
    await this.#places.enter(signal);
    let entry: Entry;
    try {
      entry = this.#take(beginning) ?? this.#create();
    } catch (error) {
      this.#places.leave();
      throw error;
    }
    const used = entry.conversation !== undefined || entry.session.tokenIds.length > 0;
    let released = false;
    return {
      session: entry.session,
      used,
      release: (outcome) => {
        if (released) return;
        released = true;
        entry.conversation = Array.isArray(prompt) ? entry.session.messages.map(keyOf) : undefined;
        if (outcome === 'sound') this.#idle.push(entry);
        else this.#drop(entry);
        this.#places.leave();
      },
    };
  }

  /** Forgets all idle sessions: their model is gone. */
  clear(): void {
    for (const entry of this.#idle.splice(0)) this.#drop(entry);
  }

  #create(): Entry {
    const entry: Entry = { session: this.engine.createSession(), conversation: undefined };
    this.#count++;
    return entry;
  }

  #drop({ session }: Entry): void {
    this.#count--;
    // Its model took it along, or will; nobody waits for that.
    session.dispose().catch(() => {});
  }

  /** The idle session that suits best; undefined if a new one should be made. */
  #take(beginning: Beginning): Entry | undefined {
    const keys = keysOf(beginning);
    const shares = this.#idle.map((entry) => shareOf(entry, keys));
    // The last of equals was used last.
    const best = shares.lastIndexOf(Math.max(...shares));
    // Where less than half would be kept, it is worth more to whoever comes back to it.
    if (best >= 0 && shares[best]! >= 0.5) return this.#idle.splice(best, 1)[0];
    return this.#count < this.most ? undefined : this.#idle.shift();
  }
}

/** What is compared: ids as they are, messages as JSON. */
type Keys = { ids: ArrayLike<number> } | { messages: readonly string[] };

function keysOf(beginning: Beginning): Keys {
  return isMessages(beginning) ? { messages: beginning.map(keyOf) } : { ids: beginning };
}

function isMessages(beginning: Beginning): beginning is readonly ChatMessage[] {
  return typeof beginning[0] === 'object';
}

function keyOf({ role, content, tool_calls }: ChatMessage): string {
  return JSON.stringify([role, content ?? '', tool_calls ?? []]);
}

/** How much of what stands in a session `keys` begin with, from 0 to 1. */
function shareOf({ session, conversation }: Entry, keys: Keys): number {
  if ('messages' in keys) return conversation ? prefixShare(conversation, keys.messages) : 0;
  return conversation ? 0 : prefixShare(session.tokenIds, keys.ids);
}

function prefixShare(held: ArrayLike<unknown>, wanted: ArrayLike<unknown>): number {
  const most = Math.min(held.length, wanted.length);
  let common = 0;
  while (common < most && held[common] === wanted[common]) common++;
  return held.length === 0 ? 0 : common / held.length;
}

/** So many may be inside at once; others wait in the order in which they came. */
class Places {
  readonly #waiting: (() => void)[] = [];

  constructor(private free: number) {}

  /** Rejects with `aborted` if `signal` fires before there is a place. */
  async enter(signal: AbortSignal): Promise<void> {
    throwIfAborted(signal);
    if (this.free > 0) {
      this.free--;
      return;
    }
    const outcome = await new Promise<'place' | 'aborted'>((resolve) => {
      const onPlace = (): void => {
        signal.removeEventListener('abort', onAbort);
        resolve('place');
      };
      const onAbort = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(onPlace), 1);
        resolve('aborted');
      };
      this.#waiting.push(onPlace);
      signal.addEventListener('abort', onAbort, { once: true });
    });
    // An abort that comes after the place was handed over is noticed by the request itself.
    if (outcome === 'aborted') throwIfAborted(signal);
  }

  /** Hands the place to the next who waits. */
  leave(): void {
    const next = this.#waiting.shift();
    if (next) next();
    else this.free++;
  }
}
