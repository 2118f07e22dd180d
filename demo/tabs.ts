// The tabs of the page: the chat, and answers of a given shape. They share the header, the engine and the scroll bar.

import { create } from './dom';

/** A tab, and what it shows. */
export interface Tab {
  label: string;
  panel: HTMLElement;
}

const STEPS: Record<string, (at: number, count: number) => number> = {
  ArrowRight: (at, count) => (at + 1) % count,
  ArrowLeft: (at, count) => (at + count - 1) % count,
  Home: () => 0,
  End: (_, count) => count - 1,
};

/** A list of tabs of which the first one is shown; arrow keys lead from one to the next. */
export function tabList(label: string, tabs: readonly Tab[]): HTMLElement {
  const buttons = tabs.map(({ label: text, panel }, i) => {
    const button = create('button', { text });
    button.type = 'button';
    button.id = `tab-${i}`;
    panel.id ||= `panel-${i}`;
    button.setAttribute('role', 'tab');
    button.setAttribute('aria-controls', panel.id);
    panel.setAttribute('role', 'tabpanel');
    panel.setAttribute('aria-labelledby', button.id);
    return button;
  });
  const select = (at: number): void => {
    for (const [i, button] of buttons.entries()) {
      button.setAttribute('aria-selected', String(i === at));
      button.tabIndex = i === at ? 0 : -1;
      const panel = tabs[i]?.panel;
      if (panel) panel.hidden = i !== at;
    }
    window.scrollTo({ top: 0, behavior: 'instant' });
  };
  const list = create('div', { class: 'tabs' }, ...buttons);
  list.setAttribute('role', 'tablist');
  list.setAttribute('aria-label', label);
  list.addEventListener('click', ({ target }) => {
    const at = buttons.findIndex((button) => button === target);
    if (at >= 0) select(at);
  });
  list.addEventListener('keydown', (event) => {
    const step = STEPS[event.key];
    const at = buttons.findIndex((button) => button === event.target);
    if (!step || at < 0) return;
    event.preventDefault();
    const next = step(at, buttons.length);
    select(next);
    buttons[next]?.focus();
  });
  select(0);
  return list;
}
