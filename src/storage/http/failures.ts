// How a download can fail: for good, or so that another attempt may help.

import { TernionError } from '../../errors';

/** A refusal by the server; the `cause` of `download-failed`. */
export class HttpStatusError extends Error {
  override readonly name = 'HttpStatusError';

  constructor(
    readonly status: number,
    statusText: string,
  ) {
    super(`the server answered ${status}${statusText && ` ${statusText}`}`);
  }
}

/** A failure that may pass: the connection broke, the server was busy. */
export class PassingFailure extends Error {
  override readonly name = 'PassingFailure';

  constructor(
    message: string,
    /** The server's own wish for the wait, if it had one. */
    readonly retryAfterMs?: number,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** The `download-failed` error of `url`. */
export function downloadFailed(url: string, what: string, cause?: unknown): TernionError {
  const end = /[.!?]$/.test(what) ? '' : '.';
  const message = `Downloading ${withoutSecrets(url)} failed: ${what}${end}`;
  return new TernionError('download-failed', message, { cause });
}

/** That a Content-Security-Policy forbids a request; the `cause` of `download-failed`. */
class PolicyError extends Error {
  override readonly name = 'PolicyError';
}

/** Whether `error` says that a Content-Security-Policy forbids the request. */
export function isForbidden(error: unknown): boolean {
  return error instanceof TernionError && error.cause instanceof PolicyError;
}

/** The `download-failed` error of a `url` that a Content-Security-Policy does not allow. */
export function requestForbidden(url: string, cause: unknown): TernionError {
  const { origin, protocol } = new URL(url);
  // Addresses that are not of a server have the origin 'null', or that of the page.
  const allowed = /^https?:$/.test(protocol) ? `${origin}, and what it redirects to` : protocol;
  const what = `the Content-Security-Policy forbids it: connect-src must allow ${allowed}`;
  return downloadFailed(url, what, new PolicyError(what, { cause }));
}

/** Why no answer came, as far as can be told: browsers hide from a page what servers of other origins do not show it. */
export function noAnswer(url: string, headers: Headers): string {
  const own = globalThis.location?.origin;
  if (!own || new URL(url).origin === own) return 'the connection broke';
  const names = [...headers.keys()].filter((name) => name !== 'range');
  const others = names.length > 0 ? ` and Access-Control-Allow-Headers: ${names.join(', ')}` : '';
  return (
    'the connection broke, or the server does not allow this page to read it: its answers must have ' +
    `Access-Control-Allow-Origin: ${own} (or *)${others}`
  );
}

/** Query strings may hold signatures, and messages end up in logs; `data:` addresses may be very long. */
function withoutSecrets(url: string): string {
  return url.replace(/[?#].*$/s, '').slice(0, 200);
}

/** The `cause` of a download that failed because the server sent a web page instead of the file. */
export const WEB_PAGE = 'web page';

/** The HTTP status by which the server refused; undefined if `error` is of another kind. */
export function refusedStatus(error: unknown): number | undefined {
  return error instanceof Error && error.cause instanceof HttpStatusError ? error.cause.status : undefined;
}

/** Whether `error` says that there is no such file, rather than that the file could not be had. */
export function isMissing(error: unknown): boolean {
  if (error instanceof TernionError && error.cause === WEB_PAGE) return true;
  // Storage services answer 403 for what is not there, unless one may list the folder.
  return [403, 404, 410].includes(refusedStatus(error) ?? 0);
}
