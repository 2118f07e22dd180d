// What an endpoint makes of a request that it has read: an answer as a whole, or as events.

import type { StreamEvent } from './event-stream';
import type { ErrorBody } from './api-error';

/** A request that was read and is sound. Nothing is computed until one of its answers is asked for. */
export interface Exchange {
  /** Whether the client wants events. */
  stream: boolean;
  /** Whether the engine may yet refuse it, for a shape that it cannot hold an answer to: then events wait for that. */
  refusable: boolean;
  /** The whole answer, as JSON. */
  whole: (signal: AbortSignal) => Promise<object>;
  events: (signal: AbortSignal) => AsyncGenerator<StreamEvent, void>;
  failure: (body: ErrorBody) => StreamEvent;
  /** Whether `[DONE]` ends the events. */
  sentinel: boolean;
}

/** A failure amid events, as chat and plain completions have it. */
export function failureEvent(body: ErrorBody): StreamEvent {
  return { data: { error: body } };
}

/** A name that no other response has: `chatcmpl-9f…`. */
export function newId(prefix: string): string {
  const words = crypto.getRandomValues(new Uint32Array(4));
  return prefix + Array.from(words, (word) => word.toString(16).padStart(8, '0')).join('');
}

/** Seconds since 1970, as the API has times. */
export function now(): number {
  return Math.floor(Date.now() / 1000);
}
