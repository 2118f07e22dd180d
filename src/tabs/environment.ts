// What tabs need of their browser to find each other and to know who is still there.

import { webLocks, type Locks } from '../storage/cache/locks';

/** The means by which the tabs of an origin share something. */
export interface TabEnvironment {
  readonly locks: Locks;
  /** A channel to all others that have opened one of that name, in this tab and in others. */
  openChannel(name: string): BroadcastChannel;
}

/** The means of this browser; a sentence that says what is missing if they are not all there. */
export async function tabEnvironment(): Promise<TabEnvironment | string> {
  const locks = webLocks();
  if (!locks) return 'There are no Web Locks here, by which tabs agree on one that has the engine.';
  if (typeof BroadcastChannel === 'undefined')
    return 'There is no BroadcastChannel here, by which tabs speak.';
  try {
    // A page whose storage is blocked, or a sandboxed one, has both by name and can use neither.
    (await locks.acquire(`ternion try ${crypto.randomUUID()}`, 'exclusive'))();
    new BroadcastChannel('ternion try').close();
  } catch (error) {
    return `Tabs cannot share here: ${error instanceof Error ? error.message : String(error)}`;
  }
  return { locks, openChannel: (name) => new BroadcastChannel(name) };
}
