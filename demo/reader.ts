// How every part of the page turns to the reader: by what a screen reader says, and by where the focus is.

import { byId } from './dom';

/** Says something to screen readers, once, without moving the focus. */
export function announce(text: string): void {
  byId('announcer', HTMLElement).textContent = text;
}

/** The message box is always in view or at the end of the page: focusing it must not move what the reader reads. */
export function focusMessage(): void {
  byId('message', HTMLTextAreaElement).focus({ preventScroll: true });
}
