// Server-sent events as the OpenAI API has them: made as they are read, and ended when nobody reads any more.

import { toApiError, type ErrorBody } from './api-error';

/** One event: its data, which is sent as JSON, and its name where the API has names. */
export interface StreamEvent {
  name?: string;
  data: unknown;
}

/** How an answer goes out as events. */
export interface EventStreamOptions {
  /** Makes the events; `signal` fires when nobody wants more of them. */
  events: (signal: AbortSignal) => AsyncGenerator<StreamEvent, void>;
  /**
   * Whether what was asked for may be refused when it begins. Then the response waits for its first event, no longer than
   * `pingMs`, so that a refusal still has a status.
   */
  refusable: boolean;
  /** What is sent of a failure amid the stream. */
  failure: (body: ErrorBody) => StreamEvent;
  /** Whether the last event is `[DONE]`. */
  sentinel: boolean;
  /** The client's own signal: what is read after it has fired fails with its reason, as with `fetch`. */
  signal: AbortSignal;
  /** Milliseconds of silence after which a comment keeps the connection. */
  pingMs: number;
}

type Events = AsyncGenerator<StreamEvent, void>;

/**
 * A response whose headers can be sent at once. Nothing is computed before its body is read, unless it may be refused, and
 * nothing ahead of its reader. Rejects with a refusal, and with the signal's reason.
 */
export async function eventStreamResponse(options: EventStreamOptions): Promise<Response> {
  const { signal, refusable } = options;
  const ended = new AbortController();
  const events = options.events(AbortSignal.any([ended.signal, signal]));
  const first = refusable ? await firstEvent(events, options) : undefined;
  const headers = { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-cache' };
  return new Response(eventStream(options, events, first, ended), { headers });
}

type FirstEvent = Promise<IteratorResult<StreamEvent, void>>;

/** Waits for the first event, unless it takes long. Rejects if that has failed. */
async function firstEvent(
  events: Events,
  { signal, pingMs }: EventStreamOptions,
): Promise<{ event: FirstEvent }> {
  const event = events.next();
  await firstOf(event, pingMs);
  if (signal.aborted) {
    void events.return();
    throw signal.reason;
  }
  // If it comes late and fails, and nobody reads, there is nobody to tell.
  event.catch(() => {});
  return { event };
}

function eventStream(
  options: EventStreamOptions,
  events: Events,
  first: { event: FirstEvent } | undefined,
  ended: AbortController,
): ReadableStream<Uint8Array> {
  const { signal, pingMs } = options;
  const texts = textsOf(options, first ? behind(first.event, events) : events);
  /** Ends what was begun, even if none of its texts was asked for yet. */
  const end = async (): Promise<void> => {
    await texts.return();
    await events.return();
  };
  const encoder = new TextEncoder();
  let next: Promise<IteratorResult<string, void>> | undefined;
  let onAbort = (): void => {};
  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        onAbort = () => {
          controller.error(signal.reason);
          // Where nobody was reading, nothing else would tell the generation.
          void end();
        };
        signal.addEventListener('abort', onAbort, { once: true });
      },
      async pull(controller) {
        next ??= texts.next();
        const result = await firstOf(next, pingMs);
        if (signal.aborted) return;
        if (result === 'late') {
          controller.enqueue(encoder.encode(': ping\n\n'));
          return;
        }
        next = undefined;
        if (!result.done) {
          controller.enqueue(encoder.encode(result.value));
          return;
        }
        signal.removeEventListener('abort', onAbort);
        controller.close();
      },
      async cancel(reason) {
        signal.removeEventListener('abort', onAbort);
        ended.abort(reason);
        await end();
      },
    },
    { highWaterMark: 0 },
  );
}

/** All events, of which the first was asked for. */
async function* behind(first: FirstEvent, events: Events): Events {
  const { done, value } = await first;
  if (done) return;
  yield value;
  yield* events;
}

/** The stream's text, event by event. It never throws: by then the status has been sent, so a failure is an event. */
async function* textsOf(
  { failure, sentinel }: EventStreamOptions,
  events: Events,
): AsyncGenerator<string, void> {
  try {
    for await (const event of events) yield textOf(event);
  } catch (error) {
    yield textOf(failure(toApiError(error).body));
    return;
  }
  if (sentinel) yield 'data: [DONE]\n\n';
}

function textOf({ name, data }: StreamEvent): string {
  // JSON has no line breaks of its own, so the data is one line.
  const line = `data: ${JSON.stringify(data)}\n\n`;
  return name === undefined ? line : `event: ${name}\n${line}`;
}

/** What `promise` gives, or `late` if that takes longer than `ms`. */
async function firstOf<T>(promise: Promise<T>, ms: number): Promise<T | 'late'> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<'late'>((resolve) => (timer = setTimeout(() => resolve('late'), ms)));
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
