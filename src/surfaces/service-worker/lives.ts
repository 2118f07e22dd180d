// How a page and a service worker notice each other's end: each holds a Web Lock for as long as it lives.

import type { Locks } from '../../storage/cache/locks';

/** A life that others can watch. */
export interface Life {
  /** Undefined where there are no Web Locks: then nobody notices. */
  readonly name: string | undefined;
  end(): void;
}

/** Begins a life: from here to its end, or that of this page or worker, `whenOver` of its name waits. */
export async function beginLife(locks: Locks | undefined): Promise<Life> {
  if (!locks) return { name: undefined, end: () => {} };
  const name = `ternion-life-${crypto.randomUUID()}`;
  return { name, end: await locks.acquire(name, 'exclusive') };
}

/** Calls `onOver` when the life of that name is over, unless the signal fires before. */
export function whenOver(
  locks: Locks | undefined,
  name: string | undefined,
  signal: AbortSignal,
  onOver: () => void,
): void {
  if (!locks || name === undefined) return;
  locks.acquire(name, 'exclusive', signal).then(
    (release) => {
      release();
      onOver();
    },
    // The signal fired: nobody wants to know any more.
    () => {},
  );
}
