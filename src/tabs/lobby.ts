// Where the tabs that share an engine meet: whoever leads says so, the others ask who it is and are let in.

import type { TabEnvironment } from './environment';
import { Tunnel, type TabPort } from './tunnel';

/** What is said in a lobby, to all. */
type Notice =
  /** Who leads? */
  | 'who leads'
  /** That leader, named by a lock that it holds for its life. */
  | { leader: string }
  /** Of that leader, a tab wants to be let in through `channel`. It holds the lock `tab` for as long as it is there. */
  | { leader: string; tab: string; channel: string };

/** What a leader says first in the channel of a tab that it lets in. */
const OPEN = 'open';

/** A leader, as a tab knows it. */
export interface Leader {
  /** The lock that it holds for its life. */
  lock: string;
}

/** The lock of whoever leads in a lobby: at most one in an origin. */
export function leadership(lobby: string): string {
  return `ternion leadership ${lobby}`;
}

/** A tab in a lobby. */
export class Lobby {
  readonly #channel: BroadcastChannel;

  constructor(
    private readonly tabs: TabEnvironment,
    name: string,
  ) {
    this.#channel = tabs.openChannel(lobbyChannel(name));
  }

  /** The leader that is there, or the next one that comes. Rejects with the signal's reason when that fires. */
  leader(signal: AbortSignal): Promise<Leader> {
    return heard(
      this.#channel,
      signal,
      (notice: Notice) =>
        typeof notice === 'object' && !('tab' in notice) ? { lock: notice.leader } : undefined,
      () => this.#say('who leads'),
    );
  }

  /**
   * Asks `leader` to let this tab in, which holds the lock `tab`, and waits until it does. Rejects with the signal's reason
   * when that fires, which it should when the leader is gone.
   */
  async connect({ lock }: Leader, tab: string, signal: AbortSignal): Promise<Tunnel> {
    const name = `ternion tunnel ${crypto.randomUUID()}`;
    const channel = this.tabs.openChannel(name);
    try {
      await heard(
        channel,
        signal,
        (message) => (message === OPEN ? true : undefined),
        () => this.#say({ leader: lock, tab, channel: name }),
      );
      return new Tunnel(channel, 'caller');
    } catch (error) {
      channel.close();
      throw error;
    }
  }

  close(): void {
    this.#channel.close();
  }

  #say(notice: Notice): void {
    this.#channel.postMessage(notice);
  }
}

/** A tab that was let in. */
export interface Visitor {
  port: TabPort;
  /** Fires when the tab is gone, or the lobby closed. */
  gone: AbortSignal;
}

/**
 * Leads in the lobby until `closing` fires: then nobody is let in any more, and those who were are gone. `onVisitor` is called
 * for each tab that is let in, and has to listen to its port before it returns. The lock that names this leader is never given
 * back: the browser does that when this thread is no more.
 */
export async function openLobby(
  tabs: TabEnvironment,
  name: string,
  closing: AbortSignal,
  onVisitor: (visitor: Visitor) => void,
): Promise<void> {
  const lock = `ternion leader ${crypto.randomUUID()}`;
  await tabs.locks.acquire(lock, 'exclusive');
  if (closing.aborted) return;
  const channel = tabs.openChannel(lobbyChannel(name));
  const announce = (): void => channel.postMessage({ leader: lock } satisfies Notice);
  channel.addEventListener('message', ({ data: notice }: MessageEvent<Notice>) => {
    if (notice === 'who leads') announce();
    else if ('tab' in notice && notice.leader === lock) letIn(tabs, notice, closing, onVisitor);
  });
  closing.addEventListener('abort', () => channel.close(), { once: true });
  announce();
}

/** Opens the channel that a tab has named, and keeps it until the tab is gone, or `closing` fires. */
function letIn(
  tabs: TabEnvironment,
  visit: { tab: string; channel: string },
  closing: AbortSignal,
  onVisitor: (visitor: Visitor) => void,
): void {
  const channel = tabs.openChannel(visit.channel);
  const tunnel = new Tunnel(channel, 'called');
  const gone = new AbortController();
  const onGone = (): void => {
    gone.abort();
    tunnel.close();
  };
  // A tab's lock is free once the tab is no more, or has left.
  tabs.locks.acquire(visit.tab, 'exclusive', closing).then((release) => {
    release();
    return onGone();
  }, onGone);
  onVisitor({ port: tunnel.port, gone: gone.signal });
  channel.postMessage(OPEN);
}

function lobbyChannel(name: string): string {
  return `ternion lobby ${name}`;
}

/** What `read` makes of the first message that it makes something of; `ask` is called once this is listened for. */
function heard<Message, T>(
  channel: BroadcastChannel,
  signal: AbortSignal,
  read: (message: Message) => T | undefined,
  ask: () => void,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      channel.removeEventListener('message', onMessage);
      signal.removeEventListener('abort', onAbort);
    };
    const onMessage = ({ data }: MessageEvent<Message>): void => {
      const value = read(data);
      if (value === undefined) return;
      stop();
      resolve(value);
    };
    const onAbort = (): void => {
      stop();
      reject(signal.reason as Error);
    };
    if (signal.aborted) return onAbort();
    channel.addEventListener('message', onMessage);
    signal.addEventListener('abort', onAbort, { once: true });
    ask();
  });
}
