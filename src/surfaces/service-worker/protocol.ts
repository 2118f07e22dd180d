// What a service worker and the pages that offer to answer say to each other. Both may be of different versions of this module.

/** Sent to every page by a worker that knows of nobody who answers: it may have been started anew. */
export interface Call {
  ternion: 'call';
}

/**
 * A page's offer to answer; comes with a port. `life` is the name of a Web Lock that the page holds for as long as it lives,
 * undefined where there are none. `since` is when it first offered, in ms: the earliest one is asked.
 */
export interface OfferMessage {
  ternion: 'offer';
  life: string | undefined;
  since: number;
}

/** To the page, over the port of its offer. */
export type ToOffer =
  /** The offer was heard. `life` is that of the worker, as in an offer. `id` is the page's own, as a client. */
  | { type: 'heard'; id: string; life: string | undefined }
  /** Whether it is the one that is asked. */
  | { type: 'owner'; owns: boolean }
  /** A request; comes with a port of its own. */
  | { type: 'request'; request: RequestParts };

/** To the worker, over the port of an offer. */
export type FromOffer = { type: 'withdraw' };

/** A request as it can be sent. */
export interface RequestParts {
  method: string;
  url: string;
  headers: [string, string][];
  /** Undefined for a request without one. */
  body: ArrayBuffer | undefined;
}

/** To the page, over the port of a request. */
export type ToAnswer =
  /** The client wants a chunk more. The first one may be asked for once there is a head. */
  | { type: 'pull' }
  /** The client has left. */
  | { type: 'cancel' };

/** To the worker, over the port of a request. */
export type FromAnswer =
  | Head
  | { type: 'chunk'; bytes: Uint8Array<ArrayBuffer> }
  | { type: 'end' }
  | { type: 'failed'; message: string };

/** How a response begins. */
export interface Head {
  type: 'head';
  status: number;
  statusText: string;
  headers: [string, string][];
  /** It has no body. */
  empty: boolean;
}

export function isCall(message: unknown): message is Call {
  return kindOf(message) === 'call';
}

export function isOffer(message: unknown): message is OfferMessage {
  return kindOf(message) === 'offer';
}

/** A page may say other things to its service worker, and hear others from it. */
function kindOf(message: unknown): unknown {
  return typeof message === 'object' && message !== null && 'ternion' in message
    ? message.ternion
    : undefined;
}
