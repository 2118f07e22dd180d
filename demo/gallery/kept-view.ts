// The models that are kept in this browser: how much of each is here, loading and deleting it, and having all kept for good.

import { deleteModel, listModels, persist, storageUsage } from '../../src/index';
import type { CachedModel, StorageUsage } from '../../src/index';
import { openBrowserCache } from '../../src/storage/cache/browser-cache';
import { NoCache } from '../../src/storage/cache/cache';
import { deleteUnfinished } from '../../src/storage/cache/models';
import { nameIn } from '../../src/storage/http/address';
import { button, byId, create, formatBytes } from '../dom';
import { explain } from '../failures';
import type { Source } from '../source';
import { askTwice } from './ask-twice';

export class KeptView {
  readonly #list = byId('kept', HTMLElement);
  readonly #usage = byId('kept-usage', HTMLElement);
  readonly #persist = byId('persist', HTMLButtonElement);
  readonly #status = byId('kept-status', HTMLElement);

  /** @param sourceAt what the gallery has at the URL of a model's main file. */
  constructor(
    private readonly sourceAt: (url: string) => Source,
    private readonly load: (source: Source) => void,
    private readonly changed: (kept: readonly CachedModel[]) => void,
  ) {
    this.#persist.addEventListener('click', () => void this.#keepForGood());
  }

  /** Looks again at what is here. */
  async refresh(): Promise<void> {
    try {
      const kept = await listModels();
      const rows = kept.map((model) => create('li', { class: 'kept' }, ...this.#row(model)));
      this.#list.replaceChildren(...rows);
      const cache = await openBrowserCache();
      if (cache instanceof NoCache) this.#showNone(cache.reason);
      else this.#show(await storageUsage());
      this.changed(kept);
    } catch (error) {
      this.#usage.textContent = `What is kept could not be read. ${explain(error).message}`;
    }
  }

  /** Deletes what an unfinished download has left of `source`. */
  async forget({ model }: Source): Promise<void> {
    if (typeof model !== 'string') return;
    await deleteUnfinished(model).catch(() => undefined);
    await this.refresh();
  }

  #row(model: CachedModel): Node[] {
    const { id, url, bytes, size, complete } = model;
    const source = this.sourceAt(url);
    const title = source.name === 'the built-in model' ? 'The built-in model' : source.name;
    const amount = complete ? formatBytes(size) : `${formatBytes(bytes)} of ${formatBytes(size)}`;
    const about = create('p', { class: 'model-size', text: `${amount} · ${nameIn(url)}` });
    const name = create('h4', { text: title });
    return [
      create('div', {}, name, about),
      create(
        'div',
        { class: 'row' },
        button(complete ? 'Load' : 'Resume', () => this.load(source), `${title} again`),
        askTwice('Delete', 'Really delete', () => void this.#delete(id, title), title),
      ),
    ];
  }

  async #delete(id: string, title: string): Promise<void> {
    try {
      await deleteModel(id);
      this.#status.textContent = `${title} was deleted.`;
    } catch (error) {
      this.#status.textContent = explain(error).message;
    }
    await this.refresh();
    // The button that was clicked is gone.
    byId('kept-title', HTMLElement).focus({ preventScroll: true });
  }

  async #keepForGood(): Promise<void> {
    const granted = await persist().catch(() => false);
    await this.refresh();
    this.#status.textContent = granted
      ? 'The browser has promised it.'
      : 'The browser did not promise it. It may when this page is a bookmark or is installed, or when you come back often.';
    // The button that was clicked is gone.
    if (granted) byId('kept-title', HTMLElement).focus({ preventScroll: true });
  }

  /** Says that nothing can be kept, as in some private windows. */
  #showNone(reason: string): void {
    this.#usage.textContent = `Models are not kept: ${reason}. They are downloaded again on the next visit.`;
    this.#persist.hidden = true;
  }

  #show({ models, quota, persisted }: StorageUsage): void {
    const room = quota > 0 ? ` This site may take ${formatBytes(quota)}.` : '';
    const taken = models > 0 ? `Models take ${formatBytes(models)}.` : 'No model is kept here yet.';
    const promise = persisted
      ? 'The browser keeps them until you delete them.'
      : 'The browser may clear them when the disk gets full.';
    this.#usage.textContent = `${taken}${room} ${promise}`;
    this.#persist.hidden = persisted;
  }
}
