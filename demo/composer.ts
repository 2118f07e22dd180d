// The box in which the reader writes: it grows with the text, Enter sends, and Shift and Enter begin a line.

import { byId } from './dom';
import { focusMessage } from './reader';

/** Calls `send` with what was written, which is cleared if that answers true: it was taken. */
export function wireComposer(send: (text: string) => boolean): void {
  const form = byId('composer', HTMLFormElement);
  const message = byId('message', HTMLTextAreaElement);
  const fit = (): void => {
    message.style.height = 'auto';
    message.style.height = `${message.scrollHeight}px`;
  };
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    const text = message.value.trim();
    focusMessage();
    if (!text || !send(text)) return;
    message.value = '';
    fit();
  });
  message.addEventListener('input', fit);
  message.addEventListener('keydown', (event) => {
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    form.requestSubmit();
  });
}
