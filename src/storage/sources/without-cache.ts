// Opens a URL without a cache: its pieces are in memory while they are needed.

import { blobSource } from '../../files/byte-source';
import type { NoCache } from '../cache/cache';
import { openRemote, type FileAnswer, type StreamAnswer } from '../http/open-remote';
import { send, type Reply } from '../http/request';
import { Retries } from '../http/retries';
import { beginDownload } from './download';
import { openBytes, type OpenedFile } from './opened-file';
import { collect } from './spool';
import { hashFor, type UrlRequest } from './url-request';

/** The file without a cache, for the given reason. `known` is what the server has said already. */
export async function openUncached(
  request: UrlRequest,
  reason: NoCache,
  known?: FileAnswer | StreamAnswer,
): Promise<OpenedFile> {
  const answer = known ?? (await openRemote(request.network, request.target, request.signal));
  if (answer.kind === 'stream') return openWhole(request, reason, answer.reply);
  return beginDownload(request, answer, await hashFor(request), reason);
}

/**
 * Reads a file of unknown length to its end. It becomes a blob, which the browser keeps where it sees fit: large ones on
 * disk. `first` is an answer that brings the file; if it breaks, the file is asked for again.
 */
async function openWhole(request: UrlRequest, { reason }: NoCache, first: Reply): Promise<OpenedFile> {
  const { network, target, sha256, signal } = request;
  const retries = new Retries(network.policy, target.url);
  const progress = request.progress.file(0, 0);
  for (let reply: Reply | undefined = first; ; reply = undefined) {
    try {
      reply ??= await send(network, target, {}, signal);
      progress.set({ loaded: 0, total: 0 });
      const blob = await collect(reply, (bytes) => progress.received(bytes));
      progress.done();
      return openBytes(blobSource(blob), sha256, reason, blob.size);
    } catch (error) {
      await retries.failed(error, signal);
    }
  }
}
