// What an answer is to be held to, in every field that can say so: what the engine is asked for, what the model is told, and how
// a refusal looks.
import { describe, expect, test } from 'vitest';
import { TernionError } from '../../../../src/errors';
import { createFetch } from '../../../../src/surfaces/openai';
import { jsonOf, post, postJson, streamed } from '../../../support/api-requests';
import { SteppedEngine, type Step } from '../../../support/stepped-engine';
import { until } from '../../../support/wait';

const MESSAGES = [{ role: 'user', content: 'Hi' }];
const SCHEMA = { type: 'object', properties: { n: { type: 'integer' } }, required: ['n'] };

function serving(steps: Step[] = ['{}'], options = {}) {
  const engine = new SteppedEngine(() => steps, { toolCalls: 'hermes' });
  const fetch = createFetch(engine, options);
  const chat = (fields: object) => postJson(fetch, 'chat/completions', { messages: MESSAGES, ...fields });
  return { engine, fetch, chat };
}

/** What the engine is asked for with these fields of a chat request. */
async function askedFor(fields: object) {
  const { engine, chat } = serving();
  const { status, json } = await chat(fields);
  expect(json).not.toHaveProperty('error');
  expect(status).toBe(200);
  const { prompt, options } = engine.requests[0]!;
  return { prompt, format: options.responseFormat };
}

describe("OpenAI's response_format", () => {
  test('holds the answer to a schema, and tells the model of it with its name', async () => {
    const json_schema = { name: 'count', description: 'A count.', strict: true, schema: SCHEMA };
    const { prompt, format } = await askedFor({ response_format: { type: 'json_schema', json_schema } });
    expect(format).toEqual({ type: 'json', schema: SCHEMA });
    expect(prompt).toEqual([
      {
        role: 'system',
        content:
          `JSON schema of count (A count.):\n${JSON.stringify(SCHEMA)}\n` +
          'Answer with JSON that matches this schema, and with nothing else.',
      },
      MESSAGES[0],
    ]);
  });

  test('is told at the end of a system message that is there', async () => {
    const words = 'Answer with a JSON object, and with nothing else.';
    const contents: [unknown, unknown][] = [
      ['Be brief.', `Be brief.\n\n${words}`],
      [
        [{ type: 'text', text: 'Be brief.' }],
        [
          { type: 'text', text: 'Be brief.' },
          { type: 'text', text: words },
        ],
      ],
    ];
    for (const [content, told] of contents) {
      const messages = [{ role: 'system', content }, ...MESSAGES];
      const { prompt, format } = await askedFor({ messages, response_format: { type: 'json_object' } });
      expect(format).toEqual({ type: 'json' });
      expect(prompt).toEqual([{ role: 'system', content: told }, ...MESSAGES]);
    }
  });

  test('may have a schema for json_object, as llama-server has it', async () => {
    const { format } = await askedFor({ response_format: { type: 'json_object', schema: SCHEMA } });
    expect(format).toEqual({ type: 'json', schema: SCHEMA });
  });

  test('is text.format in responses, which repeat it', async () => {
    const { engine, fetch } = serving();
    const format = { type: 'json_schema', name: 'count', schema: SCHEMA };
    const { json } = await postJson(fetch, 'responses', { input: 'Hi', text: { format, verbosity: 'low' } });
    expect(engine.requests[0]!.options.responseFormat).toEqual({ type: 'json', schema: SCHEMA });
    expect(engine.requests[0]!.prompt).toHaveLength(2);
    expect(json).toMatchObject({ text: { format } });
  });
});

describe('the fields of other servers', () => {
  test.each<[object, object]>([
    [{ guided_json: SCHEMA }, { type: 'json', schema: SCHEMA }],
    [{ guided_json: JSON.stringify(SCHEMA) }, { type: 'json', schema: SCHEMA }],
    [{ guided_regex: '[a-z]+' }, { type: 'regex', pattern: '[a-z]+' }],
    [{ guided_choice: ['a', 'b'] }, { type: 'choice', options: ['a', 'b'] }],
    [{ guided_grammar: 'root ::= "a"' }, { type: 'grammar', ebnf: 'root ::= "a"' }],
    [{ structured_outputs: { json: SCHEMA } }, { type: 'json', schema: SCHEMA }],
    [{ structured_outputs: { regex: 'a' } }, { type: 'regex', pattern: 'a' }],
    [{ structured_outputs: { choice: ['a'] } }, { type: 'choice', options: ['a'] }],
    [{ structured_outputs: { grammar: 'root ::= "a"' } }, { type: 'grammar', ebnf: 'root ::= "a"' }],
    [{ structured_outputs: { json_object: true } }, { type: 'json' }],
    [{ json_schema: SCHEMA }, { type: 'json', schema: SCHEMA }],
    [{ grammar: 'root ::= "a"' }, { type: 'grammar', ebnf: 'root ::= "a"' }],
  ])('%j holds the answer, and leaves the prompt as it is', async (fields, wanted) => {
    const { prompt, format } = await askedFor(fields);
    expect(format).toEqual(wanted);
    expect(prompt).toEqual(MESSAGES);
    const { engine, fetch } = serving();
    await postJson(fetch, 'completions', { prompt: 'x', ...fields });
    expect(engine.requests[0]!.options.responseFormat).toEqual(wanted);
  });

  test('ask for nothing where they are empty', async () => {
    for (const fields of [{ grammar: '' }, { structured_outputs: {} }, { guided_json: null }])
      expect((await askedFor(fields)).format).toBeUndefined();
  });
});

