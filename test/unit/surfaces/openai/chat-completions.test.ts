// POST /v1/chat/completions with an engine that says what it is told to: what comes of each field, and the shape of answers.
import { describe, expect, test } from 'vitest';
import { TernionError } from '../../../../src/errors';
import { createFetch } from '../../../../src/surfaces/openai';
import { jsonOf, post, postJson, streamed, type Wire } from '../../../support/api-requests';
import {
  callSteps,
  END_ID,
  idsOf,
  rendered,
  SteppedEngine,
  type Step,
} from '../../../support/stepped-engine';

const MESSAGES = [{ role: 'user', content: 'Hi' }];
const HELLO: Step[] = ['Hel', 'lo', '!'];
const PROMPT_IDS = idsOf(rendered(MESSAGES));
const HELLO_IDS = [...idsOf('H'), ...idsOf('l'), ...idsOf('!'), END_ID];

function serving(steps: Step[] | Step[][] = HELLO, toolCalls?: 'hermes') {
  const scripts = (Array.isArray(steps[0]) ? steps : [steps]) as Step[][];
  let answered = 0;
  const engine = new SteppedEngine(() => scripts[answered++ % scripts.length]!, { toolCalls });
  const fetch = createFetch(engine);
  const chat = (fields: object): Promise<{ status: number; json: Wire }> =>
    postJson(fetch, 'chat/completions', { model: 'm', messages: MESSAGES, ...fields });
  const stream = async (fields: object = {}): Promise<{ chunks: Wire[]; done: boolean }> =>
    streamed(
      await post(fetch, 'chat/completions', { model: 'm', messages: MESSAGES, stream: true, ...fields }),
    );
  return { engine, fetch, chat, stream };
}

/** The options of the one generation that these fields come to. */
async function optionsOf(fields: object): Promise<object> {
  const { engine, chat } = serving();
  const { status, json } = await chat(fields);
  expect(json).not.toHaveProperty('error');
  expect(status).toBe(200);
  const { signal, ...options } = engine.requests[0]!.options;
  expect(signal).toBeInstanceOf(AbortSignal);
  return options;
}

describe('the whole answer', () => {
  test('has the shape of the API', async () => {
    const { chat } = serving();
    const { status, json } = await chat({});
    expect(status).toBe(200);
    expect(json).toEqual({
      id: expect.stringMatching(/^chatcmpl-[0-9a-f]{32}$/) as string,
      object: 'chat.completion',
      created: expect.any(Number) as number,
      model: 'm',
      choices: [
        {
          index: 0,
          message: { role: 'assistant', content: 'Hello!', refusal: null },
          logprobs: null,
          finish_reason: 'stop',
        },
      ],
      usage: {
        prompt_tokens: PROMPT_IDS.length,
        completion_tokens: 4,
        total_tokens: PROMPT_IDS.length + 4,
        prompt_tokens_details: { cached_tokens: 0 },
        completion_tokens_details: { reasoning_tokens: 0 },
      },
    });
    expect(Math.abs(json.created - Date.now() / 1000)).toBeLessThan(600);
  });

  test('with token ids, as vLLM has them', async () => {
    const { json } = await serving().chat({ return_token_ids: true });
    expect(json.prompt_token_ids).toEqual(PROMPT_IDS);
    expect(json.choices[0].token_ids).toEqual(HELLO_IDS);
  });

  test('with log-probabilities', async () => {
    const { json } = await serving(['é']).chat({ logprobs: true, top_logprobs: 2 });
    expect(json.choices[0].logprobs).toEqual({
      content: [
        {
          token: 'é',
          logprob: -0.5,
          bytes: [0xc3, 0xa9],
          top_logprobs: [
            { token: 'é', logprob: -0.5, bytes: [0xc3, 0xa9] },
            // A part of a character is no text, so nobody knows its bytes.
            { token: '\ufffd', logprob: -1.5, bytes: null },
          ],
        },
        expect.objectContaining({ token: '', bytes: [] }) as object,
      ],
      refusal: null,
    });
  });

  test('is cut at max_tokens', async () => {
    const { json } = await serving().chat({ max_completion_tokens: 2 });
    expect(json.choices[0]).toMatchObject({ finish_reason: 'length', message: { content: 'Hello' } });
    expect(json.usage.completion_tokens).toBe(2);
  });

  test('keeps reasoning apart and counts it', async () => {
    const { json } = await serving([{ reasoning: 'hm' }, { reasoning: ' ok' }, 'Yes']).chat({});
    expect(json.choices[0].message).toMatchObject({ content: 'Yes', reasoning_content: 'hm ok' });
    expect(json.usage.completion_tokens_details).toEqual({ reasoning_tokens: 2 });
    expect(json.usage.completion_tokens).toBe(4);
  });

  test('has n choices with seeds of their own, of which the prompt counts once', async () => {
    const { engine, chat } = serving([['a'], ['b'], ['c']]);
    const { json } = await chat({ n: 3, seed: 7 });
    expect(json.choices.map(({ index, message }) => [index, message.content])).toEqual([
      [0, 'a'],
      [1, 'b'],
      [2, 'c'],
    ]);
    expect(engine.requests.map(({ options }) => options.seed)).toEqual([7, 8, 9]);
    // All on one session, so that the prompt is evaluated once.
    expect(engine.sessions).toHaveLength(1);
    expect(json.usage).toMatchObject({ prompt_tokens: PROMPT_IDS.length, completion_tokens: 6 });
  });
});

