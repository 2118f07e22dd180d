// The conversation on the page: turns one below the other, and a line where the model's memory begins.

import type { SampledLogprob } from '../src/index';
import { AnswerView } from './answer-view';
import { create } from './dom';
import { TokenPopover } from './token-popover';

/** What a reader can do with a turn. */
export interface TurnActions {
  /** Asks the question `text` in the place of turn `index`, whose answer and all behind it go. */
  resend: (index: number, text: string) => void;
  /** Goes on from the beginning of an answer to turn `index`, in a branch of its own. */
  goOn: (index: number, beginning: readonly SampledLogprob[]) => void;
  /** Shows another branch of the conversation, by its number. */
  show: (branch: number) => void;
}

export function scrollToEnd(): void {
  window.scrollTo({ top: document.documentElement.scrollHeight, behavior: 'instant' });
}

/** A question and its answer. */
interface Turn {
  text: string;
  question: HTMLElement;
  answer: AnswerView;
}

/** The log of one conversation. */
export class ChatView {
  /** Of each branch; those of one that is not shown are not on the page, but for what it has in common with the one that is. */
  #branches: Turn[][] = [[]];
  #branch = 0;
  readonly #popover = new TokenPopover();
  readonly #memory = create('p', {
    class: 'memory',
    text: 'The model remembers from here on: what is above has no room in its context any more.',
  });

  constructor(
    private readonly log: HTMLElement,
    private readonly actions: TurnActions,
  ) {}

  get #turns(): Turn[] {
    return this.#branches[this.#branch] ?? [];
  }

  /** Shows what the reader sent, and an empty answer below it. */
  addTurn(question: string): AnswerView {
    const { question: asked, answer } = this.#begin(question);
    this.log.append(asked, answer.element);
    this.#countBranches();
    scrollToEnd();
    return answer;
  }

  /** Shows turns of an earlier visit, all at once: the page is laid out once and not with every turn. */
  restore(turns: readonly { question: string; answer: string }[]): void {
    const elements = turns.flatMap((turn) => {
      const { question, answer } = this.#begin(turn.question);
      answer.restore(turn.answer);
      return [question, answer.element];
    });
    this.log.append(...elements);
    scrollToEnd();
  }

  /** The next turn, which is not on the page yet. */
  #begin(question: string): Turn {
    const index = this.#turns.length;
    const again = (text: string): void => this.actions.resend(index, text);
    const answer = new AnswerView(index + 1, {
      regenerate: () => again(question),
      goOn: (beginning) => this.actions.goOn(index, beginning),
      popover: this.#popover,
    });
    const turn = { text: question, question: questionElement(question, again), answer };
    this.#turns.at(-1)?.answer.setLast(false);
    this.#turns.push(turn);
    return turn;
  }

  /** Removes turn `index` and all behind it. */
  removeFrom(index: number): void {
    const removed = this.#turns.slice(index);
    this.#turns.length = index;
    this.#arrange(removed, []);
  }

  questionOf(index: number): string {
    return this.#turns[index]?.text ?? '';
  }

  /** Begins a branch without turn `index` and all behind it. */
  branch(index: number): void {
    const left = this.#turns;
    this.#branch = this.#branches.push(left.slice(0, index)) - 1;
    this.#arrange(left.slice(index), []);
  }

  /** Shows another branch, by its number. */
  show(branch: number): void {
    const left = this.#turns;
    this.#branch = branch;
    const shared = left.filter((turn, i) => turn === this.#turns[i]).length;
    this.#arrange(left.slice(shared), this.#turns.slice(shared));
    this.#turns[shared]?.answer.element.scrollIntoView({ block: 'nearest' });
    this.#turns[shared]?.answer.focusBranches();
  }

  #arrange(removed: readonly Turn[], added: readonly Turn[]): void {
    for (const { question, answer } of removed) {
      question.remove();
      answer.element.remove();
    }
    this.log.append(...added.flatMap(({ question, answer }) => [question, answer.element]));
    const last = this.#turns.at(-1);
    for (const { answer } of this.#turns) answer.setLast(answer === last?.answer);
    this.#countBranches();
  }

  /** Says at each answer which of several ways from there this is, and leads to the others. */
  #countBranches(): void {
    // Of branches that have the same turn in the same place, the last one.
    const branchOf = (turn: Turn, index: number): number =>
      this.#branches.findLastIndex((branch) => branch[index] === turn);
    const turns = this.#turns;
    if (this.#branches.length === 1) return;
    for (const [index, turn] of turns.entries()) {
      const beside = this.#branches.filter((branch) => index === 0 || branch[index - 1] === turns[index - 1]);
      const ways = [...new Set(beside.flatMap((branch) => branch[index] ?? []))];
      const at = ways.indexOf(turn);
      turn.answer.setBranch(at, ways.length, (to) => {
        const other = ways[to];
        if (other) this.actions.show(branchOf(other, index));
      });
    }
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
    this.#branches = [[]];
    this.#branch = 0;
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
