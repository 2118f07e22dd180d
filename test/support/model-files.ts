// Models for tests as the loader takes them: one file, a folder of the repository, or files made up on the spot.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { basename } from 'node:path';
import { bytesSource, type ByteSource } from '../../src/files/byte-source';
import { filesAtHand, type ModelFiles, type NamedFile } from '../../src/files/model-files';

/** A model of one file. */
export function oneFile(bytes: ByteSource | Uint8Array, name = 'model.gguf'): ModelFiles {
  return filesAtHand([{ name, bytes: bytes instanceof Uint8Array ? bytesSource(bytes) : bytes }]);
}

/** Files by name; the first is the main one. Texts become UTF-8, other values JSON. */
export function files(byName: Readonly<Record<string, unknown>>): ModelFiles {
  const named = Object.entries(byName).map(([name, value]): NamedFile => {
    if (value instanceof Uint8Array) return { name, bytes: bytesSource(value) };
    const text = typeof value === 'string' ? value : JSON.stringify(value);
    return { name, bytes: bytesSource(new TextEncoder().encode(text)) };
  });
  const [main, ...others] = named;
  if (!main) throw new Error('A model has at least one file');
  return filesAtHand([main, ...others]);
}

/** A file of the repository. */
export function fileSource(path: string): ByteSource {
  return bytesSource(readFileSync(new URL(`../../${path}`, import.meta.url)));
}

/** `record` but for some of its entries. */
export function without<Value>(
  record: Readonly<Record<string, Value>>,
  ...names: string[]
): Record<string, Value> {
  return Object.fromEntries(Object.entries(record).filter(([name]) => !names.includes(name)));
}

/** The contents of a folder of the repository by name. */
export function folder(path: string): Record<string, Uint8Array> {
  const url = new URL(`../../${path}/`, import.meta.url);
  return Object.fromEntries(readdirSync(url).map((name) => [name, readFileSync(new URL(name, url))]));
}

/** The model at `path`, relative to the root of the repository: a file, or a folder with a config.json. */
export function fixtureFiles(path: string): ModelFiles {
  const url = new URL(`../../${path}`, import.meta.url);
  if (!statSync(url).isDirectory()) return oneFile(readFileSync(url), basename(path));
  const { 'config.json': config, ...others } = folder(path);
  return files({ 'config.json': config, ...others });
}

/** `files`, and a record of which bytes were read: pairs of name and end of the read. */
export function watchReads(model: ModelFiles): { files: ModelFiles; ends: Map<string, number> } {
  const ends = new Map<string, number>();
  const over = (name: string, bytes: ByteSource): ByteSource => ({
    size: bytes.size,
    read: (offset, length, options) => {
      ends.set(name, Math.max(ends.get(name) ?? 0, offset + length));
      return bytes.read(offset, length, options);
    },
  });
  const { main } = model;
  return {
    ends,
    files: {
      main: { name: main.name, bytes: over(main.name, main.bytes) },
      async sibling(name, signal) {
        const bytes = await model.sibling(name, signal);
        return bytes && over(name, bytes);
      },
    },
  };
}