describe('the stream', () => {
  test('opens with the role, goes on with text, and ends with a reason and [DONE]', async () => {
    const { chunks, done } = await serving().stream();
    expect(done).toBe(true);
    for (const chunk of chunks) {
      expect(chunk).toMatchObject({ object: 'chat.completion.chunk', id: chunks[0]!.id, model: 'm' });
      expect(chunk).not.toHaveProperty('usage');
    }
    expect(chunks.map(({ choices }) => choices)).toEqual([
      [{ index: 0, delta: { role: 'assistant', content: '' }, logprobs: null, finish_reason: null }],
      ...['Hel', 'lo', '!'].map((content) => [
        { index: 0, delta: { content }, logprobs: null, finish_reason: null },
      ]),
      [{ index: 0, delta: {}, logprobs: null, finish_reason: 'stop' }],
    ]);
  });

  test('with usage: null on all chunks, then one without choices', async () => {
    const { chunks } = await serving().stream({ stream_options: { include_usage: true } });
    expect(chunks.slice(0, -1).every(({ usage }) => usage === null)).toBe(true);
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { completion_tokens: 4 } });
  });

  test("with token ids: the prompt's beside the role, the answer's in each choice", async () => {
    const { engine, stream } = serving();
    const { chunks } = await stream({ return_token_ids: true });
    expect(chunks[0]!.prompt_token_ids).toEqual(PROMPT_IDS);
    expect(chunks[0]!.choices[0]).toMatchObject({ delta: { role: 'assistant' } });
    expect(chunks[0]!.choices[0]).not.toHaveProperty('token_ids');
    const rest = chunks.slice(1);
    expect(rest.flatMap(({ choices }) => choices[0].token_ids)).toEqual(HELLO_IDS);
    expect(rest.every((chunk) => !('prompt_token_ids' in chunk))).toBe(true);
    // The prompt was evaluated for its ids, then answered.
    expect(engine.requests.map(({ options }) => options.maxTokens)).toEqual([0, undefined]);
  });

  test('says what was cached before the request, not what its ids were evaluated for', async () => {
    const fields = { return_token_ids: true, stream_options: { include_usage: true } };
    const { chunks } = await serving().stream(fields);
    expect(chunks.at(-1)!.usage.prompt_tokens_details).toEqual({ cached_tokens: 0 });
  });

  test('with log-probabilities beside the ids', async () => {
    const { chunks } = await serving().stream({ logprobs: true, return_token_ids: true });
    for (const { choices } of chunks.slice(1)) {
      expect(choices[0].logprobs!.content).toHaveLength(choices[0].token_ids.length);
    }
  });

  test('of n choices, one after the other', async () => {
    const { chunks } = await serving([['a'], ['b']]).stream({ n: 2 });
    expect(chunks.map(({ choices: [{ index, delta }] }) => [index, delta])).toEqual([
      [0, { role: 'assistant', content: '' }],
      [0, { content: 'a' }],
      [0, {}],
      [1, { role: 'assistant', content: '' }],
      [1, { content: 'b' }],
      [1, {}],
    ]);
  });

  test('of reasoning', async () => {
    const { chunks } = await serving([{ reasoning: 'hm' }, 'Yes']).stream();
    expect(chunks.slice(1, 3).map(({ choices }) => choices[0].delta)).toEqual([
      { reasoning_content: 'hm' },
      { content: 'Yes' },
    ]);
  });
});

