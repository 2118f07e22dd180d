// The addresses by which models are called: URLs, folders, and the shorthand for files on Hugging Face.

import { TernionError } from '../../errors';

const HUB = 'https://huggingface.co';

/**
 * The URL that `hf:owner/repo[@revision][/path]` stands for; without a path, that of the repository's folder. Throws
 * `invalid-argument` if it is not of this form. Other addresses pass as they are.
 */
function resolveHuggingFace(address: string): string {
  if (!address.startsWith('hf:')) return address;
  const match = /^hf:([^/@\s]+)\/([^/@\s]+)(?:@([^\s]+?))?(?:\/(.*))?$/.exec(address);
  if (!match) {
    const form = 'hf:owner/repo/file.gguf, or hf:owner/repo@revision/file.gguf';
    throw new TernionError('invalid-argument', `'${address}' is no Hugging Face address; write ${form}.`);
  }
  const [, owner = '', repo = '', revision = 'main', path = ''] = match;
  const segments = path.split('/').map(encodeURIComponent).join('/');
  return `${HUB}/${owner}/${repo}/resolve/${encodeURIComponent(revision)}/${segments}`;
}

/** The absolute URL that an address stands for. Throws `invalid-argument` if it is none. */
export function urlOf(address: string | URL, base?: string): string {
  const page = base ?? globalThis.location?.href;
  try {
    const url = new URL(resolveHuggingFace(String(address)), page);
    url.hash = '';
    return url.pathname.endsWith('/') ? new URL(`config.json${url.search}`, url).href : url.href;
  } catch (cause) {
    if (cause instanceof TernionError) throw cause;
    const hint =
      page === undefined
        ? ' There is no page here that it could be relative to; ternion/node takes paths.'
        : '';
    throw new TernionError('invalid-argument', `'${String(address)}' is no address of a model.${hint}`, {
      cause,
    });
  }
}

/** The name of the file at `url`, without folders. */
export function nameIn(url: string): string {
  const segment = new URL(url).pathname.split('/').at(-1) ?? '';
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}
