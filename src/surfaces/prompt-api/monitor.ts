// The target of `downloadprogress` events.

import type { CreateMonitor } from './types';

/** Under Node there is no `ProgressEvent`. */
class PlainProgressEvent extends Event {
  readonly lengthComputable = true;

  constructor(
    type: string,
    readonly loaded: number,
    readonly total: number,
  ) {
    super(type);
  }
}

function progressEvent(loaded: number): Event {
  const type = 'downloadprogress';
  if (typeof ProgressEvent === 'undefined') return new PlainProgressEvent(type, loaded, 1);
  return new ProgressEvent(type, { lengthComputable: true, loaded, total: 1 });
}

/**
 * Tells how far a download is: 0 at the beginning, 1 at the end, and only what is more than before in between. A `CreateMonitor`,
 * but that EventTarget's own types know no `downloadprogress`.
 */
export class DownloadMonitor extends EventTarget {
  #told = -1;
  #handler: CreateMonitor['ondownloadprogress'] = null;

  /** This, as pages see it. */
  get public(): CreateMonitor {
    return this as CreateMonitor;
  }

  get ondownloadprogress(): CreateMonitor['ondownloadprogress'] {
    return this.#handler;
  }

  set ondownloadprogress(handler: CreateMonitor['ondownloadprogress']) {
    if (!this.#handler && handler) this.addEventListener('downloadprogress', this.#call);
    if (this.#handler && !handler) this.removeEventListener('downloadprogress', this.#call);
    this.#handler = handler;
  }

  /** @param loaded from 0 to 1. */
  tell(loaded: number): void {
    if (loaded <= this.#told) return;
    this.#told = loaded;
    this.dispatchEvent(progressEvent(loaded));
  }

  readonly #call = (event: Event): void => void this.#handler?.call(this.public, event as ProgressEvent);
}
