// Event streams byte by byte: they parse however they are cut, and follow their reader.
import { describe, expect, test } from 'vitest';
import { createFetch } from '../../../../src/surfaces/openai';
import { parseEvents, post } from '../../../support/api-requests';
import { SteppedEngine, type Step } from '../../../support/stepped-engine';
import { until } from '../../../support/wait';

const MESSAGES = [{ role: 'user', content: 'Hi' }];

/** Characters of one to four bytes, and line breaks of every kind. */
const TEXT: Step[] = ['a\n\nb', 'data: ', 'é\r\n', '日本', '🙂', '\u2028', { reasoning: 'hm' }];

function serving(steps: Step[], options = {}) {
  const engine = new SteppedEngine(() => steps);
  return { engine, fetch: createFetch(engine, options) };
}

async function bytesOf(response: Response): Promise<Uint8Array> {
  return new Uint8Array(await response.arrayBuffer());
}

describe.each<[string, object]>([
  [
    'chat/completions',
    { messages: MESSAGES, stream_options: { include_usage: true }, return_token_ids: true },
  ],
  ['completions', { prompt: 'Hi', return_token_ids: true, logprobs: 2 }],
  ['responses', { input: 'Hi', top_logprobs: 2 }],
])('the stream of %s', (path, fields) => {
  test('parses at every cut of its bytes', async () => {
    const bytes = await bytesOf(await post(serving(TEXT).fetch, path, { ...fields, stream: true }));
    const { events } = parseEvents([bytes]);
    expect(events.length).toBeGreaterThan(TEXT.length);
    for (let cut = 1; cut < bytes.length; cut++) {
      expect(parseEvents([bytes.subarray(0, cut), bytes.subarray(cut)]).events).toEqual(events);
    }
    const singly = Array.from(bytes, (byte) => Uint8Array.of(byte));
    expect(parseEvents(singly).events).toEqual(events);
  });
});

test('headers come at once, and comments while nothing does', async () => {
  let go = (): void => {};
  const wait = new Promise<void>((resolve) => (go = resolve));
  const { fetch } = serving([{ wait }, 'Hi'], { pingInterval: 5 });
  const response = await post(fetch, 'chat/completions', { messages: MESSAGES, stream: true });
  expect(response.status).toBe(200);
  expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
  const pieces: string[] = [];
  for await (const bytes of response.body!) {
    pieces.push(new TextDecoder().decode(bytes));
    if (pieces.length === 4) go();
  }
  expect(pieces.slice(1, 4)).toEqual([': ping\n\n', ': ping\n\n', ': ping\n\n']);
  const { events, comments } = parseEvents(pieces);
  expect(comments.length).toBeGreaterThanOrEqual(3);
  expect(events.map(({ data }) => data).join()).toContain('"content":"Hi"');
});

describe('nothing runs ahead of the reader', () => {
  const endless = (): Step[] => Array.from({ length: 400 }, () => 'x');

  test('nothing is computed before the first read, and a step for each read after that', async () => {
    const { engine, fetch } = serving(endless());
    const response = await post(fetch, 'chat/completions', { messages: MESSAGES, stream: true });
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(engine.requests).toHaveLength(0);
    const reader = response.body!.getReader();
    for (let i = 0; i < 5; i++) await reader.read();
    await new Promise((resolve) => setTimeout(resolve, 20));
    // The first event was the role's.
    expect(engine.steps).toBe(4);
    await reader.cancel();
  });

  test.each(['in an answer', 'in a prompt'])(
    'a reader who leaves %s frees the queue within a step',
    async (when) => {
      const steps = when === 'in a prompt' ? [{ wait: new Promise<void>(() => {}) }] : endless();
      const { engine, fetch } = serving(steps);
      const response = await post(fetch, 'chat/completions', { messages: MESSAGES, stream: true });
      const reader = response.body!.getReader();
      await reader.read();
      const waiting = reader.read();
      if (when === 'in an answer') await waiting;
      await until(() => engine.requests.length === 1);
      const { steps: before } = engine;
      await reader.cancel();
      expect(engine.steps - before).toBeLessThanOrEqual(1);
      // The GPU is free: the next one has its turn.
      await engine.queue.enter(AbortSignal.timeout(5000));
    },
  );

  test('a signal ends the stream, read or not, with its reason', async () => {
    const { engine, fetch } = serving(endless());
    const left = new AbortController();
    const request = { messages: MESSAGES, stream: true };
    const response = await post(fetch, 'chat/completions', request, left.signal);
    const reader = response.body!.getReader();
    await reader.read();
    await reader.read();
    left.abort(new Error('bye'));
    await expect(reader.read()).rejects.toThrow('bye');
    await engine.queue.enter(AbortSignal.timeout(5000));
    await expect(post(fetch, 'chat/completions', request, left.signal)).rejects.toThrow('bye');
  });

  test('a signal ends an answer that is not streamed', async () => {
    const { engine, fetch } = serving([{ wait: new Promise(() => {}) }]);
    const left = new AbortController();
    const answer = post(fetch, 'chat/completions', { messages: MESSAGES }, left.signal);
    await until(() => engine.requests.length === 1);
    left.abort(new Error('bye'));
    await expect(answer).rejects.toThrow('bye');
    await engine.queue.enter(AbortSignal.timeout(5000));
  });
});
