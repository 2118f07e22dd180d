// How one version of a file on a server is told from another, and how the server is asked which one it has.

import { isForbidden, PassingFailure, refusedStatus } from './failures';
import type { HttpTarget, Network } from './network';
import { send, type Reply, type Request } from './request';

/** What tells one version of a file from another. Servers may not say all of it, and browsers may hide it. */
export interface Validators {
  size?: number | undefined;
  etag?: string | undefined;
  lastModified?: string | undefined;
}

/** Whether what is known of both says that they are different files. */
export function differ(a: Validators, b: Validators): boolean {
  if (a.size !== undefined && b.size !== undefined && a.size !== b.size) return true;
  if (a.etag && b.etag) return strong(a.etag) !== strong(b.etag);
  return !!a.lastModified && !!b.lastModified && a.lastModified !== b.lastModified;
}

/** Compressing servers mark tags as weak on the way; the file is the same. */
function strong(etag: string): string {
  return etag.replace(/^W\//, '');
}

/** Some servers know only GET, and signed addresses may be good for GET alone: this is how they refuse HEAD. */
const HEAD_REFUSED = [400, 403, 405, 501];

/**
 * What the server says of the file now; undefined where it does not answer, is in trouble, or may not be asked. Rejects with
 * `download-failed` if it refuses, and with `aborted`.
 */
export async function askValidators(
  network: Network,
  target: HttpTarget,
  signal: AbortSignal | undefined,
): Promise<Validators | undefined> {
  const ask = async (request: Request): Promise<Validators> => {
    const stallMs = network.policy.validateMs;
    const reply = await send(network, target, { ...request, stallMs }, signal);
    reply.cancel();
    return validatorsOf(reply);
  };
  try {
    return await ask({ method: 'HEAD' }).catch((error: unknown) => {
      if (!HEAD_REFUSED.includes(refusedStatus(error) ?? 0)) throw error;
      return ask({ range: [0, 1] });
    });
  } catch (error) {
    if (error instanceof PassingFailure || isForbidden(error)) return undefined;
    throw error;
  }
}

/** What an answer says of the whole file, also if it brings only a part. */
export function validatorsOf({ status, headers }: Reply): Validators {
  return {
    size: status === 206 ? contentRange(headers)?.size : lengthOf(headers),
    etag: headers.get('etag') ?? undefined,
    lastModified: headers.get('last-modified') ?? undefined,
  };
}

/** The length of a whole file. Of a compressed one the header has another length than the bytes that come. */
function lengthOf(headers: Headers): number | undefined {
  const length = headers.get('content-length');
  if (length === null || headers.has('content-encoding')) return undefined;
  return Number(length);
}

/** Where the part that an answer brings begins, and how long the whole file is (`*` in the header: not said). */
export function contentRange(headers: Headers): { start: number; size: number | undefined } | undefined {
  const match = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(headers.get('content-range') ?? '');
  if (!match) return undefined;
  return { start: Number(match[1]), size: match[2] === '*' ? undefined : Number(match[2]) };
}
