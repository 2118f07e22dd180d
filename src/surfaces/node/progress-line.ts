// How far a load is, as one line of the terminal that is written over and over.

import type { LoadProgress } from '../../plan/load-options';

const WIDTH = 24;
const NAMES = { download: 'Downloading', upload: 'Loading', compile: 'Compiling' } as const;

/** `Downloading  ████████░░░░  33 %  400 MB of 1.2 GB, 12 MB/s, 65 s left`. */
export function progressText({ phase, loaded, total, bytesPerSecond, secondsLeft }: LoadProgress): string {
  const share = total > 0 ? Math.min(1, loaded / total) : 0;
  const full = Math.round(share * WIDTH);
  const bar = '█'.repeat(full) + '░'.repeat(WIDTH - full);
  const show = phase === 'compile' ? String : bytesText;
  const amounts = total > 0 ? `${show(loaded)} of ${show(total)}` : show(loaded);
  const rate = bytesPerSecond === undefined ? '' : `, ${bytesText(bytesPerSecond)}/s`;
  const left = secondsLeft === undefined ? '' : `, ${Math.ceil(secondsLeft)} s left`;
  const percent = `${Math.floor(share * 100)}`.padStart(3);
  return `${NAMES[phase].padEnd(12)}${bar} ${percent} %  ${amounts}${rate}${left}`;
}

/** Bytes with a unit, to three digits: `1.44 MB`. */
export function bytesText(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  const power = bytes < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(bytes) / 3));
  const value = bytes / 1000 ** power;
  return `${value >= 100 || power === 0 ? Math.round(value) : value.toPrecision(3)} ${units[power]}`;
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