describe('tools', () => {
  const TOOL = {
    type: 'function',
    function: { name: 'now', description: 'The time', parameters: { type: 'object', properties: {} } },
  };
  const DEFINITIONS = {
    now: { description: 'The time', schema: { type: 'object', properties: {} } },
  };
  const CALL: Step[] = ['Wait.', ...callSteps(0, 'now', { zone: 'UTC' })];
  const called = { name: 'now', arguments: '{"zone":"UTC"}' };

  test('go to the engine, and calls come back', async () => {
    const { engine, chat } = serving(CALL, 'hermes');
    const { json } = await chat({ tools: [TOOL], tool_choice: 'auto' });
    expect(engine.requests[0]!.options).toMatchObject({
      tools: DEFINITIONS,
      toolChoice: 'auto',
      parallelToolCalls: true,
    });
    expect(json.choices[0].message).toEqual({
      role: 'assistant',
      content: 'Wait.',
      refusal: null,
      tool_calls: [{ id: 'call_0', type: 'function', function: called }],
    });
    expect(json.choices[0].finish_reason).toBe('tool_calls');
  });

  test('calls in a stream as they come, with all token ids', async () => {
    const { stream } = serving([...CALL, ...callSteps(1, 'now', {})], 'hermes');
    const { chunks } = await stream({ tools: [TOOL], return_token_ids: true });
    const choices = chunks.map((chunk) => chunk.choices[0]);
    expect(choices.map(({ delta }) => delta.content ?? '').join('')).toBe('Wait.');
    expect(choices.flatMap(({ delta }) => delta.tool_calls ?? [])).toEqual([
      { index: 0, id: 'call_0', type: 'function', function: { name: 'now', arguments: '' } },
      { index: 0, function: { arguments: '{"zo' } },
      { index: 0, function: { arguments: 'ne":"UTC"}' } },
      { index: 1, id: 'call_1', type: 'function', function: { name: 'now', arguments: '' } },
      { index: 1, function: { arguments: '{}' } },
      { index: 1, function: { arguments: '' } },
    ]);
    expect(choices.at(-1)).toMatchObject({ finish_reason: 'tool_calls' });
    // The text, three pieces of each call, and the end.
    expect(choices.slice(1).flatMap(({ token_ids }) => token_ids)).toHaveLength(8);
  });

  test('a call without text has no content', async () => {
    const { json } = await serving(callSteps(0, 'now', {}), 'hermes').chat({ tools: [TOOL] });
    expect(json.choices[0].message.content).toBeNull();
  });

  test.each([
    ['auto', 'auto'],
    ['required', 'required'],
    [{ type: 'function', function: { name: 'now' } }, { name: 'now' }],
  ])('may be chosen: %j', async (tool_choice, toolChoice) => {
    const { engine, chat } = serving(CALL, 'hermes');
    expect((await chat({ tools: [TOOL], tool_choice, parallel_tool_calls: false })).status).toBe(200);
    expect(engine.requests[0]!.options).toMatchObject({ toolChoice, parallelToolCalls: false });
  });

  test('without parameters take none, and strict changes nothing', async () => {
    const { engine, chat } = serving(CALL, 'hermes');
    await chat({ tools: [{ type: 'function', function: { name: 'now', strict: true } }] });
    expect(engine.requests[0]!.options.tools).toEqual({
      now: { schema: { type: 'object', properties: {}, additionalProperties: false } },
    });
  });

  test("are not handed over with tool_choice 'none'", async () => {
    const { engine, chat } = serving(HELLO, 'hermes');
    const { json } = await chat({ tools: [TOOL], tool_choice: 'none' });
    expect(engine.requests[0]!.options).not.toHaveProperty('tools');
    expect(json.choices[0]).toMatchObject({ finish_reason: 'stop', message: { content: 'Hello!' } });
  });

  test.each<[string, object]>([
    ['tool_choice', { tools: [], tool_choice: 'required' }],
    ['tool_choice', { tools: [TOOL], tool_choice: { type: 'function', function: { name: 'then' } } }],
    ['tool_choice', { tools: [TOOL], tool_choice: { type: 'allowed_tools', allowed_tools: {} } }],
    ['tool_choice.function.name', { tools: [TOOL], tool_choice: { type: 'function', function: {} } }],
    ['tool_choice.function', { tools: [TOOL], tool_choice: { type: 'function', name: 'now' } }],
    ['tools', { tools: [TOOL, TOOL] }],
    ['response_format', { tools: [TOOL], response_format: { type: 'json_object' } }],
  ])('%s is named where it cannot be: %j', async (param, fields) => {
    const { engine, chat } = serving(CALL, 'hermes');
    const { status, json } = await chat(fields);
    expect(status).toBe(400);
    expect(json.error).toMatchObject({ param, type: 'invalid_request_error' });
    expect(engine.requests).toEqual([]);
  });

  test('that have to be called leave a format without meaning', async () => {
    const { engine, chat } = serving(CALL, 'hermes');
    const fields = { tools: [TOOL], tool_choice: 'required', response_format: { type: 'json_object' } };
    expect((await chat(fields)).status).toBe(200);
    expect(engine.requests[0]!.options).not.toHaveProperty('responseFormat');
    expect(engine.requests[0]!.prompt).toEqual(MESSAGES);
  });

  test('are refused where the template knows none', async () => {
    const { status, json } = await serving(CALL).chat({ tools: [TOOL] });
    expect(status).toBe(400);
    expect(json.error).toMatchObject({
      param: 'tools',
      message: expect.stringContaining('template') as string,
    });
  });

  test('calls and their results in the conversation reach the template', async () => {
    const { engine, chat } = serving(HELLO, 'hermes');
    const messages = [
      { role: 'developer', content: 'Be brief.' },
      {
        role: 'user',
        content: [
          { type: 'text', text: 'What time' },
          { type: 'text', text: 'is it?' },
        ],
      },
      {
        role: 'assistant',
        content: null,
        refusal: null,
        reasoning_content: 'hm',
        tool_calls: [{ id: 'c1', type: 'function', function: called }],
      },
      { role: 'tool', tool_call_id: 'c1', content: '12:00' },
    ];
    expect((await chat({ messages })).status).toBe(200);
    expect(engine.requests[0]!.prompt).toEqual([
      { role: 'system', content: 'Be brief.' },
      messages[1],
      {
        role: 'assistant',
        content: null,
        reasoning_content: 'hm',
        // Templates take arguments as an object.
        tool_calls: [{ id: 'c1', type: 'function', function: { name: 'now', arguments: { zone: 'UTC' } } }],
      },
      messages[3],
    ]);
  });
});

