// What the page can load: the built-in model, an address, or files that the reader brings.

/** A model, as `loadModel` takes it. */
export type Source = string | File;

/** The model that comes with the page. */
export const BUILT_IN = new URL('models/ternion-tiny-i2_s.gguf', document.baseURI).href;

/** What to call a model before it is loaded. */
export function nameOf(source: Source): string {
  return typeof source === 'string' ? 'the built-in model' : source.name;
}
