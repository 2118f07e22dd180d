// One request as the service worker sees it: handed to a page, and its answer handed on, a chunk for each that is wanted.

import type { PageOffer } from './offer-desk';
import type { FromAnswer, Head, RequestParts, ToAnswer } from './protocol';

/** What a client gets to hear when the page that answered it is gone. */
const PAGE_GONE = 'The tab that answered was closed.';

/** A request that a page answers. */
export class Exchange {
  /** Resolves once nothing more comes. */
  readonly over: Promise<void>;
  #end = (): void => {};
  /** Undefined if the page was gone before it began to answer: another one may be asked. */
  readonly response: Promise<Response | undefined>;
  #respond: (response: Response | undefined) => void = () => {};
  #body: ReadableStreamDefaultController<Uint8Array> | undefined;
  #satisfy = (): void => {};
  readonly #port: MessagePort;
  readonly #onGone = (): void => this.#fail(PAGE_GONE);

  constructor(
    private readonly offer: PageOffer,
    request: RequestParts,
  ) {
    this.over = new Promise((resolve) => (this.#end = resolve));
    this.response = new Promise((resolve) => (this.#respond = resolve));
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    port1.onmessage = ({ data }: MessageEvent<FromAnswer>) => this.#take(data);
    offer.gone.addEventListener('abort', this.#onGone, { once: true });
    if (offer.gone.aborted) this.#onGone();
    else offer.post({ type: 'request', request }, [port2]);
  }

  /** The client has left. */
  cancel(): void {
    this.#post({ type: 'cancel' });
    // Nobody waits for it any more.
    this.#respond(Response.error());
    this.#finish();
  }

  #take(message: FromAnswer): void {
    switch (message.type) {
      case 'head':
        return this.#begin(message);
      case 'chunk':
        this.#body?.enqueue(message.bytes);
        return this.#satisfy();
      case 'end':
        this.#body?.close();
        return this.#finish();
      case 'failed':
        return this.#fail(message.message);
    }
  }

  #begin({ status, statusText, headers: said, empty }: Head): void {
    const headers = new Headers(said);
    headers.set('x-ternion-client', this.offer.clientId);
    this.#respond(new Response(empty ? null : this.#stream(), { status, statusText, headers }));
    if (empty) this.#finish();
  }

  /** Nothing is made ahead of its reader: each pull is for one chunk. */
  #stream(): ReadableStream<Uint8Array<ArrayBuffer>> {
    return new ReadableStream<Uint8Array<ArrayBuffer>>(
      {
        start: (controller) => void (this.#body = controller),
        pull: () => {
          this.#post({ type: 'pull' });
          return new Promise<void>((resolve) => (this.#satisfy = resolve));
        },
        cancel: () => this.cancel(),
      },
      { highWaterMark: 0 },
    );
  }

  #fail(message: string): void {
    if (this.#body) this.#body.error(new TypeError(message));
    else this.#respond(this.offer.gone.aborted ? undefined : serverError(message));
    this.#finish();
  }

  #post(message: ToAnswer): void {
    this.#port.postMessage(message);
  }

  #finish(): void {
    this.offer.gone.removeEventListener('abort', this.#onGone);
    this.#satisfy();
    this.#port.close();
    this.#end();
  }
}

/** For what the page's own fetch would not answer at all. */
function serverError(message: string): Response {
  const error = { message, type: 'server_error', param: null, code: null };
  return Response.json({ error }, { status: 500, headers: { 'x-should-retry': 'false' } });
}