/** The format of a schema, as chat completions have it. */
function formatOf(json_schema: object): object {
  return { type: 'json_schema', json_schema };
}

describe('fields', () => {
  test("become options, with the API's defaults", async () => {
    expect(await optionsOf({})).toEqual({ temperature: 1 });
    expect(
      await optionsOf({
        max_tokens: 5,
        temperature: 0,
        top_p: 0.9,
        top_k: 40,
        min_p: 0.05,
        repetition_penalty: 1.1,
        frequency_penalty: 0.5,
        presence_penalty: -0.5,
        seed: 42,
        stop: ['a', 'b', 'c', 'd', 'e'],
        logit_bias: { '50': -100, '7': 1.5 },
        logprobs: true,
        top_logprobs: 3,
      }),
    ).toEqual({
      maxTokens: 5,
      temperature: 0,
      topP: 0.9,
      topK: 40,
      minP: 0.05,
      repetitionPenalty: 1.1,
      frequencyPenalty: 0.5,
      presencePenalty: -0.5,
      seed: 42,
      stop: ['a', 'b', 'c', 'd', 'e'],
      logitBias: { 50: -100, 7: 1.5 },
      logprobs: 3,
    });
  });

  test('have other spellings', async () => {
    expect(await optionsOf({ stop: 'x', top_k: -1 })).toEqual({ temperature: 1, stop: ['x'], topK: 0 });
    expect(await optionsOf({ max_tokens: 5, max_completion_tokens: 6 })).toMatchObject({ maxTokens: 6 });
    expect(await optionsOf({ logprobs: true })).toMatchObject({ logprobs: 0 });
  });

  test('that change nothing are accepted, and so are nulls', async () => {
    const ignored = {
      store: true,
      metadata: { a: 'b' },
      user: 'u',
      prompt_cache_key: 'k',
      service_tier: 'auto',
      verbosity: 'low',
    };
    expect(await optionsOf(ignored)).toEqual({ temperature: 1 });
    const nulls = {
      temperature: null,
      stop: null,
      tools: null,
      stream: null,
      response_format: null,
      n: null,
    };
    expect(await optionsOf(nulls)).toEqual({ temperature: 1 });
    expect(await optionsOf({ response_format: { type: 'text' } })).toEqual({ temperature: 1 });
  });

  test.each<[string, object]>([
    ['reasoning_effort', { reasoning_effort: 'low' }],
    ['constructor', { constructor: 1 }],
    ['stream_options.include_obfuscation', { stream_options: { include_obfuscation: true } }],
    ['messages', { messages: [] }],
    ['messages', { messages: 'Hi' }],
    ['messages[0]', { messages: ['Hi'] }],
    ['messages[0].role', { messages: [{ role: 'robot', content: '' }] }],
    ['messages[0].content', { messages: [{ role: 'user' }] }],
    [
      'messages[0].content[1]',
      { messages: [{ role: 'user', content: [{ type: 'text', text: '' }, { type: 'image_url' }] }] },
    ],
    ['messages[0].audio', { messages: [{ role: 'assistant', content: '', audio: { id: 'a' } }] }],
    ['messages[0].mood', { messages: [{ role: 'user', content: '', mood: 'gay' }] }],
    ['messages[0].tool_calls', { messages: [{ role: 'user', content: '', tool_calls: [{}] }] }],
    ['max_tokens', { max_tokens: 0 }],
    ['max_tokens', { max_tokens: 1.5 }],
    ['temperature', { temperature: 3 }],
    ['temperature', { temperature: '1' }],
    ['top_p', { top_p: -0.1 }],
    ['top_k', { top_k: -2 }],
    ['min_p', { min_p: 2 }],
    ['repetition_penalty', { repetition_penalty: 0 }],
    ['frequency_penalty', { frequency_penalty: 2.5 }],
    ['presence_penalty', { presence_penalty: -3 }],
    ['seed', { seed: 0.5 }],
    ['stop', { stop: [''] }],
    ['stop', { stop: 7 }],
    ['logprobs', { logprobs: 3 }],
    ['logprobs', { top_logprobs: 3 }],
    ['top_logprobs', { logprobs: true, top_logprobs: 21 }],
    ['logit_bias.hello', { logit_bias: { hello: 1 } }],
    ['logit_bias.65536', { logit_bias: { 65536: 1 } }],
    ['logit_bias.01', { logit_bias: { '01': 1 } }],
    ['logit_bias.5', { logit_bias: { 5: 101 } }],
    ['n', { n: 0 }],
    ['stream', { stream: 'yes' }],
    ['response_format', { response_format: { type: 'xml' } }],
    ['response_format.json_schema', { response_format: { type: 'json_schema' } }],
    ['response_format.json_schema.schema', { response_format: { type: 'json_schema', json_schema: {} } }],
    ['response_format.json_schema.mode', { response_format: formatOf({ mode: 'x', schema: {} }) }],
    ['guided_json', { guided_json: '{' }],
    ['guided_choice', { guided_choice: [] }],
    ['guided_choice', { guided_choice: ['a', 1] }],
    ['guided_regex', { guided_regex: 7 }],
    ['structured_outputs.whitespace_pattern', { structured_outputs: { whitespace_pattern: '' } }],
    ['grammar', { guided_regex: 'a', grammar: 'root ::= "a"' }],
    [
      'structured_outputs.json',
      { response_format: { type: 'json_object' }, structured_outputs: { json: {} } },
    ],
    ['tool_choice', { tool_choice: 'required' }],
    ['tool_choice', { tool_choice: { type: 'function', function: { name: 'f' } } }],
    ['tool_choice', { tool_choice: 7 }],
    ['tools[0]', { tools: [{ type: 'web_search' }] }],
    ['tools[0].function.name', { tools: [{ type: 'function', function: {} }] }],
    ['tools[0].function.size', { tools: [{ type: 'function', function: { name: 'f', size: 1 } }] }],
  ])('%s is named where it is wrong: %j', async (param, fields) => {
    const { engine, fetch } = serving();
    // As they are sent to be streamed too: what is wrong is known before the stream begins.
    for (const stream of [false, true]) {
      const response = await post(fetch, 'chat/completions', {
        model: 'm',
        messages: MESSAGES,
        stream,
        ...fields,
      });
      expect(response.status).toBe(400);
      expect(response.headers.get('x-should-retry')).toBe('false');
      const { error } = await jsonOf(response);
      expect(error).toMatchObject({ type: 'invalid_request_error', param });
      expect(error.message).toContain(param);
    }
    expect(engine.requests).toEqual([]);
  });
});

