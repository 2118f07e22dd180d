// POST /v1/completions: raw prompts of every kind.
import { describe, expect, test } from 'vitest';
import { createFetch } from '../../../../src/surfaces/openai';
import { jsonOf, post, postJson, streamed } from '../../../support/api-requests';
import { END_ID, idsOf, SteppedEngine } from '../../../support/stepped-engine';

/** Answers `ab` to everything, and then the number of the answer. */
function serving() {
  let answered = 0;
  const engine = new SteppedEngine(() => ['a', 'b', String(answered++)]);
  const fetch = createFetch(engine);
  return { engine, fetch, complete: (fields: object) => postJson(fetch, 'completions', fields) };
}

test('a text', async () => {
  const { engine, complete } = serving();
  const { status, json } = await complete({ prompt: 'Once', return_token_ids: true });
  expect(status).toBe(200);
  expect(json).toMatchObject({ object: 'text_completion', model: 'scripted' });
  expect(json.id).toMatch(/^cmpl-/);
  expect(json.choices).toEqual([
    {
      index: 0,
      text: 'ab0',
      logprobs: null,
      finish_reason: 'stop',
      prompt_token_ids: idsOf('Once'),
      token_ids: [...idsOf('ab0'), END_ID],
    },
  ]);
  // As long as at OpenAI, where nobody says otherwise, and with the same temperature.
  expect(engine.requests[0]!.options).toMatchObject({ maxTokens: 16, temperature: 1 });
});

test('token ids, several prompts, and several answers to each', async () => {
  const { engine, complete } = serving();
  const { json } = await complete({ prompt: [[72, 105], [65]], n: 2, max_tokens: 3, return_token_ids: true });
  expect(engine.requests.map(({ prompt }) => prompt)).toEqual(
    [[72, 105], [72, 105], [65], [65]].map((tokenIds) => ({ tokenIds })),
  );
  expect(json.choices.map(({ index, text, prompt_token_ids }) => [index, text, prompt_token_ids])).toEqual([
    [0, 'ab0', [72, 105]],
    [1, 'ab1', [72, 105]],
    [2, 'ab2', [65]],
    [3, 'ab3', [65]],
  ]);
  expect(json.usage).toMatchObject({ prompt_tokens: 3, completion_tokens: 12, total_tokens: 15 });
  expect((await complete({ prompt: [72, 105] })).json.choices).toHaveLength(1);
  expect((await complete({ prompt: ['x', 'y'] })).json.choices).toHaveLength(2);
});

test('log-probabilities as lists', async () => {
  const { json } = await serving().complete({ prompt: 'x', logprobs: 1, max_tokens: 2 });
  expect(json.choices[0].logprobs).toEqual({
    tokens: ['a', 'b'],
    token_logprobs: [-0.5, -0.5],
    top_logprobs: [{ a: -0.5 }, { b: -0.5 }],
    text_offset: [0, 1],
  });
});

test('a stream, with the ids of prompt and answer inside the choice', async () => {
  const { fetch } = serving();
  const fields = {
    prompt: ['x', 'y'],
    stream: true,
    return_token_ids: true,
    logprobs: 0,
    max_tokens: 2,
    stream_options: { include_usage: true },
  };
  const { chunks, done } = await streamed(await post(fetch, 'completions', fields));
  expect(done).toBe(true);
  const choices = chunks.slice(0, -1).map((chunk) => chunk.choices[0]);
  const of = (token: string, text_offset: number) => {
    return { tokens: [token], token_logprobs: [-0.5], top_logprobs: [{}], text_offset: [text_offset] };
  };
  expect(choices).toEqual(
    [0, 1].flatMap((index) => [
      {
        index,
        text: 'a',
        logprobs: of('a', 0),
        finish_reason: null,
        prompt_token_ids: idsOf('xy'[index]!),
        token_ids: idsOf('a'),
      },
      { index, text: 'b', logprobs: of('b', 1), finish_reason: 'length', token_ids: idsOf('b') },
    ]),
  );
  expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { prompt_tokens: 2, completion_tokens: 4 } });
});

describe('a request that is wrong', () => {
  test.each<[string, object]>([
    ['prompt', {}],
    ['prompt', { prompt: '' }],
    ['prompt', { prompt: [] }],
    ['prompt', { prompt: [[]] }],
    ['prompt', { prompt: [1, 'x'] }],
    ['prompt', { prompt: [-1] }],
    ['prompt', { prompt: [65536] }],
    ['echo', { prompt: 'x', echo: true }],
    ['suffix', { prompt: 'x', suffix: 'y' }],
    ['best_of', { prompt: 'x', best_of: 2 }],
    ['logprobs', { prompt: 'x', logprobs: true }],
    ['messages', { prompt: 'x', messages: [] }],
  ])('names %s: %j', async (param, fields) => {
    const response = await post(serving().fetch, 'completions', fields);
    expect(response.status).toBe(400);
    expect((await jsonOf(response)).error.param).toBe(param);
  });
});
