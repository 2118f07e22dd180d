// Ternion's worker, with a page that can have it end itself, or be busy for a time or for ever.
import './quick.worker';

/** What the page orders, besides Comlink's messages. */
export type Order = 'close' | { busyMs: number };

addEventListener('message', ({ data }: MessageEvent<Order>) => {
  if (data === 'close') close();
  else if ('busyMs' in data) {
    const end = performance.now() + data.busyMs;
    while (performance.now() < end);
  }
});
