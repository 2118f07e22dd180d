// Turns whatever a caller calls a model into files that can be read.

import { TernionError, throwIfAborted } from '../../errors';
import { NoCache } from '../cache/cache';
import { nameIn, urlOf } from '../http/address';
import { downloadFailed, requestForbidden } from '../http/failures';
import { watchRequest } from '../http/violations';
import { openAtHand } from './at-hand';
import { browserStorage, type StorageEnvironment } from './environment';
import { mayBeShared, type ModelSource, type OpenedSource, type OpenOptions } from './model-source';
import { openModelUrl } from './model-url';
import { ProgressMeter } from './progress';

/** Opens a model. Rejects with `download-failed`, `corrupt-file`, `invalid-argument` or `aborted`. */
export async function openSource(
  source: ModelSource,
  options: OpenOptions = {},
  environment: StorageEnvironment = browserStorage(),
): Promise<OpenedSource> {
  const { signal } = options;
  throwIfAborted(signal);
  const progress = new ProgressMeter((state) => options.onProgress?.(state));
  if (typeof source === 'string' || source instanceof URL) {
    const url = urlOf(source);
    if (/^https?:/.test(url)) {
      const { network } = environment;
      const cache =
        options.cache === false ? new NoCache('it was not wanted') : await environment.openCache();
      const shared = mayBeShared(options) ? environment.shared : undefined;
      return openModelUrl({ url, options, network, cache, shared, progress });
    }
    source = url.startsWith('file:') ? await onDisk(url) : await fetchLocal(environment, url, signal);
  }
  return openAtHand(source, options, progress, signal);
}

/** A file that Node can read. Its module is asked for at run time: bundlers for pages would look for one that is imported. */
async function onDisk(url: string): Promise<File> {
  const { process } = globalThis as { process?: { getBuiltinModule?: (name: string) => unknown } };
  const fs = process?.getBuiltinModule?.('node:fs') as
    { openAsBlob?: (path: URL) => Promise<Blob> } | undefined;
  if (!fs?.openAsBlob) {
    const instead = 'serve the folder, or hand over a File';
    throw new TernionError('download-failed', `A page cannot read ${url} from the disk: ${instead}.`);
  }
  try {
    return new File([await fs.openAsBlob(new URL(url))], nameIn(url));
  } catch (cause) {
    throw new TernionError('invalid-argument', `There is no file at ${url}.`, { cause });
  }
}

/** What a `blob:` or `data:` address stands for: it is in this browser already. */
async function fetchLocal(
  { network }: StorageEnvironment,
  url: string,
  signal: AbortSignal | undefined,
): Promise<Response> {
  const watch = watchRequest(url);
  try {
    return await network.fetch(url, { signal: signal ?? null });
  } catch (cause) {
    throwIfAborted(signal);
    if (await watch.explanation()) throw requestForbidden(url, cause);
    throw downloadFailed(url, 'there is nothing at this address', cause);
  } finally {
    watch.stop();
  }
}
