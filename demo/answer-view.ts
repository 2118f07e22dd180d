// One answer on the page: its text, its reasoning, a line of state, what can be done with it, and a disclosure of its chunks.

import type { FinishReason, GenerateChunk, SampledLogprob, TokenLogprob, Usage } from '../src/index';
import { create, formatNumber, setFacts, triad } from './dom';
import { BranchView } from './branch-view';
import { copyButton, MarkdownView } from './markdown';
import type { TokenPopover } from './token-popover';
import { TokenView } from './token-view';

/** A reader this close to the end of the page (CSS px) wants to follow the text. */
const FOLLOW_DISTANCE = 64;

const ENDINGS: Record<FinishReason, string> = {
  stop: 'complete',
  'tool-calls': 'tools called',
  length: 'length limit reached',
  abort: 'stopped',
};

/** What a reader can do with an answer, and where its tokens are looked at. */
export interface AnswerActions {
  /** Asks the same again, in place of this answer. */
  regenerate: () => void;
  /** Goes on from the beginning of an answer, whose last token is another one than this answer has there. */
  goOn: (beginning: readonly SampledLogprob[]) => void;
  popover: TokenPopover;
}

export class AnswerView {
  readonly element: HTMLElement;
  readonly #text = new MarkdownView();
  readonly #reasoning = new MarkdownView();
  readonly #reasoningBox: HTMLDetailsElement;
  /** What was reused of the KV cache. Empty until the answer ends, but in its place: nothing moves then. */
  readonly #reused = create('p', { class: 'reused' });
  readonly #state = create('span', { text: 'reading the prompt' });
  readonly #chunks = create('ol', { class: 'chunks' });
  readonly #figures = create('dl', { class: 'facts figures' });
  readonly #details: HTMLDetailsElement;
  readonly #again: HTMLButtonElement;
  readonly #branches = new BranchView();
  /** What has come and is not shown yet: a page is drawn 60 times a second, whatever the rate of tokens. */
  #waiting: GenerateChunk[] = [];
  #tokens = 0;
  #firstAt = 0;

  /** Filled where the answer comes with the probabilities of its tokens. */
  readonly #tokenView: TokenView;

