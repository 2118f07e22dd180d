// Opens a URL whose file this browser has for all sites: it is known by its hash, so nothing is asked of the server.

import { blobSource } from '../../files/byte-source';
import type { OpenedFile } from './opened-file';
import type { UrlRequest } from './url-request';

/** The file if it is among those that sites share; undefined if not, or if it has no hash or is not to be shared. */
export async function openShared({ shared, sha256, progress }: UrlRequest): Promise<OpenedFile | undefined> {
  if (!shared || sha256 === undefined) return undefined;
  const blob = await shared.find(sha256);
  if (!blob) return undefined;
  progress.file(blob.size, blob.size).done();
  return {
    // The browser has checked the hash when the file was put there. It may take the file away amid a load.
    bytes: blobSource(blob, 'The browser has removed the model from its shared storage. Load it again.'),
    info: { cached: true, shared: true },
    missingBytes: 0,
    finish: async () => {},
    close: async () => {},
  };
}
