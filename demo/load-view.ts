// What the page shows while a model loads: a line of text, a progress bar, and the ornament filling up.

import type { LoadProgress } from '../src/index';
import { byId, formatBytes } from './dom';
import { weave } from './weave';

/** What a reader can do about a load; the view says which of it there is. */
export interface LoadControls {
  pause: boolean;
  cancel: boolean;
}

/** The progress of one load after another. */
export class LoadView {
  readonly #panel = byId('loading', HTMLElement);
  readonly #text = byId('loading-text', HTMLElement);
  readonly #bar = byId('progress', HTMLElement);
  readonly #pause = byId('pause', HTMLButtonElement);
  readonly #cancel = byId('cancel', HTMLButtonElement);
  readonly #draw = weave(byId('weave', SVGSVGElement));

  /** Starts anew. The page wires the buttons up. */
  start(name: string, { pause, cancel }: LoadControls): void {
    this.#pause.hidden = !pause;
    this.#pause.textContent = 'Pause';
    this.#cancel.hidden = !cancel;
    this.#panel.hidden = false;
    this.#show(0, `Loading ${name}`);
  }

  /** `rate` is that of the download, bytes a second, whatever phase has just gone on. */
  update({ fraction, text }: LoadProgress, rate?: number): void {
    this.#show(fraction, progressText(text, rate));
  }

  /** Stands still: the load has ended for now, and the button takes it up again. */
  pause(text: string): void {
    this.#pause.textContent = 'Resume';
    this.#text.textContent = text;
    this.#bar.setAttribute('aria-valuetext', text);
  }

  /** Hides the progress. The ornament stays: whole if there is a model, empty if not. */
  end(loaded: boolean): void {
    this.#panel.hidden = true;
    this.#draw(loaded ? 1 : 0);
  }

  #show(fraction: number, text: string): void {
    this.#text.textContent = text;
    this.#bar.setAttribute('aria-valuenow', String(Math.round(fraction * 100)));
    this.#bar.setAttribute('aria-valuetext', text);
    this.#bar.style.setProperty('--fraction', fraction.toFixed(3));
    this.#draw(fraction);
  }
}

/** What goes on, with the rate of a download, bytes a second: `Downloading 12.5 MB of 1.2 GB, 40 s left, at 25 MB/s`. */
export function progressText(text: string, rate = 0): string {
  return text.startsWith('Downloading') && rate > 0 ? `${text}, at ${formatBytes(rate)}/s` : text;
}

/** What there is of a load that was paused. `isKept`: whether the browser keeps what comes, so that it can go on from there. */
export function pausedText(
  name: string,
  isKept: boolean,
  download?: Pick<LoadProgress, 'loaded' | 'total'>,
): string {
  if (!download?.total) return `Paused ${name}.`;
  const { loaded, total } = download;
  return isKept
    ? `Paused: ${formatBytes(loaded)} of ${formatBytes(total)} are here.`
    : `Paused. Nothing of it could be kept here, so it will begin anew.`;
}
