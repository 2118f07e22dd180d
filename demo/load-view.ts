// What the page shows while a model loads: a line of text, a progress bar, and the ornament filling up.

import type { LoadProgress } from '../src/index';
import { byId, formatBytes } from './dom';
import { weave } from './weave';

/** How much of the whole each phase is taken to be. A phase that never comes (a cached download) is not missed. */
const SHARES: Record<LoadProgress['phase'], number> = { download: 0.5, upload: 0.2, compile: 0.3 };

/** The progress of one load after another. */
export class LoadView {
  readonly #panel = byId('loading', HTMLElement);
  readonly #text = byId('loading-text', HTMLElement);
  readonly #bar = byId('progress', HTMLElement);
  readonly #cancel = byId('cancel', HTMLButtonElement);
  readonly #draw = weave(byId('weave', SVGSVGElement));
  #name = '';
  #done: Partial<Record<LoadProgress['phase'], number>> = {};

  /** Starts anew. `cancellable` loads show a button, which the page wires up. */
  start(name: string, cancellable: boolean): void {
    this.#name = name;
    this.#done = {};
    this.#cancel.hidden = !cancellable;
    this.#panel.hidden = false;
    this.#show(`Loading ${name}`);
  }

  update(progress: LoadProgress): void {
    const { phase, loaded, total } = progress;
    this.#done[phase] = total > 0 ? Math.min(1, loaded / total) : 0;
    this.#show(describe(progress, this.#name));
  }

  /** Hides the progress. The ornament stays: whole if there is a model, empty if not. */
  end(loaded: boolean): void {
    this.#panel.hidden = true;
    this.#draw(loaded ? 1 : 0);
  }

  #show(text: string): void {
    let fraction = 0;
    for (const phase of Object.keys(SHARES) as LoadProgress['phase'][])
      fraction += SHARES[phase] * (this.#done[phase] ?? 0);
    this.#text.textContent = text;
    this.#bar.setAttribute('aria-valuenow', String(Math.round(fraction * 100)));
    this.#bar.setAttribute('aria-valuetext', text);
    this.#bar.style.setProperty('--fraction', fraction.toFixed(3));
    this.#draw(fraction);
  }
}

function describe({ phase, loaded, total }: LoadProgress, name: string): string {
  if (phase === 'compile')
    return total > 0 ? `Preparing GPU programs: ${loaded} of ${total}` : 'Preparing GPU programs';
  const verb = phase === 'download' ? `Reading ${name}` : 'Copying to the GPU';
  return total > 0
    ? `${verb}: ${formatBytes(loaded)} of ${formatBytes(total)}`
    : `${verb}: ${formatBytes(loaded)}`;
}
