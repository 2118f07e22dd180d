// A generated model on disk, written piece by piece and kept for the next time.

import { mkdir, open, rename, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { GeneratedModel, type GenerateOptions } from './core/generated-model';
import { SHAPES, type ShapeName } from './core/shapes';

/** Where to write to, beside which model. */
export interface WriteOptions extends GenerateOptions {
  /** Path of the file. Default: in the system's folder for temporary files, and written only if it is not there yet. */
  out?: string | undefined;
}

const PIECE = 8 << 20;
// Goes up whenever equal options come to give other bytes.
const REVISION = 1;

/** Writes the model of a shape piece by piece, some MiB in memory at a time; returns its path. */
export async function writeModel(shape: ShapeName, options: WriteOptions = {}): Promise<string> {
  const model = new GeneratedModel(shape, SHAPES[shape], options);
  const path = options.out ?? defaultPath(shape, model.architecture, options.seed ?? 1);
  if (options.out === undefined && (await sizeOf(path)) === model.size) return path;
  await mkdir(dirname(path), { recursive: true });
  // Under another name until it is whole, so that nobody takes half a file for one.
  const partial = `${path}.${process.pid}.part`;
  const file = await open(partial, 'w');
  try {
    for (let at = 0; at < model.size; at += PIECE)
      await file.writeFile(await model.read(at, Math.min(PIECE, model.size - at)));
  } finally {
    await file.close();
  }
  await rename(partial, path);
  return path;
}

function defaultPath(shape: ShapeName, architecture: string, seed: number): string {
  return join(tmpdir(), 'ternion-bench', `${shape}-${architecture}-seed${seed}-r${REVISION}.gguf`);
}

async function sizeOf(path: string): Promise<number | undefined> {
  return (await stat(path).catch(() => undefined))?.size;
}
