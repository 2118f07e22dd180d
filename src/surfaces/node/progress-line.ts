// How far a load is, as one line of the terminal that is written over and over.

import type { LoadProgress } from '../../plan/load-options';

const WIDTH = 24;

/** `████████░░░░  33 %  Downloading 400 MB of 1.2 GB, 65 s left`. */
export function progressText({ fraction, text }: Pick<LoadProgress, 'fraction' | 'text'>): string {
  const full = Math.round(fraction * WIDTH);
  const bar = '█'.repeat(full) + '░'.repeat(WIDTH - full);
  const percent = `${Math.floor(fraction * 100)}`.padStart(3);
  return `${bar} ${percent} %  ${text}`;
}

/** Where lines go: standard error, so that what a program writes stays clean. */
export interface Terminal {
  isTTY?: boolean;
  write(text: string): unknown;
}

/** Shows progress on a terminal; where there is none, nothing. */
export class ProgressLine {
  #shown = '';

  constructor(private readonly terminal: Terminal) {}

  readonly show = (progress: LoadProgress): void => {
    const text = progressText(progress);
    if (!this.terminal.isTTY || text === this.#shown) return;
    this.#shown = text;
    this.terminal.write(`\r\x1b[K${text}`);
  };

  /** Takes the line away. */
  clear(): void {
    if (this.#shown !== '') this.terminal.write('\r\x1b[K');
    this.#shown = '';
  }
}
