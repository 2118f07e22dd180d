// Sessions behind the API: conversations find their beginning again, there are never many, and models may be exchanged.
import { expect, test } from 'vitest';
import { createFetch } from '../../../../src/surfaces/openai';
import { post, postJson, type Wire } from '../../../support/api-requests';
import { SteppedEngine, type Step } from '../../../support/stepped-engine';
import { until } from '../../../support/wait';

interface Message {
  role: string;
  content: string;
}

function serving({ sessions, steps = ['Yes'] }: { sessions?: number; steps?: Step[] } = {}) {
  const engine = new SteppedEngine(() => steps);
  const fetch = createFetch(engine, sessions === undefined ? {} : { sessions });
  /** Says something more in a conversation; gives what was cached of its prompt. */
  const say = async (messages: Message[], content: string): Promise<number> => {
    messages.push({ role: 'user', content });
    const { json } = await postJson(fetch, 'chat/completions', { messages });
    messages.push({ role: 'assistant', content: json.choices[0].message.content ?? '' });
    return cachedOf(json);
  };
  return { engine, fetch, say };
}

function cachedOf({ usage }: Wire): number {
  return (usage['prompt_tokens_details'] as { cached_tokens: number }).cached_tokens;
}

test('two conversations that take turns keep their caches', async () => {
  const { engine, say } = serving();
  const [one, two]: [Message[], Message[]] = [[], []];
  expect(await say(one, 'I am Ann')).toBe(0);
  expect(await say(two, 'Tell me a story')).toBeLessThan(10);
  // All but the last token of what was asked before, and the answer's.
  expect(await say(one, 'Who am I?')).toBeGreaterThan('user: I am Ann\nassistant: '.length - 1);
  expect(await say(two, 'And then?')).toBeGreaterThan('user: Tell me a story\nassistant: '.length - 1);
  expect(engine.sessions).toHaveLength(2);
});

test('raw prompts find their beginning by their tokens', async () => {
  const { engine, fetch, say } = serving();
  await say([], 'Hello');
  await postJson(fetch, 'completions', { prompt: 'Once upon a time' });
  const { json } = await postJson(fetch, 'completions', { prompt: 'Once upon a time there was' });
  expect(cachedOf(json)).toBe('Once upon a time'.length);
  expect(engine.sessions).toHaveLength(2);
});

test('there are no more sessions than allowed: the one idle for longest is used for something else', async () => {
  const { engine, say } = serving({ sessions: 2 });
  const [one, two, three]: [Message[], Message[], Message[]] = [[], [], []];
  await say(one, 'aaaaaaaa');
  await say(two, 'bbbbbbbb');
  await say(one, 'aaaaaaaa');
  await say(three, 'cccccccc');
  expect(engine.sessions).toHaveLength(2);
  expect(await say(one, 'aaaaaaaa')).toBeGreaterThan(20);
  expect(await say(two, 'bbbbbbbb')).toBeLessThan(10);
});

test('ten requests at once all finish, with two sessions, and one that leaves while it waits', async () => {
  const { engine, fetch } = serving({ sessions: 2, steps: ['a', { wait: Promise.resolve() }, 'b'] });
  const ask = (i: number, signal?: AbortSignal): Promise<Response> =>
    post(
      fetch,
      'chat/completions',
      { messages: [{ role: 'user', content: `${i}` }], stream: i % 2 === 1 },
      signal,
    );
  const left = new AbortController();
  const answers = Promise.all(Array.from({ length: 10 }, async (_, i) => (await ask(i)).text()));
  const leaving = ask(10, left.signal);
  left.abort(new Error('bye'));
  await expect(leaving).rejects.toThrow('bye');
  for (const answer of await answers) expect(answer).toMatch(/stop/);
  expect(engine.sessions).toHaveLength(2);
});

test('a stream that nobody reads any more gives its session to those who wait', async () => {
  const { fetch } = serving({ sessions: 1, steps: ['a', 'b', 'c'] });
  const request = { messages: [{ role: 'user', content: 'x' }] };
  const response = await post(fetch, 'chat/completions', { ...request, stream: true });
  const reader = response.body!.getReader();
  await reader.read();
  await reader.read();
  const next = postJson(fetch, 'chat/completions', request);
  await reader.cancel();
  expect((await next).status).toBe(200);
});

test('a model that was exchanged costs its sessions, and no request', async () => {
  const { engine, say } = serving();
  const conversation: Message[] = [];
  await say(conversation, 'Hello');
  await engine.load();
  expect(await say(conversation, 'Again')).toBe(0);
  expect(engine.sessions).toHaveLength(2);
});

test('an engine that ends amid an answer is an error', async () => {
  const { engine, fetch } = serving({ steps: ['a', { wait: new Promise(() => {}) }] });
  const answer = postJson(fetch, 'chat/completions', { messages: [{ role: 'user', content: 'x' }] });
  await until(() => engine.steps > 0);
  await engine.dispose();
  const { status, json } = await answer;
  expect(status).toBe(503);
  expect(json.error).toMatchObject({ type: 'server_error', code: 'aborted' });
});
