// The few helpers that every part of the page shares.

/** The element of the page with this id, as the class it is expected to have. */
export function byId<T extends Element>(id: string, type: abstract new (...args: never) => T): T {
  const element = document.querySelector(`#${id}`);
  if (!(element instanceof type)) throw new Error(`The page has no #${id}.`);
  return element;
}

/** A new element. Text always goes in as text, never as markup. */
export function create<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  options: { class?: string; text?: string } = {},
  ...children: Node[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  if (options.class) element.className = options.class;
  if (options.text !== undefined) element.textContent = options.text;
  element.append(...children);
  return element;
}

/** A button. `more` is a part of its name that only screen readers need, as they may hear it without what is around it. */
export function button(label: string, act: () => void, more = ''): HTMLButtonElement {
  const element = create('button', { text: label });
  element.type = 'button';
  if (more) element.append(create('span', { class: 'vh', text: more }));
  element.addEventListener('click', act);
  return element;
}

/** Has `element` say `text`; one that says so already is left alone, with what is selected in it. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

/** Replaces the content of a `<dl>` by these terms and values. */
export function setFacts(list: HTMLDListElement, facts: readonly (readonly [string, string])[]): void {
  const rows = facts.map(([term, value]) =>
    create('div', {}, create('dt', { text: term }), create('dd', { text: value })),
  );
  list.replaceChildren(...rows);
}

/** The mark of the three states. */
export function triad(): SVGSVGElement {
  const namespace = 'http://www.w3.org/2000/svg';
  const svg = document.createElementNS(namespace, 'svg');
  svg.setAttribute('class', 'triad');
  svg.setAttribute('aria-hidden', 'true');
  const use = document.createElementNS(namespace, 'use');
  use.setAttribute('href', '#triad');
  svg.append(use);
  return svg;
}

const compact = new Intl.NumberFormat('en', { notation: 'compact', maximumSignificantDigits: 3 });
const plain = new Intl.NumberFormat('en', { maximumFractionDigits: 1 });

/** 2754816 → "2.75M". */
export const formatCount = (count: number): string => compact.format(count);

/** 12.345 → "12.3"; 1024 → "1,024". */
export const formatNumber = (value: number): string => plain.format(value);

/** Bytes in decimal units: 1446080 → "1.4 MB". */
export function formatBytes(bytes: number): string {
  if (bytes >= 1e9) return `${formatNumber(bytes / 1e9)} GB`;
  if (bytes >= 1e6) return `${formatNumber(bytes / 1e6)} MB`;
  return `${formatNumber(bytes / 1e3)} kB`;
}
