// One request as the page sees it: answered by the page's own fetch, a chunk of the body for each that is asked for.

import { untilAborted } from '../../errors';
import type { FromAnswer, RequestParts, ToAnswer } from './protocol';

/** What answers: `createFetch(engine)` of `ternion/openai`, or any other function that is like `fetch`. */
export type Answer = (request: Request) => Promise<Response>;

/** Answers a request over its port. Resolves when the answer is over: given whole, failed, left by its client, or `gone`. */
export async function answerRequest(
  answer: Answer,
  parts: RequestParts,
  port: MessagePort,
  gone: AbortSignal,
): Promise<void> {
  const left = new AbortController();
  const signal = AbortSignal.any([left.signal, gone]);
  const demand = new Demand(signal);
  port.onmessage = ({ data }: MessageEvent<ToAnswer>) => (data.type === 'pull' ? demand.add() : left.abort());
  const post = (message: FromAnswer, transfer: Transferable[] = []): void =>
    port.postMessage(message, transfer);
  try {
    const { method, url, headers, body } = parts;
    const request = new Request(url, { method, headers, signal, ...(body && { body }) });
    const response = await untilAborted(answer(request), signal);
    const { status, statusText } = response;
    post({ type: 'head', status, statusText, headers: [...response.headers], empty: !response.body });
    if (response.body) await sendBody(response.body, demand, post, signal);
  } catch (error) {
    if (!signal.aborted) post({ type: 'failed', message: String(error) });
  } finally {
    port.close();
  }
}

async function sendBody(
  body: ReadableStream<Uint8Array>,
  demand: Demand,
  post: (message: FromAnswer, transfer?: Transferable[]) => void,
  signal: AbortSignal,
): Promise<void> {
  const reader = body.getReader();
  try {
    while (await demand.next()) {
      const { done, value } = await untilAborted(reader.read(), signal);
      if (done) return post({ type: 'end' });
      // A copy, which can be given away: what it is a part of may be larger.
      const bytes = value.slice();
      post({ type: 'chunk', bytes }, [bytes.buffer]);
    }
  } finally {
    // Ends what makes the body; nothing happens if that has come to its end.
    await reader.cancel().catch(() => {});
  }
}

/** Counts what is asked for and was not given yet. */
class Demand {
  #open = 0;
  #wake = (): void => {};

  constructor(private readonly signal: AbortSignal) {
    signal.addEventListener('abort', () => this.#wake(), { once: true });
  }

  add(): void {
    this.#open++;
    this.#wake();
  }

  /** Resolves when one more is wanted: true; or when none will be. */
  async next(): Promise<boolean> {
    while (this.#open === 0 && !this.signal.aborted)
      await new Promise<void>((resolve) => (this.#wake = resolve));
    if (this.signal.aborted) return false;
    this.#open--;
    return true;
  }
}
