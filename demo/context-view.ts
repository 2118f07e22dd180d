// The bar that says how much of its context a conversation takes.

import type { ContextUse } from './conversation';
import { byId, formatNumber } from './dom';

export class ContextView {
  readonly #element = byId('context', HTMLElement);
  readonly #text = byId('context-text', HTMLElement);
  readonly #bar = byId('context-bar', HTMLMeterElement);

  /**
   * Shows `use`; nothing where there is no conversation yet.
   * @param busy whether an answer is written: before the first one has ended the bar has its place, so that nothing moves then.
   */
  show(use: ContextUse | undefined, busy: boolean): void {
    this.#element.hidden = !use || (use.used === 0 && !busy);
    if (!use) return;
    this.#bar.max = use.length;
    this.#bar.value = use.used;
    const length = formatNumber(use.length);
    this.#text.textContent =
      use.used === 0
        ? `A context of ${length} tokens`
        : `${formatNumber(use.used)} of ${length} tokens of context`;
  }
}
