// The tokens of one answer, in a row like a text: each can be pointed at, or reached by arrow keys, to learn what is known of it.

import type { SampledLogprob, TokenLogprob } from '../src/index';
import { create } from './dom';
import type { ShownToken, TokenPopover } from './token-popover';
import { formatBytesOf, formatProbability, levelOf, LEVELS, nameOf } from './token-text';

/** Where keys lead in a row of so many tokens. */
const STEPS: Record<string, (at: number, count: number) => number> = {
  ArrowRight: (at, count) => Math.min(at + 1, count - 1),
  ArrowDown: (at, count) => Math.min(at + 1, count - 1),
  ArrowLeft: (at) => Math.max(at - 1, 0),
  ArrowUp: (at) => Math.max(at - 1, 0),
  Home: () => 0,
  End: (_, count) => count - 1,
};

/** A disclosure, open to begin with and absent until there is a token. */
export class TokenView {
  readonly element: HTMLDetailsElement;
  readonly #row = create('div', { class: 'token-row' });
  readonly #tokens: ShownToken[] = [];

  /**
   * @param label what the row is of, for screen readers.
   * @param goOn goes on with a token in the place of the one at `index`.
   */
  constructor(
    label: string,
    private readonly popover: TokenPopover,
    private readonly goOn: (index: number, alternative: TokenLogprob) => void,
  ) {
    this.#row.setAttribute('role', 'toolbar');
    this.#row.setAttribute('aria-label', label);
    const summary = create('summary', {}, create('span', { text: 'Tokens' }));
    this.element = create('details', { class: 'tokens' }, summary, legend(), this.#row);
    this.element.open = true;
    this.element.hidden = true;
    this.#row.addEventListener('keydown', (event) => this.#move(event));
    this.#row.addEventListener('focusin', ({ target }) => this.#rove(target));
    this.#row.addEventListener('click', ({ target }) => this.#press(target));
    this.#row.addEventListener('pointerover', (event) => this.#point(event));
    this.#row.addEventListener('pointerleave', () => this.popover.leave());
  }

  /** All tokens so far. */
  get entries(): SampledLogprob[] {
    return this.#tokens.map(({ entry }) => entry);
  }

  append(entries: readonly SampledLogprob[]): void {
    if (entries.length === 0) return;
    this.element.hidden = false;
    const added = entries.map((entry, i) => this.#shown(entry, this.#tokens.length + i));
    if (this.#tokens.length === 0 && added[0]) added[0].element.tabIndex = 0;
    this.#tokens.push(...added);
    this.#row.append(...added.map(({ element }) => element));
  }

  #shown(entry: SampledLogprob, index: number): ShownToken {
    const choose = (alternative: TokenLogprob): void => this.goOn(index, alternative);
    return { element: tokenButton(entry), entry, choose };
  }

  #at(target: EventTarget | null): number {
    const button = target instanceof Element ? target.closest('button') : null;
    return this.#tokens.findIndex(({ element }) => element === button);
  }

  #move(event: KeyboardEvent): void {
    const step = STEPS[event.key];
    if (!step || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    this.#tokens[step(this.#at(event.target), this.#tokens.length)]?.element.focus();
  }

  /** One token of the row is in the order of Tab: the last one that had the focus. */
  #rove(target: EventTarget | null): void {
    const token = this.#tokens[this.#at(target)];
    if (!token) return;
    for (const old of this.#row.querySelectorAll<HTMLElement>('[tabindex="0"]')) old.tabIndex = -1;
    token.element.tabIndex = 0;
  }

  #press(target: EventTarget | null): void {
    const token = this.#tokens[this.#at(target)];
    if (!token) return;
    // Not every browser focuses a button that is clicked; from here the focus goes in, and comes back.
    token.element.focus({ preventScroll: true });
    this.popover.hide();
    this.popover.show(token, true);
  }

  /** A finger that rests on a token presses it. */
  #point({ target, pointerType }: PointerEvent): void {
    const token = this.#tokens[this.#at(target)];
    if (token && pointerType === 'mouse') this.popover.show(token);
  }
}

function tokenButton(entry: SampledLogprob): HTMLButtonElement {
  const level = levelOf(entry.logprob);
  const button = create('button', { class: `token level-${level}` }, ...shapeOf(entry));
  button.type = 'button';
  button.tabIndex = -1;
  button.setAttribute('aria-haspopup', 'dialog');
  button.setAttribute('aria-expanded', 'false');
  button.setAttribute('aria-label', `${nameOf(entry)}, ${formatProbability(entry.logprob)}`);
  return button;
}

/** The token as it stands in the text, with signs for what would not be seen of it. */
function shapeOf(entry: TokenLogprob): Node[] {
  const bytes = formatBytesOf(entry);
  if (bytes !== undefined) return [create('span', { class: 'bytes', text: bytes })];
  return (entry.text.match(/\n|[^\S\n]+|\S+/g) ?? ['∅']).map((part) => {
    if (part === '\n') return create('span', { class: 'sign', text: '↵' });
    return part.trim() === ''
      ? create('span', { class: 'space', text: part })
      : document.createTextNode(part);
  });
}

function legend(): HTMLElement {
  const keys = LEVELS.map(({ level, label }) => create('span', { class: `key level-${level}`, text: label }));
  return create('p', { class: 'hint legend' }, create('span', { text: 'How likely each was:' }), ...keys);
}
