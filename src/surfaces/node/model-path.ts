// A model on the disk as one that a visitor would have dropped: files with names, read where and when they are needed.

import { openAsBlob } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { TernionError } from '../../errors';
import { addressOf, isNameLike, unknownName } from '../../storage/sources/known-models';
import type { ModelSource } from '../../storage/sources/model-source';

/**
 * What `source` names: the name of a known model goes before a path that is the same; a path or a `file:` URL becomes files, with those that belong to it (the other parts of a split GGUF
 * model, the folder of safetensors). All else is left as it is. Rejects with `invalid-argument` if there is no such file.
 */
export async function openPath(source: ModelSource): Promise<ModelSource> {
  const path = pathOf(typeof source === 'string' ? (addressOf(source) ?? source) : source);
  if (path === undefined) return source;
  const names = await filesOf(path);
  return Promise.all(names.map(async (name) => new File([await openAsBlob(name)], basename(name))));
}

/** The path that a source is; undefined if it is none. */
function pathOf(source: ModelSource): string | undefined {
  if (typeof source !== 'string' && !(source instanceof URL)) return undefined;
  const text = String(source);
  if (text.startsWith('file:')) return pathOfUrl(text);
  // A scheme has two letters at least: `C:\` is a drive.
  return /^[a-z][a-z0-9+.-]+:/i.test(text) ? undefined : text;
}

function pathOfUrl(url: string): string {
  try {
    return fileURLToPath(url);
  } catch (cause) {
    const message = `'${url}' is no file of this machine; write file:///path/to/model.gguf, or the path.`;
    throw new TernionError('invalid-argument', message, { cause });
  }
}

const PART = /-\d{5}(-of-\d{5}\.gguf)$/;
/** Files of a folder of safetensors. */
const SIDE_FILES = /\.(safetensors|json|jinja|model|txt)$/;

async function filesOf(path: string): Promise<string[]> {
  const found = await stat(path).catch((cause: unknown) => {
    if (isNameLike(path)) throw unknownName(path);
    throw new TernionError('invalid-argument', `There is no file '${path}'.`, { cause });
  });
  if (found.isDirectory()) return filesIn(path, (name) => SIDE_FILES.test(name));
  const [, rest] = PART.exec(path) ?? [];
  if (rest === undefined) return path.endsWith('.gguf') ? [path] : filesBeside(path);
  const stem = basename(path).replace(PART, '');
  const isPart = (name: string): boolean => PART.exec(name)?.[1] === rest && name.replace(PART, '') === stem;
  return filesIn(dirname(path), isPart);
}

/** A file that is no GGUF belongs to a folder, or stands alone under a name of its own. */
function filesBeside(path: string): Promise<string[]> {
  return SIDE_FILES.test(path) ? filesOf(dirname(path)) : Promise.resolve([path]);
}

async function filesIn(folder: string, isWanted: (name: string) => boolean): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  const names = entries.filter((entry) => !entry.isDirectory() && isWanted(entry.name));
  if (names.length > 0) return names.map(({ name }) => join(folder, name));
  throw new TernionError('invalid-argument', `There is no model in '${folder}'.`);
}
