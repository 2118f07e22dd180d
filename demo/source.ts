// What the page can load: the built-in model, an address, or files that the reader brings.

import { urlOf } from '../src/storage/http/address';

/** A model, and what to call it before it is loaded. */
export interface Source {
  name: string;
  /** As `loadModel` takes it. */
  model: string | File | readonly File[];
  /** The hash that the file of an address has to have, in hexadecimal. */
  sha256?: string;
}

/** The model that comes with the page. */
export const BUILT_IN = {
  name: 'the built-in model',
  model: new URL('models/ternion-tiny-i2_s.gguf', document.baseURI).href,
} satisfies Source;

/** Files that models consist of: the rest of a folder is none of theirs. */
const MODEL_FILE = /\.(gguf|safetensors|json|jinja|txt|model)$/i;

/** A model of the files that were picked or dropped together; undefined if there are none. */
export function fromFiles(files: readonly File[]): Source | undefined {
  const [first, ...others] = files.filter(({ name }) => MODEL_FILE.test(name));
  if (first && others.length > 0) {
    const name = folderOf(first) ?? `${others.length + 1} files`;
    return { name, model: [first, ...others] };
  }
  // One file alone may have any name: loading it says what is wrong with it.
  const only = first ?? files[0];
  return only && { name: only.name, model: only };
}

/** The folder that a picked file was in, if it was picked with it. */
function folderOf({ webkitRelativePath }: File): string | undefined {
  return webkitRelativePath.split('/').at(-2);
}

/** A model at an address as people write or paste it. Throws `invalid-argument` if it is none. */
export function fromAddress(text: string): Source {
  const address = fileBehind(text.trim());
  return {
    name:
      urlOf(address)
        .split('/')
        .findLast((part) => part !== '') ?? address,
    model: address,
  };
}

/** The address of the file where `address` is that of the page that shows the file on the model hub. */
function fileBehind(address: string): string {
  const hub = new URL(urlOf('hf:owner/repo/file')).origin;
  const [, repository, file] = /^\/([^/]+\/[^/]+)\/blob\/(.+)$/.exec(pathOn(hub, address)) ?? [];
  return repository && file ? `${hub}/${repository}/resolve/${file}` : address;
}

function pathOn(origin: string, address: string): string {
  return address.startsWith(`${origin}/`) ? new URL(address).pathname : '';
}
