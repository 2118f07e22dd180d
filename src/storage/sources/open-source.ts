// Turns whatever a caller calls a model into files that can be read.

import { throwIfAborted } from '../../errors';
import { NoCache } from '../cache/cache';
import { urlOf } from '../http/address';
import { downloadFailed, requestForbidden } from '../http/failures';
import { watchRequest } from '../http/violations';
import { openAtHand } from './at-hand';
import { browserStorage, type StorageEnvironment } from './environment';
import type { ModelSource, OpenedSource, OpenOptions } from './model-source';
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
      return openModelUrl({ url, options, network, cache, progress });
    }
    source = await fetchLocal(environment, url, signal);
  }
  return openAtHand(source, options, progress, signal);
}

/** Neither pages nor Node's `fetch` read addresses of the disk. */
const NO_FILES =
  'the address of a file on the disk cannot be fetched; serve the folder, hand over a File, or under Node use ternion/node';

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
    throw downloadFailed(url, url.startsWith('file:') ? NO_FILES : 'there is nothing at this address', cause);
  } finally {
    watch.stop();
  }
}
