// Which of several answers to a question is shown, with a way to the others.

import { create } from './dom';

/** Hidden where there is one answer only. */
export class BranchView {
  readonly element: HTMLElement;
  readonly #text = create('span');
  readonly #previous = stepButton('Previous answer', '‹');
  readonly #next = stepButton('Next answer', '›');
  #step = 1;
  #show: (step: number) => void = () => undefined;

  constructor() {
    this.element = create('span', { class: 'branches' }, this.#previous, this.#text, this.#next);
    this.element.hidden = true;
    this.#previous.addEventListener('click', () => this.#show(-1));
    this.#next.addEventListener('click', () => this.#show(1));
  }

  /** @param at the one that is shown, from 0. */
  set(at: number, count: number, show: (at: number) => void): void {
    this.element.hidden = count < 2;
    this.#text.textContent = `Answer ${at + 1} of ${count}`;
    // One that is not there stays in reach, so that the focus is not lost at the ends.
    this.#previous.setAttribute('aria-disabled', String(at === 0));
    this.#next.setAttribute('aria-disabled', String(at === count - 1));
    this.#step = at === 0 ? 1 : -1;
    this.#show = (step) => {
      if (at + step >= 0 && at + step < count) show(at + step);
    };
  }

  /** Focuses a button that leads somewhere. */
  focus(): void {
    (this.#step > 0 ? this.#next : this.#previous).focus({ preventScroll: true });
  }
}

function stepButton(label: string, sign: string): HTMLButtonElement {
  const button = create('button', { class: 'quiet changes', text: sign });
  button.type = 'button';
  button.setAttribute('aria-label', label);
  return button;
}
