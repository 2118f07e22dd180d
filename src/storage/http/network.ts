// What requests are made with: the browser's `fetch`, and the figures of a download.

/** Figures of a download. All times in milliseconds. */
export interface NetworkPolicy {
  /** Requests for tensor data in flight at once. */
  connections: number;
  /** Pieces (see pieces.ts) that one request asks for. */
  runPieces: number;
  /** Pieces that may be in memory when there is no disk to put them on, those in flight included. */
  windowPieces: number;
  /** Failures in a row, without a byte between them, before a download is given up. */
  attempts: number;
  /** The same for the first request to a file, where a wrong address should be noticed soon. */
  openAttempts: number;
  /** Wait after the first failure; doubled after each further one, up to `maxBackoffMs`. Half of it is random. */
  backoffMs: number;
  maxBackoffMs: number;
  /** A server that asks (Retry-After) for more than this is given up. */
  maxRetryAfterMs: number;
  /** A connection without a byte for this long is given up, and tried again. */
  stallMs: number;
  /** How long to ask whether a cached file has changed, before taking it as it is. */
  validateMs: number;
}

export const DEFAULT_POLICY: NetworkPolicy = {
  connections: 4,
  runPieces: 8,
  windowPieces: 24,
  // With the waits below, some 90 s: a router that restarts, a train in a tunnel.
  attempts: 10,
  openAttempts: 4,
  backoffMs: 500,
  maxBackoffMs: 15_000,
  maxRetryAfterMs: 60_000,
  stallMs: 30_000,
  validateMs: 5_000,
};

/** What requests are made with. */
export interface Network {
  fetch: typeof fetch;
  policy: NetworkPolicy;
}

/** Where a file is, and what every request for it carries. */
export interface HttpTarget {
  url: string;
  headers?: Record<string, string> | undefined;
  credentials?: RequestCredentials | undefined;
}
