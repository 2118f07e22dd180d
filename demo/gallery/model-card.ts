// One model of the gallery: what it is, what it takes, whether it fits this device, and a button that loads it.

import { urlOf } from '../../src/storage/http/address';
import { button, create, formatBytes, formatNumber, setText } from '../dom';
import type { Source } from '../source';
import { VerdictLine, type Checks } from './checks';
import { sourceOf, type ListedModel } from './model-list';

export class ModelCard {
  readonly element: HTMLElement;
  readonly source: Source;
  /** Of its main file, as the cache names it. */
  readonly url: string;
  readonly #verdict: VerdictLine;
  readonly #badge = create('span', { class: 'badge' });

  constructor(
    readonly model: ListedModel,
    checks: Checks,
    load: (source: Source) => void,
  ) {
    this.source = sourceOf(model);
    this.url = urlOf(model.source);
    const line = create('p', { class: 'verdict', text: 'Not checked on this device yet.' });
    this.#verdict = new VerdictLine(line, checks);
    const title = create('h3', { text: model.title });
    title.id = `model-${crypto.randomUUID()}`;
    this.element = create(
      'article',
      { class: 'model' },
      create('div', { class: 'model-title' }, title, this.#badge),
      create('p', { text: model.goodAt }),
      create('p', { class: 'model-size', text: sizesOf(model) }),
      line,
      create(
        'div',
        { class: 'row' },
        button('Check', () => void this.check(), `whether ${model.title} fits`),
        button('Load', () => load(this.source), model.title),
      ),
    );
    this.element.setAttribute('aria-labelledby', title.id);
  }

  check(): Promise<void> {
    return this.#verdict.check(this.source);
  }

  /** Says where the model is; nothing if it is neither loaded nor here. */
  mark(state: 'in use' | 'on this device' | undefined): void {
    setText(this.#badge, state ?? '');
  }
}

/** `MIT · 1.2 GB to download · 1.2 GB on the GPU · context of 4,096`. */
function sizesOf({ licence, downloadBytes, gpuBytes, contextLength }: ListedModel): string {
  const parts = [licence];
  if (downloadBytes) parts.push(`${formatBytes(downloadBytes)} to download`);
  if (gpuBytes) parts.push(`${formatBytes(gpuBytes)} on the GPU`);
  if (contextLength) parts.push(`context of ${formatNumber(contextLength)}`);
  return parts.join(' · ');
}
