// The gallery: a dialog with all models that there are to load, what is known of each, and the one that is in use.

import type { CachedModel, ModelInfo } from '../../src/index';
import { nameIn } from '../../src/storage/http/address';
import { byId, create } from '../dom';
import { explain } from '../failures';
import { showFacts } from '../model-facts';
import type { Source } from '../source';
import { wireBringYourOwn } from './bring-your-own';
import { Checks } from './checks';
import { KeptView } from './kept-view';
import { ModelCard } from './model-card';
import { listedModels } from './model-list';

export class GalleryView {
  readonly #dialog = byId('gallery', HTMLDialogElement);
  readonly #list = byId('models', HTMLElement);
  readonly #about = byId('about', HTMLElement);
  readonly #checks = new Checks();
  #cards: ModelCard[] = [];
  #inUse: Source | undefined;
  /** URLs of models that are here as a whole. */
  #kept: ReadonlySet<string> = new Set();
  readonly #keptView: KeptView;

  constructor(private readonly load: (source: Source) => void) {
    for (const opener of document.querySelectorAll('.opens-gallery'))
      opener.addEventListener('click', () => this.#open());
    byId('gallery-close', HTMLButtonElement).addEventListener('click', () => this.close());
    byId('check-all', HTMLButtonElement).addEventListener('click', () => {
      for (const card of this.#cards) void card.check();
    });
    wireBringYourOwn(this.#checks, this.#choose);
    this.#keptView = new KeptView(
      (url) => this.#sourceAt(url),
      this.#choose,
      (kept) => this.#note(kept),
    );
    // However it is closed.
    this.#dialog.addEventListener('close', () => this.#keptView.stop());
    void this.#fill();
  }

  #open(): void {
    this.#dialog.showModal();
    // Not the first button, which would close it again.
    byId('gallery-title', HTMLElement).focus({ preventScroll: true });
    this.#keptView.start();
  }

  close(): void {
    this.#dialog.close();
  }

  /** Nobody wants the rest of this model: what is here of it goes, unless it is all here. */
  forget(source: Source): Promise<void> {
    return this.#keptView.forget(source);
  }

  /** Shows which model is in use, and what it is. */
  use(source: Source, info: ModelInfo): void {
    this.#inUse = source;
    this.#about.hidden = false;
    showFacts(byId('model-facts', HTMLDListElement), info);
    this.#mark();
  }

  readonly #choose = (source: Source): void => {
    this.close();
    this.load(source);
  };

  async #fill(): Promise<void> {
    try {
      const models = await listedModels();
      this.#cards = models.map((model) => new ModelCard(model, this.#checks, this.#choose));
      this.#list.replaceChildren(...this.#cards.map(({ element }) => create('li', {}, element)));
      this.#mark();
    } catch (error) {
      this.#list.replaceChildren(create('li', { class: 'notice', text: explain(error).message }));
    }
  }

  /** What the list has at `url`; a source of that address if it has nothing. */
  #sourceAt(url: string): Source {
    const listed = this.#cards.find((card) => card.url === url)?.source;
    return listed ?? { name: nameIn(url), model: url };
  }

  #note(kept: readonly CachedModel[]): void {
    this.#kept = new Set(kept.filter(({ complete }) => complete).map(({ url }) => url));
    this.#mark();
  }

  #mark(): void {
    for (const card of this.#cards) {
      if (card.source.model === this.#inUse?.model) card.mark('in use');
      else card.mark(this.#kept.has(card.url) ? 'on this device' : undefined);
    }
  }
}
