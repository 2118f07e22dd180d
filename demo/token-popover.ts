// What is said of one token: its id, how likely it was, and what else could have come, from where an answer can go on.

import type { SampledLogprob, TokenLogprob } from '../src/index';
import { create, setFacts } from './dom';
import { formatBytesOf, formatProbability, nameOf } from './token-text';

/** How long the popover stays when the pointer has left the token, ms: long enough to get from there into it. */
const STAY = 250;
/** Between the token and the popover, and the edges of the window, CSS px. */
const GAP = 4;
const EDGE = 8;

/** A token on the page. */
export interface ShownToken {
  element: HTMLElement;
  entry: SampledLogprob;
  /** Goes on with `alternative` in the place of the token. */
  choose: (alternative: TokenLogprob) => void;
}

/** One for the page: it stands beside whichever token was pointed at or pressed. */
export class TokenPopover {
  readonly #facts = create('dl', { class: 'facts' });
  readonly #alternatives = create('ol', { class: 'alternatives' });
  readonly #title = create('h2');
  readonly #element: HTMLElement;
  #shown: ShownToken | undefined;
  #leaving: ReturnType<typeof setTimeout> | undefined;

  constructor() {
    this.#title.id = 'token-title';
    const hint = create('p', { class: 'hint', text: 'Choose one to go on from there.' });
    this.#element = create(
      'section',
      { class: 'token-popover' },
      this.#title,
      this.#facts,
      hint,
      this.#alternatives,
    );
    this.#element.popover = 'auto';
    this.#element.tabIndex = -1;
    this.#element.setAttribute('role', 'dialog');
    this.#element.setAttribute('aria-labelledby', this.#title.id);
    this.#element.addEventListener('pointerenter', () => clearTimeout(this.#leaving));
    this.#element.addEventListener('pointerleave', () => this.leave());
    this.#element.addEventListener('focusout', (event) => this.#focusLeaves(event));
    window.addEventListener('resize', () => {
      if (this.#shown && this.#isOpen) this.#place(this.#shown.element);
    });
    this.#element.addEventListener('toggle', (event) => this.#toggled(event));
  }

  /** Shows what is known of a token; with `enter`, the focus goes in. */
  show(token: ShownToken, enter = false): void {
    clearTimeout(this.#leaving);
    // Below what is modal: a page that never shows tokens has none of it.
    if (!this.#element.isConnected) document.body.append(this.#element);
    if (this.#shown !== token || !this.#isOpen) {
      this.#mark(false);
      this.#shown = token;
      this.#fill(token);
      if (!this.#isOpen) this.#element.showPopover();
      this.#place(token.element);
      this.#mark(true);
    }
    if (enter) (this.#element.querySelector('button') ?? this.#element).focus({ preventScroll: true });
  }

  /** The pointer is gone: so is the popover, unless the pointer comes into it soon, or the focus is there. */
  leave(): void {
    clearTimeout(this.#leaving);
    this.#leaving = setTimeout(() => {
      if (!this.#element.contains(document.activeElement)) this.hide();
    }, STAY);
  }

  hide(): void {
    clearTimeout(this.#leaving);
    if (this.#isOpen) this.#element.hidePopover();
  }

  get #isOpen(): boolean {
    return this.#element.matches(':popover-open');
  }

  #fill({ entry, choose }: ShownToken): void {
    this.#title.textContent = nameOf(entry);
    const bytes = formatBytesOf(entry);
    setFacts(this.#facts, [
      ['Token id', String(entry.tokenId)],
      ['Probability', formatProbability(entry.logprob)],
      ...(bytes === undefined ? [] : ([['Bytes', `${bytes}, a part of a character`]] as const)),
    ]);
    const rows = entry.alternatives.map((alternative) =>
      create(
        'li',
        {},
        alternativeRow(alternative, entry, () => this.#choose(choose, alternative)),
      ),
    );
    this.#alternatives.replaceChildren(...rows);
  }

  #choose(choose: ShownToken['choose'], alternative: TokenLogprob): void {
    this.hide();
    choose(alternative);
  }

  /** In the coordinates of the document, so that it stays beside its token when the page scrolls. */
  #place(token: HTMLElement): void {
    const at = token.getBoundingClientRect();
    const { offsetWidth: width, offsetHeight: height } = this.#element;
    const { clientWidth, clientHeight } = document.documentElement;
    const left = Math.max(EDGE, Math.min(at.left, clientWidth - width - EDGE));
    const fitsBelow = at.bottom + GAP + height <= clientHeight - EDGE;
    const top = fitsBelow ? at.bottom + GAP : Math.max(EDGE, at.top - GAP - height);
    this.#element.style.left = `${left + window.scrollX}px`;
    this.#element.style.top = `${top + window.scrollY}px`;
  }

  #mark(open: boolean): void {
    this.#shown?.element.setAttribute('aria-expanded', String(open));
  }

  #focusLeaves({ relatedTarget }: FocusEvent): void {
    // Without a target the window has lost the focus, or what had it is gone: neither is the reader's doing.
    if (relatedTarget instanceof Node && !this.#element.contains(relatedTarget)) this.hide();
  }

  #toggled(event: Event): void {
    if ((event as ToggleEvent).newState !== 'closed' || this.#isOpen) return;
    this.#mark(false);
    // By Escape the browser gives the focus to what had it when the popover came, which hovering did not ask for.
    this.#shown = undefined;
  }
}

/** A token that could have come, as a button; the one that has come is none. */
function alternativeRow(token: TokenLogprob, chosen: SampledLogprob, choose: () => void): HTMLElement {
  const name = create('span', { class: 'name', text: nameOf(token) });
  const share = create('span', { class: 'share', text: formatProbability(token.logprob) });
  if (token.tokenId === chosen.tokenId)
    return create('p', { class: 'chosen' }, name, share, create('span', { class: 'note', text: 'chosen' }));
  const button = create('button', {}, name, share);
  button.type = 'button';
  button.setAttribute('aria-label', `Go on from ${nameOf(token)}, ${formatProbability(token.logprob)}`);
  button.addEventListener('click', choose);
  return button;
}