describe('a shape that the engine refuses', () => {
  const FAILURE = new TernionError(
    'unsupported-feature',
    "The keyword 'not' at /properties/n is not enforced.",
  );
  const json_schema = { name: 'count', schema: SCHEMA };
  const tool = (name: string) => ({ type: 'function', function: { name, parameters: SCHEMA } });

  test.each<[string, string, string, object]>([
    [
      'chat/completions',
      'response_format',
      'invalid_json_schema',
      { messages: MESSAGES, response_format: { type: 'json_schema', json_schema } },
    ],
    [
      'responses',
      'text.format.schema',
      'invalid_json_schema',
      { input: 'Hi', text: { format: { type: 'json_schema', ...json_schema } } },
    ],
    ['completions', 'guided_regex', 'unsupported-feature', { prompt: 'x', guided_regex: 'a' }],
    [
      'chat/completions',
      'tools[0].function.parameters',
      'invalid_function_parameters',
      { messages: MESSAGES, tools: [tool('add')] },
    ],
    [
      'responses',
      'tools[0].parameters',
      'invalid_function_parameters',
      { input: 'Hi', tools: [{ type: 'function', name: 'add', parameters: SCHEMA }] },
    ],
    // The engine's message names neither.
    [
      'chat/completions',
      'tools',
      'invalid_function_parameters',
      { messages: MESSAGES, tools: [tool('add'), tool('subtract')] },
    ],
  ])('of %s is 400 and names %s, streamed or not', async (path, param, code, fields) => {
    for (const stream of [false, true]) {
      const response = await post(serving([{ fail: FAILURE }]).fetch, path, { ...fields, stream });
      expect(response.status).toBe(400);
      expect(response.headers.get('x-should-retry')).toBe('false');
      expect((await jsonOf(response)).error).toEqual({
        message: FAILURE.message,
        type: 'invalid_request_error',
        param,
        code,
      });
    }
  });

  test('is told by its name where the message has that of one tool', async () => {
    const failure = new TernionError(
      'invalid-argument',
      'options.tools.subtract.schema: additionalProperties is too deep.',
    );
    const { json } = await serving([{ fail: failure }]).chat({ tools: [tool('add'), tool('subtract')] });
    expect(json.error.param).toBe('tools[1].function.parameters');
  });

  test('is no fault of fields that asked for no shape', async () => {
    const { json } = await serving([{ fail: FAILURE }]).chat({});
    expect(json.error).toMatchObject({ param: null, code: 'unsupported-feature' });
  });

  test('that is nested too deeply to be told is refused before', async () => {
    const { engine, fetch } = serving();
    const depth = 100_000;
    const schema = '{"not":'.repeat(depth) + '{}' + '}'.repeat(depth);
    const body = `{"messages":[{"role":"user","content":""}],"response_format":{"type":"json_object","schema":${schema}}}`;
    const response = await post(fetch, 'chat/completions', body);
    expect(response.status).toBe(400);
    expect((await jsonOf(response)).error.param).toBe('response_format');
    expect(engine.requests).toEqual([]);
  });
});

describe('a stream that may be refused', () => {
  const FIELDS = { messages: MESSAGES, stream: true, response_format: { type: 'json_object' } };

  test('has the same events as any other', async () => {
    const { chunks, done } = await streamed(
      await post(serving(['{', '}']).fetch, 'chat/completions', FIELDS),
    );
    expect(done).toBe(true);
    const deltas = chunks.map((chunk) => chunk.choices[0].delta);
    expect(deltas).toEqual([{ role: 'assistant', content: '' }, { content: '{' }, { content: '}' }, {}]);
  });

  test('sends its headers without an event if that takes long, and pings then', async () => {
    let go = (): void => {};
    const wait = new Promise<void>((resolve) => (go = resolve));
    const { fetch } = serving([{ wait }, '{}'], { pingInterval: 5 });
    const response = await post(fetch, 'chat/completions', FIELDS);
    expect(response.status).toBe(200);
    const reader = response.body!.getReader();
    expect(new TextDecoder().decode((await reader.read()).value)).toBe(': ping\n\n');
    go();
    let text = '';
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      text += new TextDecoder().decode(value);
    }
    expect(text).toContain('data: [DONE]');
  });

  test('that is cancelled before anything was read of it frees its session', async () => {
    const { engine, fetch } = serving(
      Array.from({ length: 300 }, () => 'x'),
      { sessions: 1 },
    );
    const response = await post(fetch, 'chat/completions', FIELDS);
    await response.body!.cancel();
    // There is one session, so this waits for it.
    const { status } = await postJson(fetch, 'chat/completions', { messages: MESSAGES, max_tokens: 1 });
    expect(status).toBe(200);
    expect(engine.steps).toBeLessThan(300);
  });

  test('rejects with the reason of a signal that fires before its first event', async () => {
    const { engine, fetch } = serving([{ wait: new Promise(() => {}) }]);
    const left = new AbortController();
    const asked = fetch('http://local/v1/chat/completions', {
      method: 'POST',
      body: JSON.stringify(FIELDS),
      signal: left.signal,
    });
    const refused = expect(asked).rejects.toMatchObject({ name: 'AbortError' });
    await until(() => engine.requests.length === 1);
    left.abort();
    await refused;
    await engine.queue.enter(AbortSignal.timeout(60_000));
  });
});
