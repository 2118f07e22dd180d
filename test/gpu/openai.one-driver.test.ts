// The API of OpenAI in front of the embedded model: the same tokens as from a session, over HTTP and without, and a GPU that is
// free as soon as a client has left.
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Engine, GenerateOptions } from '../../src/engine/types';
import { loadModel, serve, type RunningServer } from '../../src/surfaces/node';
import { connect } from '../../src/surfaces/connect';
import { createFetch, type Fetch } from '../../src/surfaces/openai';
import { jsonOf, post, streamed, type Wire } from '../support/api-requests';
import { collect } from '../support/collect';
import { requestDevice } from '../support/dawn';
import { COUNT, STORY } from '../support/sessions';
import { sleep } from '../support/wait';
import { TINY, watch, type Watch } from '../support/watched-engine';

let engine: Engine;
let counts: Watch;
let fetch: Fetch;
beforeAll(async () => {
  const device = await requestDevice();
  counts = watch({ device });
  engine = await loadModel(TINY, { device, tuning: false });
  fetch = createFetch(engine);
});
afterAll(() => engine.dispose());

/** What a fresh session says to the same prompt. */
async function said(options: GenerateOptions) {
  await using session = engine.createSession();
  return await collect(session.generate(STORY.messages, options));
}

const SAMPLED = { temperature: 1, seed: 11, max_tokens: 24 };
const ASK = { model: 'tiny', messages: STORY.messages, return_token_ids: true, ...SAMPLED };

async function completed(fields: object = {}): Promise<Wire> {
  return jsonOf(await post(fetch, 'chat/completions', { ...ASK, ...fields }));
}

describe('the same tokens as from a session with the same seed', () => {
  test('whole, and each of two choices', async () => {
    const { choices, prompt_token_ids } = await completed({ n: 2 });
    expect(prompt_token_ids).toEqual(STORY.promptIds);
    for (const [i, choice] of choices.entries()) {
      const { text, tokenIds } = await said({ temperature: 1, seed: 11 + i, maxTokens: 24 });
      expect(choice).toMatchObject({ message: { content: text }, token_ids: tokenIds });
    }
  });

  test('streamed, with the ids of the prompt in the first chunk', async () => {
    const { chunks } = await streamed(await post(fetch, 'chat/completions', { ...ASK, stream: true }));
    const { text, tokenIds } = await said({ temperature: 1, seed: 11, maxTokens: 24 });
    const [first, ...rest] = chunks;
    expect(first!.prompt_token_ids).toEqual(STORY.promptIds);
    expect(rest.flatMap(({ choices }) => choices[0].token_ids)).toEqual(tokenIds);
    expect(rest.map(({ choices }) => choices[0].delta.content ?? '').join('')).toBe(text);
  });

  test('by token ids', async () => {
    const fields = { prompt: STORY.promptIds, return_token_ids: true, ...SAMPLED };
    const { choices } = await jsonOf(await post(fetch, 'completions', fields));
    const { tokenIds } = await said({ temperature: 1, seed: 11, maxTokens: 24 });
    expect(choices[0]).toMatchObject({ prompt_token_ids: STORY.promptIds, token_ids: tokenIds });
  });

  test('with the likeliest of them in front of the alternatives, for temperature 0', async () => {
    const { choices } = await completed({ temperature: 0, logprobs: true, top_logprobs: 2, max_tokens: 8 });
    const { token_ids, logprobs } = choices[0];
    expect(token_ids).toEqual((await said({ maxTokens: 8 })).tokenIds);
    expect(logprobs!.content).toHaveLength(token_ids.length);
    for (const token of logprobs!.content as { token: string; logprob: number; top_logprobs: object[] }[]) {
      expect(token.logprob).toBeLessThanOrEqual(0);
      expect(token.top_logprobs[0]).toMatchObject({ token: token.token, logprob: token.logprob });
    }
  });
});

test('a conversation that goes on finds its beginning in the cache', async () => {
  const messages = [...COUNT.messages];
  const first = await completed({ messages, temperature: 0 });
  messages.push({ role: 'assistant', content: first.choices[0].message.content! });
  messages.push({ role: 'user', content: 'Spell planet.' });
  const { usage } = await completed({ messages, temperature: 0 });
  const { cached_tokens } = usage['prompt_tokens_details'] as { cached_tokens: number };
  // The first prompt, and all of its answer but the end token, which nothing was evaluated after.
  const before = first.prompt_token_ids.length + first.choices[0].token_ids.length;
  expect(cached_tokens).toBeGreaterThanOrEqual(before - 1);
});

test('a client that leaves amid an answer frees the GPU within one step', async () => {
  const local = new OpenAI({ fetch, apiKey: 'local', dangerouslyAllowBrowser: true });
  const messages = STORY.messages as OpenAI.ChatCompletionMessageParam[];
  // The story has 93 tokens.
  const stream = await local.chat.completions.create({
    model: 'tiny',
    messages,
    temperature: 0,
    stream: true,
  });
  let read = 0;
  let submits = 0;
  for await (const { choices } of stream) {
    submits = counts.submits;
    if ((read += choices.length) === 6) break;
  }
  await sleep(100);
  expect(counts.submits).toBeLessThanOrEqual(submits + 1);
  expect((await completed({ messages: COUNT.messages, temperature: 0 })).choices[0].finish_reason).toBe(
    'stop',
  );
});

describe('over HTTP', () => {
  let server: RunningServer;
  let client: OpenAI;
  beforeAll(async () => {
    server = await serve(engine);
    client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'local' });
  });
  afterAll(() => server.close());

  const request = {
    model: 'tiny',
    messages: STORY.messages as OpenAI.ChatCompletionMessageParam[],
    ...SAMPLED,
  };

  test("OpenAI's client streams the same text", async () => {
    const stream = await client.chat.completions.create({ ...request, stream: true });
    let text = '';
    for await (const { choices } of stream) text += choices[0]!.delta.content ?? '';
    expect(text).toBe((await said({ temperature: 1, seed: 11, maxTokens: 24 })).text);
  });

  test('connect streams the same tokens', async () => {
    const remote = await connect({ baseURL: `${server.url}/v1` });
    if (!remote.hasTokenIds) throw new Error(`Taken for ${remote.info.kind}.`);
    const options = { temperature: 1, seed: 11, maxTokens: 24 };
    const { text, tokenIds } = await said(options);
    const stream = remote.createSession().generate([...STORY.messages], options);
    const given = { text: '', tokenIds: [] as number[] };
    for await (const chunk of stream) {
      given.text += chunk.text;
      given.tokenIds.push(...chunk.tokenIds);
    }
    expect(given).toEqual({ text, tokenIds });
  });

  test('ten requests at once all finish', async () => {
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, seed) =>
        client.chat.completions.create({ ...request, seed, max_tokens: 8 }),
      ),
    );
    for (const { choices, usage } of answers) {
      expect(choices[0]!.finish_reason).toMatch(/stop|length/);
      expect(usage!.completion_tokens).toBeGreaterThan(0);
    }
  });
});
