// The bar that says how much of its context a conversation takes.

import type { ContextUse } from './conversation';
import { byId, formatNumber } from './dom';

export class ContextView {
  readonly #element = byId('context', HTMLElement);
  readonly #text = byId('context-text', HTMLElement);
  readonly #bar = byId('context-bar', HTMLMeterElement);

  /** Shows `use`; nothing where there is no conversation yet. */
  show(use: ContextUse | undefined): void {
    this.#element.hidden = !use || use.used === 0;
    if (!use) return;
    this.#bar.max = use.length;
    this.#bar.value = use.used;
    this.#text.textContent = `${formatNumber(use.used)} of ${formatNumber(use.length)} tokens of context`;
  }
}
