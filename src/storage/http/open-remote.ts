// The first request for a file: how long the file is, and whether the server sends parts of it.

import { downloadFailed, WEB_PAGE } from './failures';
import type { HttpTarget, Network } from './network';
import { PIECE_BYTES } from './pieces';
import { RemoteFile } from './remote-file';
import { send, type Reply } from './request';
import { Retries } from './retries';
import { askValidators, validatorsOf } from './validators';

/** The file has a known length. `reply` is an answer that brings its first piece, or all of it; absent if none is open. */
export interface FileAnswer {
  kind: 'file';
  file: RemoteFile;
  reply?: Reply;
}

/** The server does not say how long the file is: the answer brings all of it, and has to be read to its end. */
export interface StreamAnswer {
  kind: 'stream';
  reply: Reply;
}

/** Asks for the first piece of a file, and learns from the answer how the server is to be spoken to. */
export async function openRemote(
  network: Network,
  target: HttpTarget,
  signal: AbortSignal | undefined,
): Promise<FileAnswer | StreamAnswer> {
  const { policy } = network;
  const retries = new Retries(policy, target.url, policy.openAttempts);
  for (;;) {
    try {
      return await askForStart(network, target, signal);
    } catch (error) {
      await retries.failed(error, signal);
    }
  }
}

async function askForStart(
  network: Network,
  target: HttpTarget,
  signal: AbortSignal | undefined,
): Promise<FileAnswer | StreamAnswer> {
  const reply = await send(network, target, { range: [0, PIECE_BYTES] }, signal);
  refuseWebPage(target.url, reply);
  if (reply.status !== 206) return wholeFile(network, target, reply);
  const { size: shown, ...validators } = validatorsOf(reply);
  // Content-Range is hidden from pages of other origins unless the server shows it; Content-Length is not.
  const size = shown ?? (await askValidators(network, target, signal))?.size;
  if (size !== undefined) {
    return { kind: 'file', file: new RemoteFile(network, target, { ...validators, size }, true), reply };
  }
  reply.cancel();
  return wholeFile(network, target, await send(network, target, {}, signal));
}

/** What an answer that brings the whole file is good for. */
function wholeFile(network: Network, target: HttpTarget, reply: Reply): FileAnswer | StreamAnswer {
  const { size, ...validators } = validatorsOf(reply);
  if (size === undefined) return { kind: 'stream', reply };
  return { kind: 'file', file: new RemoteFile(network, target, { ...validators, size }, false), reply };
}

/** Sites that answer every address with their start page would fill the cache with it. */
function refuseWebPage(url: string, reply: Reply): void {
  if (!/^text\/html\b/i.test(reply.headers.get('content-type') ?? '')) return;
  reply.cancel();
  throw downloadFailed(url, 'the server answered with a web page; is the address right?', WEB_PAGE);
}
