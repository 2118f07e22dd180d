// The conversation on the page: turns one below the other, and a line where the model's memory begins.

import { AnswerView } from './answer-view';
import { create } from './dom';
import { TokenPopover } from './token-popover';

/** What a reader can do with a turn. */
export interface TurnActions {
  /** Asks the question `text` in the place of turn `index`, whose answer and all behind it go. */
  resend: (index: number, text: string) => void;
}

export function scrollToEnd(): void {
  window.scrollTo({ top: document.documentElement.scrollHeight, behavior: 'instant' });
}

/** A question and its answer. */
interface Turn {
  question: HTMLElement;
  answer: AnswerView;
}

/** The log of one conversation. */
export class ChatView {
  #turns: Turn[] = [];
  readonly #popover = new TokenPopover();
  readonly #memory = create('p', {
    class: 'memory',
    text: 'The model remembers from here on: what is above has no room in its context any more.',
  });

  constructor(
    private readonly log: HTMLElement,
    private readonly actions: TurnActions,
  ) {}

  /** Shows what the reader sent, and an empty answer below it. */
  addTurn(question: string): AnswerView {
    const index = this.#turns.length;
    const again = (text: string): void => this.actions.resend(index, text);
    const answer = new AnswerView(index + 1, {
      regenerate: () => again(question),
      goOn: () => undefined,
      popover: this.#popover,
    });
    const asked = questionElement(question, again);
    this.#turns.at(-1)?.answer.setLast(false);
    this.#turns.push({ question: asked, answer });
    this.log.append(asked, answer.element);
    scrollToEnd();
    return answer;
  }

  /** Removes turn `index` and all behind it. */
  removeFrom(index: number): void {
    for (const { question, answer } of this.#turns.splice(index)) {
      question.remove();
      answer.element.remove();
    }
    this.#turns.at(-1)?.answer.setLast(true);
  }

  /** Shows that the model has nothing of the turns before `index`; 0 if it has all. */
  showMemory(index: number): void {
    const first = this.#turns[index]?.question;
    if (index === 0 || !first) this.#memory.remove();
    else if (this.#memory.nextSibling !== first) first.before(this.#memory);
  }

  /** No question can be changed while an answer is under way. */
  setBusy(busy: boolean): void {
    this.log.classList.toggle('answering', busy);
    for (const button of this.log.querySelectorAll<HTMLButtonElement>('.turn-actions .changes'))
      button.disabled = busy;
  }

  clear(): void {
    this.#turns = [];
    this.log.replaceChildren();
  }
}

/** A question, with a button that turns it into a box to change it in. */
function questionElement(text: string, resend: (text: string) => void): HTMLElement {
  const shown = create('p', { text });
  shown.dir = 'auto';
  const edit = create('button', { class: 'quiet changes', text: 'Edit' });
  edit.type = 'button';
  const actions = create('div', { class: 'turn-actions' }, edit);
  const title = create('h2', { class: 'vh', text: 'You' });
  const element = create('div', { class: 'question' }, title, shown, actions);
  edit.addEventListener('click', () => {
    const form = editForm(text, resend, () => {
      form.replaceWith(shown);
      actions.hidden = false;
      edit.focus({ preventScroll: true });
    });
    shown.replaceWith(form);
    actions.hidden = true;
    form.querySelector('textarea')?.focus({ preventScroll: true });
  });
  return element;
}

function editForm(text: string, resend: (text: string) => void, cancel: () => void): HTMLFormElement {
  const box = create('textarea');
  box.value = text;
  box.rows = Math.min(8, text.split('\n').length + 1);
  box.setAttribute('aria-label', 'Change the message');
  const send = create('button', { class: 'quiet', text: 'Send again' });
  const back = create('button', { class: 'quiet', text: 'Cancel' });
  back.type = 'button';
  back.addEventListener('click', cancel);
  const form = create('form', { class: 'edit' }, box, create('div', { class: 'turn-actions' }, back, send));
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    if (box.value.trim()) resend(box.value.trim());
  });
  form.addEventListener('keydown', (event) => {
    if (event.isComposing) return;
    if (event.key === 'Escape') {
      event.stopPropagation();
      cancel();
    } else if (event.key === 'Enter' && !event.shiftKey && event.target === box) {
      event.preventDefault();
      form.requestSubmit();
    }
  });
  return form;
}
