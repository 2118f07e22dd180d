// Shows texts as the demo shows answers, piece by piece, for a test to look at.
import { MarkdownView } from '../../../demo/markdown';

/** What has become of a text. */
export interface Rendered {
  html: string;
  /** Whether the first block is the very element that it was when `pieces` were half shown. */
  firstStayed: boolean;
}

function show(pieces: readonly string[]): Rendered {
  const view = new MarkdownView();
  document.body.append(view.element);
  pieces.forEach((piece, i) => {
    view.append(piece);
    if (i === pieces.length >> 1) view.element.firstElementChild?.setAttribute('data-seen', 'yes');
  });
  const first = view.element.firstElementChild;
  const firstStayed = first?.hasAttribute('data-seen') ?? false;
  first?.removeAttribute('data-seen');
  const html = view.element.innerHTML;
  view.element.remove();
  return { html, firstStayed };
}

Object.assign(globalThis, { show, ready: true });
