// The models that are kept in this browser: how much of each is here, loading and deleting it, and having all kept for good.

import { deleteModel, listModels, persist, storageUsage } from '../../src/index';
import type { CachedModel, StorageUsage } from '../../src/index';
import { openBrowserCache } from '../../src/storage/cache/browser-cache';
import { NoCache } from '../../src/storage/cache/cache';
import { deleteUnfinished } from '../../src/storage/cache/models';
import { nameIn } from '../../src/storage/http/address';
import { button, byId, create, formatBytes, setText } from '../dom';
import { explain } from '../failures';
import type { Source } from '../source';
import { askTwice } from './ask-twice';

/** Between two looks at what is here, ms: a download writes its pieces, and so do other tabs, and nobody tells of it. */
const INTERVAL = 1000;

/** A model as the list shows it. */
interface Row {
  element: HTMLElement;
  /** The model, as JSON. */
  shown: string;
}

export class KeptView {
  readonly #list = byId('kept', HTMLElement);
  readonly #usage = byId('kept-usage', HTMLElement);
  readonly #persist = byId('persist', HTMLButtonElement);
  readonly #status = byId('kept-status', HTMLElement);
  /** By the model's id. */
  #rows = new Map<string, Row>();
  /** Counts starts and stops: who follows since an earlier one ends. */
  #turn = 0;

  /** @param sourceAt what the gallery has at the URL of a model's main file. */
  constructor(
    private readonly sourceAt: (url: string) => Source,
    private readonly load: (source: Source) => void,
    private readonly changed: (kept: readonly CachedModel[]) => void,
  ) {
    this.#persist.addEventListener('click', () => void this.#keepForGood());
  }

  /** Shows what is here, and what becomes of it, until `stop`. */
  start(): void {
    void this.#follow(++this.#turn);
  }

  stop(): void {
    this.#turn++;
  }

  /** One look after the other, however long each takes. */
  async #follow(turn: number): Promise<void> {
    while (turn === this.#turn) {
      await this.#refresh();
      await new Promise((resolve) => setTimeout(resolve, INTERVAL));
    }
  }

  /** Looks again at what is here. */
  async #refresh(): Promise<void> {
    try {
      const kept = await listModels();
      this.#update(kept);
      const cache = await openBrowserCache();
      if (cache instanceof NoCache) this.#showNone(cache.reason);
      else this.#show(await storageUsage());
      this.changed(kept);
    } catch (error) {
      setText(this.#usage, `What is kept could not be read. ${explain(error).message}`);
    }
  }

  /** Leaves rows alone that say what they should: somebody may be about to press a button of theirs. */
  #update(kept: readonly CachedModel[]): void {
    const before = this.#rows;
    this.#rows = new Map(kept.map((model) => [model.id, this.#updated(model, before.get(model.id))]));
    for (const [id, { element }] of before) if (!this.#rows.has(id)) element.remove();
  }

  #updated(model: CachedModel, row: Row | undefined): Row {
    const shown = JSON.stringify(model);
    if (row?.shown === shown) return row;
    const element = create('li', { class: 'kept' }, ...this.#row(model));
    if (row) row.element.replaceWith(element);
    else this.#list.append(element);
    return { element, shown };
  }

  /** Deletes what an unfinished download has left of `source`. */
  async forget({ model }: Source): Promise<void> {
    if (typeof model !== 'string') return;
    await deleteUnfinished(model).catch(() => undefined);
    await this.#refresh();
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
    await this.#refresh();
    // The button that was clicked is gone.
    byId('kept-title', HTMLElement).focus({ preventScroll: true });
  }

  async #keepForGood(): Promise<void> {
    const granted = await persist().catch(() => false);
    await this.#refresh();
    this.#status.textContent = granted
      ? 'The browser has promised it.'
      : 'The browser did not promise it. It may when this page is a bookmark or is installed, or when you come back often.';
    // The button that was clicked is gone.
    if (granted) byId('kept-title', HTMLElement).focus({ preventScroll: true });
  }

  /** Says that nothing can be kept, as in some private windows. */
  #showNone(reason: string): void {
    setText(this.#usage, `Models are not kept: ${reason}. They are downloaded again on the next visit.`);
    this.#persist.hidden = true;
  }

  #show({ models, quota, persisted }: StorageUsage): void {
    const room = quota > 0 ? ` This site may take ${formatBytes(quota)}.` : '';
    const taken = models > 0 ? `Models take ${formatBytes(models)}.` : 'No model is kept here yet.';
    const promise = persisted
      ? 'The browser keeps them until you delete them.'
      : 'The browser may clear them when the disk gets full.';
    setText(this.#usage, `${taken}${room} ${promise}`);
    this.#persist.hidden = persisted;
  }
}