  constructor(
    number: number,
    private readonly actions: AnswerActions,
  ) {
    const title = create('h2', { class: 'vh', text: `Answer ${number}` });
    title.id = `answer-${number}`;
    this.#reasoningBox = create(
      'details',
      { class: 'reasoning' },
      create('summary', {}, create('span', { text: 'Reasoning' })),
      this.#reasoning.element,
    );
    this.#reasoningBox.hidden = true;
    this.#reasoning.element.className = 'thought';
    this.#again = create('button', { class: 'quiet changes', text: 'Regenerate' });
    this.#again.type = 'button';
    this.#again.addEventListener('click', () => actions.regenerate());
    const turnActions = create(
      'div',
      { class: 'turn-actions' },
      copyButton('Copy', () => this.text),
      this.#again,
      this.#branches.element,
    );
    this.#chunks.tabIndex = 0;
    this.#chunks.setAttribute('aria-label', 'Chunks');
    this.#figures.hidden = true;
    this.#details = this.#disclosure();
    this.#tokenView = new TokenView(`Tokens of answer ${number}`, actions.popover, (index, alternative) =>
      this.#goOn(index, alternative),
    );
    const parts = [
      title,
      this.#reasoningBox,
      this.#text.element,
      turnActions,
      this.#reused,
      this.#tokenView.element,
      this.#details,
    ];
    this.element = create(
      'article',
      { class: 'answer busy' },
      triad(),
      create('div', { class: 'body' }, ...parts),
    );
    this.element.setAttribute('aria-labelledby', title.id);
    this.element.setAttribute('aria-busy', 'true');
  }

  /** The text so far, as it came. */
  get text(): string {
    return this.#text.text + this.#waiting.map(({ text }) => text).join('');
  }

  /** Tokens per second so far; 0 before the second token. Chunks can hold several tokens, so tokens are counted. */
  get #rate(): number {
    const seconds = (performance.now() - this.#firstAt) / 1000;
    return this.#tokens > 1 && seconds > 0 ? (this.#tokens - 1) / seconds : 0;
  }

  add(chunk: GenerateChunk): void {
    if (this.#tokens === 0) this.#firstAt = performance.now();
    this.#tokens += chunk.tokenIds.length;
    if (this.#waiting.length === 0 && !chunk.finishReason) requestAnimationFrame(() => this.#show());
    this.#waiting.push(chunk);
    // A page in the background draws nothing, but it has ended.
    if (chunk.finishReason) this.#show();
  }

  /** Shows an answer of an earlier visit, of which the text is known and nothing else. */
  restore(text: string): void {
    this.#settle();
    this.#text.append(text);
    this.#details.hidden = true;
  }

  /** Ends the answer with what went wrong. */
  fail(message: string): void {
    this.#show();
    this.#settle();
    this.#setState(this.#rate, 'failed');
    this.#following(() => {
      this.#text.element.hidden = this.text === '';
      this.#details.hidden = this.#tokens === 0;
      this.#text.element.after(create('p', { class: 'notice', text: message }));
    });
  }

  /** Shows the tokens that the answer begins with, of which everything is known: it goes on from an older one. */
  begin(tokens: readonly SampledLogprob[]): void {
    this.#tokenView.append(tokens);
  }

  /** From now on nothing more comes. */
  #settle(): void {
    this.element.classList.remove('busy');
    this.element.removeAttribute('aria-busy');
  }

  #goOn(index: number, alternative: TokenLogprob): void {
    const { entries } = this.#tokenView;
    const alternatives = entries[index]?.alternatives ?? [];
    this.actions.goOn([...entries.slice(0, index), { ...alternative, alternatives }]);
  }

  /** Says which of several answers this is, from 0, and leads to the others. */
  setBranch(at: number, count: number, show: (at: number) => void): void {
    this.#branches.set(at, count, show);
  }

  focusBranches(): void {
    this.#branches.focus();
  }

  /** Only the last answer can be had anew. */
  setLast(last: boolean): void {
    this.#again.hidden = !last;
  }

  #disclosure(): HTMLDetailsElement {
    return create(
      'details',
      {},
      create('summary', {}, create('span', { text: 'Chunks' }), this.#state),
      create('p', {
        class: 'hint',
        text: 'Every chunk as it came: its text, and below it the token ids. An id without text yet is held back until its character is complete.',
      }),
      this.#chunks,
      this.#figures,
    );
  }

  #show(): void {
    const chunks = this.#waiting;
    const last = chunks.at(-1);
    if (!last) return;
    this.#waiting = [];
    this.#following(() => {
      this.#reasoning.append(chunks.map(({ reasoning = '' }) => reasoning).join(''));
      this.#reasoningBox.hidden = this.#reasoning.text === '';
      this.#text.append(chunks.map(({ text }) => text).join(''));
      const shown = chunks.filter(
        ({ text, reasoning, tokenIds }) => text || reasoning || tokenIds.length > 0,
      );
      this.#chunks.append(...shown.map(chunkItem));
      this.#tokenView.append(chunks.flatMap(({ logprobs = [] }) => logprobs));
      if (last.finishReason) this.#finish(last.finishReason, last.usage);
      else this.#setState(this.#rate);
    });
  }

  /** Changes the answer, and keeps a reader who was at the end of the page there; others are not moved. */
  #following(change: () => void): void {
    const page = document.documentElement;
    const atEnd = page.scrollHeight - page.scrollTop - page.clientHeight < FOLLOW_DISTANCE;
    change();
    // The last chunk of a conversation that was cleared comes after the answer has left the page.
    if (atEnd && this.element.isConnected) window.scrollTo({ top: page.scrollHeight, behavior: 'instant' });
  }

  #finish(reason: FinishReason, usage: Usage | undefined): void {
    this.#settle();
    this.#setState(usage?.tokensPerSecond ?? this.#rate, ENDINGS[reason]);
    if (!usage) return;
    const [cached, all] = [usage.cachedTokens, usage.promptTokens].map(formatNumber);
    this.#reused.textContent = `${cached} of ${all} prompt tokens were in the KV cache`;
    this.#figures.hidden = false;
    const facts: [string, string][] = [
      ['Prompt', `${formatNumber(usage.promptTokens)} tokens`],
      ['Cached of these', `${formatNumber(usage.cachedTokens)} tokens`],
      ['Answer', `${formatNumber(usage.completionTokens)} tokens`],
      ['Prefill', `${formatNumber(usage.prefillMs)} ms`],
      ['Decode', `${formatNumber(usage.decodeMs)} ms`],
      ['Speed', `${formatNumber(usage.tokensPerSecond)} tokens/s`],
    ];
    if (usage.omittedTurns > 0) facts.push(['Left out', `${formatNumber(usage.omittedTurns)} turns`]);
    setFacts(this.#figures, facts);
  }

  #setState(rate: number, ending?: string): void {
    const parts = [`${this.#tokens} ${this.#tokens === 1 ? 'token' : 'tokens'}`];
    if (rate > 0) parts.push(`${formatNumber(rate)} tokens/s`);
    if (ending) parts.push(ending);
    this.#state.textContent = parts.join(' · ');
  }
}

/** One chunk: its text, exactly as it came, over its ids. */
function chunkItem(chunk: GenerateChunk): HTMLLIElement {
  const ids = create('span', { class: 'ids', text: chunk.tokenIds.join(' ') });
  const text = (chunk.reasoning ?? '') + chunk.text;
  if (text) return create('li', {}, create('code', { class: 'piece' }, ...markSpaces(text)), ids);
  const note = chunk.finishReason === 'stop' ? 'end' : 'held back';
  return create('li', { class: 'silent' }, create('span', { class: 'note', text: note }), ids);
}

/** The text unchanged, but with its spaces and line breaks as elements of their own, for the style sheet to show. */
function markSpaces(text: string): Node[] {
  return (text.match(/\n|[^\S\n]+|\S+/g) ?? []).map((part) => {
    if (part === '\n') return create('span', { class: 'newline', text: part });
    if (part.trim() === '') return create('span', { class: 'space', text: part });
    return document.createTextNode(part);
  });
}
