// The models that the page offers: those that Ternion knows by name, or a list that the host of the page has written.

import { models } from '../../src/index';
import { BUILT_IN, type Source } from '../source';

/** A model of the list. Sizes are in bytes, contexts in tokens; what is absent is not known. */
export interface ListedModel {
  title: string;
  goodAt: string;
  licence: string;
  /** Its address, as `loadModel` takes it. */
  source: string;
  downloadBytes?: number;
  gpuBytes?: number;
  contextLength?: number;
  sha256?: string;
}

/** The model that comes with the page. */
export const BUILT_IN_ENTRY: ListedModel = { ...models['ternion-tiny'], source: BUILT_IN.model };

/** The built-in model, and those of the host's list, or else those that are known by name. Rejects if a list cannot be read. */
export async function listedModels(): Promise<ListedModel[]> {
  const address = listAddress(document, location.href);
  if (address) return [BUILT_IN_ENTRY, ...(await fetchList(address))];
  const others = Object.values(models).filter((model) => model !== models['ternion-tiny']);
  return [BUILT_IN_ENTRY, ...others];
}

/** The source of an entry. */
export function sourceOf({ title, source, sha256 }: ListedModel): Source {
  if (source === BUILT_IN.model) return BUILT_IN;
  return { name: title, model: source, ...(sha256 && { sha256 }) };
}

/**
 * Where the host's list is: what the query `models` says, if that is of the page's own origin, as anybody can write a link; else
 * what the page's own `<meta name="ternion-models">` says.
 */
export function listAddress(
  page: Pick<Document, 'querySelector' | 'baseURI'>,
  href: string,
): string | undefined {
  const { searchParams, origin } = new URL(href);
  const asked = searchParams.get('models');
  if (asked) {
    const url = new URL(asked, page.baseURI);
    if (url.origin !== origin)
      throw new Error('The list of models in the address of this page is on another site.');
    return url.href;
  }
  const named = page.querySelector('meta[name="ternion-models"]')?.getAttribute('content');
  return named ? new URL(named, page.baseURI).href : undefined;
}

async function fetchList(address: string): Promise<ListedModel[]> {
  const response = await fetch(address);
  if (!response.ok)
    throw new Error(`The list of models could not be fetched: the server answered ${response.status}.`);
  return readList(await response.json(), address);
}

/**
 * The models of a list, which is JSON: an array of objects with the fields of `ListedModel`. Addresses are relative to `base`. Throws an
 * error that names the entry and the field that is wrong.
 */
export function readList(json: unknown, base: string): ListedModel[] {
  if (!Array.isArray(json)) throw new Error('The list of models is no array.');
  return json.map((value: unknown, index) => readEntry(value, index, base));
}

function readEntry(value: unknown, index: number, base: string): ListedModel {
  const fields = (typeof value === 'object' && value !== null ? value : {}) as Record<string, unknown>;
  const wrong = (name: string, wanted: string): Error =>
    new Error(`In the list of models, '${name}' of entry ${index + 1} is no ${wanted}.`);
  const text = (name: string): string => {
    const found = fields[name];
    if (typeof found !== 'string' || found === '') throw wrong(name, 'text');
    return found;
  };
  const count = (
    name: 'downloadBytes' | 'gpuBytes' | 'contextLength',
  ): Partial<Record<typeof name, number>> => {
    const found = fields[name];
    if (found === undefined) return {};
    if (typeof found !== 'number' || !(found > 0)) throw wrong(name, 'number above 0');
    return { [name]: found };
  };
  const source = text('source');
  return {
    title: text('title'),
    goodAt: text('goodAt'),
    licence: text('licence'),
    source: source.startsWith('hf:') ? source : new URL(source, base).href,
    ...count('downloadBytes'),
    ...count('gpuBytes'),
    ...count('contextLength'),
    ...(fields.sha256 !== undefined && { sha256: text('sha256') }),
  };
}
