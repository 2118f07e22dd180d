// A button for what cannot be undone: it acts at the second click, and forgets the first one when it loses the focus.

import { button } from '../dom';

export function askTwice(label: string, question: string, act: () => void, more = ''): HTMLButtonElement {
  const element = button(label, click, more);
  const text = element.firstChild;
  let asked = false;
  const ask = (on: boolean): void => {
    asked = on;
    if (text) text.textContent = on ? question : label;
  };
  function click(): void {
    if (asked) act();
    ask(!asked);
  }
  element.addEventListener('blur', () => ask(false));
  return element;
}
