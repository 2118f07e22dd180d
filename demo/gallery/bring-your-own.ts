// Models that are not in the list: an address that is pasted, files and folders that are picked.

import { byId } from '../dom';
import { explain } from '../failures';
import { fromAddress, fromFiles, type Source } from '../source';
import { VerdictLine, type Checks } from './checks';

export function wireBringYourOwn(checks: Checks, load: (source: Source) => void): void {
  const address = byId('address', HTMLInputElement);
  const verdict = new VerdictLine(byId('address-verdict', HTMLElement), checks);
  const read = (act: (source: Source) => void): void => {
    if (!address.value.trim()) return address.focus();
    try {
      act(fromAddress(address.value));
    } catch (error) {
      verdict.say({ kind: 'not', text: explain(error).message });
    }
  };
  byId('address-form', HTMLFormElement).addEventListener('submit', (event) => {
    event.preventDefault();
    read(load);
  });
  byId('address-check', HTMLButtonElement).addEventListener('click', () =>
    read((source) => void verdict.check(source)),
  );
  address.addEventListener('input', () => verdict.say({ text: '' }));
  wirePicker(byId('open', HTMLButtonElement), byId('file', HTMLInputElement), load);
  wirePicker(byId('open-folder', HTMLButtonElement), byId('folder', HTMLInputElement), load);
}

/** Loads what is picked after a click on `button`. */
function wirePicker(
  button: HTMLButtonElement,
  input: HTMLInputElement,
  load: (source: Source) => void,
): void {
  button.addEventListener('click', () => input.click());
  input.addEventListener('change', () => {
    const source = fromFiles([...(input.files ?? [])]);
    input.value = '';
    if (source) load(source);
  });
}
