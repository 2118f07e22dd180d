// Ternion's worker, with a page that can have it end itself, or be busy for a time or for ever.
// Not by importing quick.worker: package.json says that modules have no effect but their exports, so a bundler leaves such an import out.
import { expose } from 'comlink';
import { QuickEndpoint } from './quick-endpoint';

/** What the page orders, besides Comlink's messages. */
export type Order = 'close' | { busyMs: number };

expose(new QuickEndpoint());

addEventListener('message', ({ data }: MessageEvent<Order>) => {
  if (data === 'close') close();
  else if ('busyMs' in data) {
    const end = performance.now() + data.busyMs;
    while (performance.now() < end);
  }
});
