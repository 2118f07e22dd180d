// What the page shows where a model did not load, or no model can be loaded at all.

import { byId, create } from './dom';
import { explain, LOAD_FAILURES } from './failures';
import { weave } from './weave';

/** A notice of a load that failed. `goOn` is the name of the model that is there nevertheless. */
export function loadFailure(error: unknown, retry: HTMLButtonElement, goOn: string | undefined): HTMLElement {
  const { code, message } = explain(error);
  const text = create('p', { text: message });
  if (code) text.append(' ', create('code', { text: code }));
  const title = (code && LOAD_FAILURES[code]) ?? 'The model could not be loaded';
  const failure = create('div', { class: 'notice' }, create('h2', { text: title }), text);
  if (goOn) failure.append(create('p', { text: `You can go on with ${goOn}.` }));
  failure.append(retry);
  return failure;
}

/** Shows where WebGPU is to be had, in place of the chat. */
export function showUnsupported(message: string): void {
  const section = byId('unsupported', HTMLElement);
  const reason =
    'gpu' in navigator
      ? `This browser knows WebGPU, but it could not be used on this device. ${message}`
      : 'It lets a page compute on your graphics card. This browser does not offer it here, so the model cannot run.';
  byId('unsupported-reason', HTMLElement).textContent = reason;
  byId('insecure', HTMLElement).hidden = window.isSecureContext;
  for (const svg of section.querySelectorAll('svg')) weave(svg)(1);
  section.hidden = false;
  for (const id of ['skip', 'tabs', 'tools', 'hero', 'composer']) byId(id, HTMLElement).hidden = true;
  section.focus({ preventScroll: true });
}
