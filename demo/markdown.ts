// Answers as Markdown, while they stream: only the last blocks are rendered again, so nothing that was read moves.

import DOMPurify from 'dompurify';
import { Marked, type Token, type TokensList } from 'marked';
import { create } from './dom';
import { announce } from './reader';

/** The last blocks of a text can still change: a paragraph becomes a heading by the line behind it, a list goes on. */
const UNSETTLED = 2;

const marked = new Marked({ gfm: true, breaks: true });

/**
 * What an answer may hold. Nothing that loads anything: an image's address could carry what was said to somebody else. No forms, and
 * no ids or styles, which could pass for parts of the page.
 */
const ALLOWED = {
  ALLOWED_TAGS: [
    ...[
      'p',
      'br',
      'hr',
      'h1',
      'h2',
      'h3',
      'h4',
      'h5',
      'h6',
      'blockquote',
      'pre',
      'code',
      'em',
      'strong',
      'del',
    ],
    ...['ul', 'ol', 'li', 'a', 'table', 'thead', 'tbody', 'tr', 'th', 'td', 'sub', 'sup', 'kbd', 'mark'],
  ],
  ALLOWED_ATTR: ['href', 'title', 'start', 'align'],
  RETURN_DOM_FRAGMENT: true as const,
};

/** A block as it stands on the page. */
interface Block {
  raw: string;
  nodes: readonly Node[];
}

/** An element that shows a growing text. */
export class MarkdownView {
  readonly element = create('div', { class: 'text' });
  #blocks: Block[] = [];
  #text = '';

  constructor() {
    this.element.dir = 'auto';
  }

  /** The text as it came. */
  get text(): string {
    return this.#text;
  }

  append(text: string): void {
    if (!text) return;
    this.#text += text;
    const settled = this.#blocks.slice(0, Math.max(0, this.#blocks.length - UNSETTLED));
    const start = settled.reduce((length, { raw }) => length + raw.length, 0);
    const tokens = marked.lexer(this.#text.slice(start));
    const old = this.#blocks.slice(settled.length);
    const same = tokens.findIndex((token, i) => token.raw !== old[i]?.raw);
    const kept = same < 0 ? tokens.length : same;
    for (const { nodes } of old.slice(kept)) for (const node of nodes) (node as ChildNode).remove();
    const added = tokens.slice(kept).map((token) => ({ raw: token.raw, nodes: render(token, tokens.links) }));
    this.element.append(...added.flatMap(({ nodes }) => nodes));
    this.#blocks = [...settled, ...old.slice(0, kept), ...added];
  }
}

function render(token: Token, links: TokensList['links']): Node[] {
  const html = marked.parser(Object.assign([token], { links }));
  const fragment = DOMPurify.sanitize(html, ALLOWED);
  for (const link of fragment.querySelectorAll('a')) {
    link.target = '_blank';
    link.rel = 'noopener noreferrer';
  }
  for (const block of fragment.querySelectorAll('pre')) withCopy(block);
  for (const table of fragment.querySelectorAll('table')) table.replaceWith(scrolling(table.cloneNode(true)));
  return [...fragment.childNodes];
}

/** Code with a button that copies it. What can be scrolled can be reached by keyboard. */
function withCopy(block: HTMLPreElement): void {
  const button = copyButton('Copy code', () => block.textContent);
  block.tabIndex = 0;
  const frame = create('div', { class: 'code' });
  block.replaceWith(frame);
  frame.append(block, button);
}

function scrolling(content: Node): HTMLElement {
  const frame = create('div', { class: 'wide' }, content);
  frame.tabIndex = 0;
  return frame;
}

/** How long a button says that it has copied, ms. */
const COPIED_FOR = 2000;

/** A button that copies what `text` gives. */
export function copyButton(label: string, text: () => string): HTMLButtonElement {
  const button = create('button', { class: 'quiet', text: label });
  button.type = 'button';
  button.addEventListener('click', () => {
    navigator.clipboard.writeText(text()).then(
      () => {
        button.textContent = 'Copied';
        announce('Copied.');
        setTimeout(() => (button.textContent = label), COPIED_FOR);
      },
      () => (button.textContent = 'Not allowed here'),
    );
  });
  return button;
}
