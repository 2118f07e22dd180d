// Models that need no download: bytes, blobs, files that were dropped together, and streams, which are read here.

import { blobSource, bytesSource } from '../../files/byte-source';
import { filesAtHand, type NamedFile } from '../../files/model-files';
import { hashOf, type ModelSource, type OpenedSource, type SourceOptions } from './model-source';
import { openBytes } from './opened-file';
import type { ProgressMeter } from './progress';
import { isStreaming, spool } from './spool';

/** A model that is no URL. */
export type SourceAtHand = Exclude<ModelSource, string | URL>;

/** Opens a model that is at hand. Rejects as {@link spool} does. */
export async function openAtHand(
  source: SourceAtHand,
  options: SourceOptions,
  progress: ProgressMeter,
  signal: AbortSignal | undefined,
): Promise<OpenedSource> {
  const files = await filesOf(source, progress, signal);
  const opened = files.map(({ name, bytes }, index) =>
    openBytes(bytes, hashOf(options, name, index === 0), NO_SERVER),
  );
  return {
    files: filesAtHand(files),
    info: { cached: false, reason: NO_SERVER },
    size: files.reduce((sum, { bytes }) => sum + bytes.size, 0),
    missingBytes: 0,
    finish: async (signal) => {
      for (const file of opened) await file.finish(signal);
    },
    close: async () => {},
  };
}

const NO_SERVER = 'it does not come from a server';

/** The files of a model, the main one first. */
async function filesOf(
  source: SourceAtHand,
  progress: ProgressMeter,
  signal: AbortSignal | undefined,
): Promise<[NamedFile, ...NamedFile[]]> {
  if (source instanceof ArrayBuffer || source instanceof Uint8Array) {
    return [{ name: 'model', bytes: bytesSource(source) }];
  }
  if (isStreaming(source)) return [namedBlob(await spool(source, progress, signal), 0)];
  if (source instanceof Blob) return [namedBlob(source, 0)];
  return mainFirst(source.map(namedBlob));
}

function namedBlob(blob: Blob, index: number): NamedFile {
  const name = blob instanceof File ? blob.name : index === 0 ? 'model' : `file-${index}`;
  return { name, bytes: blobSource(blob) };
}

/** Of files that were dropped together, the one that says what the others are: `config.json`, or the first GGUF part. */
function mainFirst(files: readonly NamedFile[]): [NamedFile, ...NamedFile[]] {
  const sorted = files.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  const main =
    sorted.find(({ name }) => name === 'config.json') ??
    sorted.find(({ name }) => name.endsWith('.gguf')) ??
    files[0]!;
  return [main, ...files.filter((file) => file !== main)];
}
