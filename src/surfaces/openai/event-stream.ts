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
  /** What is sent of a failure amid the stream. */
  failure: (body: ErrorBody) => StreamEvent;
  /** Whether the last event is `[DONE]`. */
  sentinel: boolean;
  /** The client's own signal: what is read after it has fired fails with its reason, as with `fetch`. */
  signal: AbortSignal;
  /** Milliseconds of silence after which a comment keeps the connection. */
  pingMs: number;
}

/** A response whose headers can be sent at once. Nothing is computed before its body is read, and nothing ahead of its reader. */
export function eventStreamResponse(options: EventStreamOptions): Response {
  const headers = { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-cache' };
  return new Response(eventStream(options), { headers });
}

function eventStream(options: EventStreamOptions): ReadableStream<Uint8Array> {
  const { signal, pingMs } = options;
  const ended = new AbortController();
  const texts = textsOf(options, AbortSignal.any([ended.signal, signal]));
  const encoder = new TextEncoder();
  let next: Promise<IteratorResult<string, void>> | undefined;
  let onAbort = (): void => {};
  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        onAbort = () => {
          controller.error(signal.reason);
          // Where nobody was reading, nothing else would tell the generation.
          void texts.return();
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
        await texts.return();
      },
    },
    { highWaterMark: 0 },
  );
}

/** The stream's text, event by event. It never throws: by then the status has been sent, so a failure is an event. */
async function* textsOf(
  { events, failure, sentinel }: EventStreamOptions,
  signal: AbortSignal,
): AsyncGenerator<string, void> {
  try {
    for await (const event of events(signal)) yield textOf(event);
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
