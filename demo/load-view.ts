// What the page shows while a model loads: a line of text, a progress bar, and the ornament filling up.

import type { LoadProgress } from '../src/index';
import { byId } from './dom';
import { weave } from './weave';

/** The progress of one load after another. */
export class LoadView {
  readonly #panel = byId('loading', HTMLElement);
  readonly #text = byId('loading-text', HTMLElement);
  readonly #bar = byId('progress', HTMLElement);
  readonly #cancel = byId('cancel', HTMLButtonElement);
  readonly #draw = weave(byId('weave', SVGSVGElement));

  /** Starts anew. `cancellable` loads show a button, which the page wires up. */
  start(name: string, cancellable: boolean): void {
    this.#cancel.hidden = !cancellable;
    this.#panel.hidden = false;
    this.#show(0, `Loading ${name}`);
  }

  update({ fraction, text }: LoadProgress): void {
    this.#show(fraction, text);
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
