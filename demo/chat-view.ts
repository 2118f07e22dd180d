// The conversation on the page: questions, answers as they stream in, and under each answer its chunks and figures.

import type { FinishReason, GenerateChunk, Usage } from '../src/index';
import { create, formatNumber, setFacts, triad } from './dom';

/** A reader this close to the end of the page (CSS px) wants to follow the text. */
const FOLLOW_DISTANCE = 64;

const ENDINGS: Record<FinishReason, string> = {
  stop: 'complete',
  'tool-calls': 'tools called',
  length: 'length limit reached',
  abort: 'stopped',
};

function scrollToEnd(): void {
  window.scrollTo({ top: document.documentElement.scrollHeight, behavior: 'instant' });
}

/** The log of one conversation. */
export class ChatView {
  #answers = 0;

  constructor(private readonly log: HTMLElement) {}

  /** Shows what the reader sent, and an empty answer below it. */
  addTurn(question: string): AnswerView {
    this.#answers++;
    const text = create('p', { text: question });
    text.dir = 'auto';
    const asked = create('div', { class: 'question' }, create('h2', { class: 'vh', text: 'You' }), text);
    const answer = new AnswerView(this.#answers);
    this.log.append(asked, answer.element);
    scrollToEnd();
    return answer;
  }

  clear(): void {
    this.#answers = 0;
    this.log.replaceChildren();
  }
}

/** One answer: its text, its state in a line, and a disclosure of its chunks. */
export class AnswerView {
  readonly element: HTMLElement;
  readonly #text = create('p', { class: 'text' });
  readonly #state = create('span', { text: 'reading the prompt' });
  readonly #chunks = create('ol', { class: 'chunks' });
  readonly #figures = create('dl', { class: 'facts figures' });
  readonly #details: HTMLDetailsElement;
  #tokens = 0;
  #firstAt = 0;

  constructor(number: number) {
    const title = create('h2', { class: 'vh', text: `Answer ${number}` });
    title.id = `answer-${number}`;
    this.#text.dir = 'auto';
    this.#chunks.tabIndex = 0;
    this.#chunks.setAttribute('aria-label', 'Chunks');
    this.#figures.hidden = true;
    this.#details = create(
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
    const body = create('div', { class: 'body' }, title, this.#text, this.#details);
    this.element = create('article', { class: 'answer busy' }, triad(), body);
    this.element.setAttribute('aria-labelledby', title.id);
  }

  /** The text so far. */
  get text(): string {
    return this.#text.textContent;
  }

  /** Tokens per second so far; 0 before the second token. Chunks can hold several tokens, so tokens are counted. */
  get #rate(): number {
    const seconds = (performance.now() - this.#firstAt) / 1000;
    return this.#tokens > 1 && seconds > 0 ? (this.#tokens - 1) / seconds : 0;
  }

  add(chunk: GenerateChunk): void {
    if (this.#tokens === 0) this.#firstAt = performance.now();
    this.#tokens += chunk.tokenIds.length;
    this.#following(() => {
      this.#text.append(chunk.text);
      if (chunk.text || chunk.tokenIds.length > 0) this.#chunks.append(chunkItem(chunk));
      if (chunk.finishReason) this.#finish(chunk.finishReason, chunk.usage);
      else this.#setState(this.#rate);
    });
  }

  /** Ends the answer with what went wrong. */
  fail(message: string): void {
    this.element.classList.remove('busy');
    this.#setState(this.#rate, 'failed');
    this.#following(() => {
      this.#text.hidden = this.text === '';
      this.#details.hidden = this.#tokens === 0;
      this.#text.after(create('p', { class: 'notice', text: message }));
    });
  }

  /** Changes the answer, and keeps a reader who was at the end of the page there; others are not moved. */
  #following(change: () => void): void {
    const page = document.documentElement;
    const atEnd = page.scrollHeight - page.scrollTop - page.clientHeight < FOLLOW_DISTANCE;
    change();
    // The last chunk of a conversation that was cleared comes after the answer has left the page.
    if (atEnd && this.element.isConnected) scrollToEnd();
  }

  #finish(reason: FinishReason, usage: Usage | undefined): void {
    this.element.classList.remove('busy');
    this.#setState(usage?.tokensPerSecond ?? this.#rate, ENDINGS[reason]);
    if (!usage) return;
    this.#figures.hidden = false;
    setFacts(this.#figures, [
      ['Prompt', `${formatNumber(usage.promptTokens)} tokens`],
      ['Cached of these', `${formatNumber(usage.cachedTokens)} tokens`],
      ['Answer', `${formatNumber(usage.completionTokens)} tokens`],
      ['Prefill', `${formatNumber(usage.prefillMs)} ms`],
      ['Decode', `${formatNumber(usage.decodeMs)} ms`],
      ['Speed', `${formatNumber(usage.tokensPerSecond)} tokens/s`],
    ]);
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
  if (chunk.text) return create('li', {}, create('code', { class: 'piece' }, ...markSpaces(chunk.text)), ids);
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
