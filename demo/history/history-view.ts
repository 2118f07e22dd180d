// The panel with conversations of earlier visits: opens one, deletes one or all, and keeps none if that is not wanted.

import { button, byId, create } from '../dom';
import { askTwice } from '../gallery/ask-twice';
import { ConversationStore, type KeptConversation } from './conversation-store';

const KEY = 'ternion-demo-keep';

export class HistoryView {
  readonly #store = new ConversationStore(globalThis.indexedDB);
  readonly #panel = byId('chats-panel', HTMLElement);
  readonly #list = byId('chats', HTMLElement);
  readonly #none = byId('chats-none', HTMLElement);
  readonly #keep = byId('chats-keep', HTMLInputElement);
  readonly #deleteAll: HTMLButtonElement;

  constructor(private readonly open: (conversation: KeptConversation) => void) {
    this.#deleteAll = askTwice('Delete all', 'Really delete all', () => void this.#forget());
    this.#panel.append(this.#deleteAll);
    this.#keep.checked = keeps();
    this.#keep.addEventListener('change', () => {
      remember(this.#keep.checked);
      if (!this.#keep.checked) void this.#forget();
    });
    this.#panel.addEventListener('beforetoggle', (event) => {
      if (event.newState === 'open') void this.#refresh();
    });
    void this.#refresh();
  }

  /** Keeps a conversation in the place of what was kept of it, unless nothing is to be kept. */
  async keep(conversation: KeptConversation): Promise<void> {
    if (this.#keep.checked) await this.#store.put(conversation);
  }

  async #refresh(): Promise<void> {
    const kept = await this.#store.all();
    this.#list.replaceChildren(...kept.map((conversation) => this.#row(conversation)));
    this.#none.hidden = kept.length > 0;
    this.#deleteAll.hidden = kept.length === 0;
  }

  #row(conversation: KeptConversation): HTMLLIElement {
    const { id, title, model, changedAt } = conversation;
    const open = button(title, () => {
      this.#panel.hidePopover();
      this.open(conversation);
    });
    open.className = 'chat-title';
    const day = new Date(changedAt).toLocaleDateString('en', { dateStyle: 'medium' });
    const about = create('p', { class: 'model-size', text: `${model} · ${day}` });
    const remove = askTwice('Delete', 'Really delete', () => void this.#delete(id), title);
    remove.classList.add('quiet');
    return create('li', { class: 'kept' }, create('div', {}, open, about), remove);
  }

  async #delete(id: string): Promise<void> {
    await this.#store.delete(id);
    await this.#gone();
  }

  async #forget(): Promise<void> {
    await this.#store.clear();
    await this.#gone();
  }

  /** The button that was clicked may be gone. */
  async #gone(): Promise<void> {
    await this.#refresh();
    if (document.activeElement === document.body) this.#keep.focus();
  }
}

function keeps(): boolean {
  try {
    return localStorage.getItem(KEY) !== 'no';
  } catch {
    return true;
  }
}

function remember(keep: boolean): void {
  try {
    localStorage.setItem(KEY, keep ? 'yes' : 'no');
  } catch {
    // Then it holds for this visit.
  }
}
