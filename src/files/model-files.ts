// The files that make up a model: often one; a split GGUF has parts, safetensors have shards and side files.

import type { ByteSource } from './byte-source';

/** A file and its name, without folders: `model-00001-of-00003.gguf`. */
export interface NamedFile {
  name: string;
  bytes: ByteSource;
}

/** A model as it was named by the caller: one file, and whatever lies beside it. */
export interface ModelFiles {
  /** The file that was named. Of a folder, `config.json`. */
  readonly main: NamedFile;
  /** Opens the file `name` beside the main one; undefined where there is none. The main file too can be asked for. */
  sibling(name: string, signal?: AbortSignal): Promise<ByteSource | undefined>;
}

/** Files that are at hand already, for example those that a visitor dropped together. The first is the main one. */
export function filesAtHand(files: readonly [NamedFile, ...NamedFile[]]): ModelFiles {
  const byName = new Map(files.map(({ name, bytes }) => [name, bytes]));
  return { main: files[0], sibling: async (name) => byName.get(name) };
}