describe('failures', () => {
  test.each<[TernionError['code'], number, string, boolean]>([
    ['context-overflow', 400, 'context_length_exceeded', false],
    ['template-failed', 400, 'template-failed', false],
    ['device-lost', 503, 'device-lost', true],
    ['out-of-memory', 503, 'out-of-memory', false],
    ['internal', 500, 'internal', false],
  ])('%s is status %i', async (code, status, apiCode, retry) => {
    const { fetch } = serving([{ fail: new TernionError(code, 'It failed.') }]);
    const response = await post(fetch, 'chat/completions', { messages: MESSAGES });
    expect(response.status).toBe(status);
    expect(response.headers.get('x-should-retry')).toBe(retry ? null : 'false');
    expect((await jsonOf(response)).error).toMatchObject({ message: 'It failed.', code: apiCode });
  });

  test('amid a stream are an event, and its last', async () => {
    const failing: Step[] = ['Hel', { fail: new TernionError('device-lost', 'Gone.') }];
    const { chunks, done } = await serving(failing).stream();
    expect(done).toBe(false);
    expect(chunks.at(-1)).toEqual({
      error: { message: 'Gone.', type: 'server_error', param: null, code: 'device-lost' },
    });
    expect(chunks.at(-2)!.choices[0].delta).toEqual({ content: 'Hel' });
  });

  test('a body that is no JSON, and none at all', async () => {
    const { fetch } = serving();
    for (const body of ['{', '', '[1]', 'null']) {
      expect((await post(fetch, 'chat/completions', body)).status).toBe(400);
    }
  });
});
