// A file on a server: how long it is, by what it is recognised, and its bytes, however often the connection breaks.

import type { TernionError } from '../../errors';
import {
  downloadFailed,
  PassingFailure,
  Retries,
  send,
  type HttpTarget,
  type Network,
  type Reply,
} from './network';
import { PIECE_BYTES } from './pieces';

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

/** A file on a server, and an answer that begins with its first byte, if there is one. */
export type Opened =
  | { kind: 'file'; file: RemoteFile; reply?: Reply }
  /** The server does not say how long the file is: it has to be read to its end. */
  | { kind: 'stream'; reply: Reply };

/** A file of known length on a server. */
export class RemoteFile {
  constructor(
    private readonly network: Network,
    private readonly target: HttpTarget,
    readonly validators: Validators & { size: number },
    /** Whether the server sends parts of the file. If not, a part is reached by reading what is before it. */
    readonly ranges: boolean,
  ) {}

  get url(): string {
    return this.target.url;
  }

  /**
   * The bytes from `from` up to `to`, in chunks as they come; lost connections are taken up again where they broke.
   * `reply` is an answer that has them already. Rejects with `download-failed`, also if the file has changed, and `aborted`.
   */
  async *bytes(from: number, to: number, signal: AbortSignal, reply?: Reply): AsyncGenerator<Uint8Array> {
    const retries = new Retries(this.network.policy, this.url);
    let at = from;
    for (;;) {
      try {
        const answer = reply ?? (await this.#ask(at, to, signal));
        reply = undefined;
        for await (const chunk of this.#part(answer, at, to)) {
          retries.succeeded();
          at += chunk.length;
          yield chunk;
        }
        if (at === to) return;
        throw new PassingFailure(`the server ended after ${at} of ${to} bytes`);
      } catch (error) {
        await retries.failed(error, signal);
      }
    }
  }

  async #ask(from: number, to: number, signal: AbortSignal): Promise<Reply> {
    const reply = await send(this.network, this.target, { range: [from, to] }, signal);
    // No If-Range: it would cost pages of other origins a preflight request, and says nothing that this does not.
    if (differ(this.validators, validatorsOf(reply))) {
      reply.cancel();
      throw this.#changed();
    }
    return reply;
  }

  /** Of an answer, the bytes from `from` to `to`; fewer if the answer ends early. */
  async *#part(reply: Reply, from: number, to: number): AsyncGenerator<Uint8Array> {
    let at = reply.status === 206 ? (contentRange(reply.headers)?.start ?? from) : 0;
    if (at !== from && reply.status === 206) {
      reply.cancel();
      throw new PassingFailure(`the server sent bytes from ${at} where ${from} were asked for`);
    }
    for await (const chunk of reply) {
      const before = Math.max(0, from - at);
      at += chunk.length;
      if (at > to && (reply.status === 206 || to === this.validators.size)) throw this.#changed();
      const wanted = chunk.subarray(before, chunk.length - Math.max(0, at - to));
      if (wanted.length > 0) yield wanted;
      // Of a whole file only a part was wanted. Leaving the loop lets go of the connection.
      if (at >= to && reply.status !== 206) return;
    }
  }

  #changed(): TernionError {
    return downloadFailed(this.url, 'the file on the server changed meanwhile; load it again');
  }
}

/** Asks for the first piece of a file, and learns from the answer how the server is to be spoken to. */
export async function openRemote(
  network: Network,
  target: HttpTarget,
  signal: AbortSignal | undefined,
): Promise<Opened> {
  const { policy } = network;
  const retries = new Retries(policy, target.url, policy.openAttempts);
  for (;;) {
    try {
      return await firstAnswer(network, target, signal);
    } catch (error) {
      await retries.failed(error, signal);
    }
  }
}

async function firstAnswer(
  network: Network,
  target: HttpTarget,
  signal: AbortSignal | undefined,
): Promise<Opened> {
  const reply = await send(network, target, { range: [0, PIECE_BYTES] }, signal);
  refuseWebPage(target.url, reply);
  const validators = validatorsOf(reply);
  if (reply.status !== 206) return describe(network, target, reply, validators);
  if (validators.size === undefined) {
    // Content-Range is hidden from pages of other origins unless the server shows it; Content-Length is not.
    validators.size = (await askValidators(network, target, signal))?.size;
  }
  if (validators.size !== undefined) {
    const file = new RemoteFile(network, target, { ...validators, size: validators.size }, true);
    return { kind: 'file', file, reply };
  }
  reply.cancel();
  const whole = await send(network, target, {}, signal);
  return describe(network, target, whole, validatorsOf(whole));
}

function describe(network: Network, target: HttpTarget, reply: Reply, validators: Validators): Opened {
  const { size } = validators;
  if (size === undefined) return { kind: 'stream', reply };
  return { kind: 'file', file: new RemoteFile(network, target, { ...validators, size }, false), reply };
}

/** Sites that answer every address with their start page would fill the cache with it. */
function refuseWebPage(url: string, reply: Reply): void {
  if (!/^text\/html\b/i.test(reply.headers.get('content-type') ?? '')) return;
  reply.cancel();
  throw downloadFailed(url, 'the server answered with a web page; is the address right?', WEB_PAGE);
}

const WEB_PAGE = 'web page';

/** Whether `error` says that there is no such file, rather than that it could not be had. */
export function isMissing(error: TernionError): boolean {
  const { cause } = error as { cause?: { status?: number } | string };
  if (cause === WEB_PAGE) return true;
  // Storage services answer 403 for what is not there, unless one may list the folder.
  return typeof cause === 'object' && [403, 404, 410].includes(cause?.status ?? 0);
}

/**
 * What the server says of the file now; undefined where it does not answer, or is in trouble. Rejects with
 * `download-failed` if it refuses, and with `aborted`.
 */
export async function askValidators(
  network: Network,
  target: HttpTarget,
  signal: AbortSignal | undefined,
): Promise<Validators | undefined> {
  const stallMs = network.policy.validateMs;
  for (const method of ['HEAD', 'GET'] as const) {
    try {
      const range = [0, 1] as const;
      const reply = await send(
        network,
        target,
        method === 'HEAD' ? { method, stallMs } : { range, stallMs },
        signal,
      );
      reply.cancel();
      return validatorsOf(reply);
    } catch (error) {
      if (error instanceof PassingFailure) return undefined;
      // Some servers know only GET, and signed addresses may be good for GET alone.
      const status = (error as { cause?: { status?: number } }).cause?.status ?? 0;
      if (method === 'GET' || ![400, 403, 405, 501].includes(status)) throw error;
    }
  }
  return undefined;
}

function validatorsOf({ status, headers }: Reply): Validators {
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

function contentRange(headers: Headers): { start: number; size: number | undefined } | undefined {
  const match = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(headers.get('content-range') ?? '');
  if (!match) return undefined;
  return { start: Number(match[1]), size: match[2] === '*' ? undefined : Number(match[2]) };
}
