// The unmodified client of OpenAI in front of an engine that says what it is told to.
import OpenAI, { APIError, BadRequestError, NotFoundError } from 'openai';
import { describe, expect, test } from 'vitest';
import { TernionError } from '../../../../src/errors';
import { createFetch, type Fetch } from '../../../../src/surfaces/openai';
import { callSteps, SteppedEngine, type Step } from '../../../support/stepped-engine';

const MESSAGES = [{ role: 'user' as const, content: 'Hi' }];
const TOOL_CALL = callSteps(0, 'add', { a: 3, b: 4 });
const SCHEMA = { type: 'object', properties: { a: { type: 'number' }, b: { type: 'number' } } };

function clientOf(fetch: Fetch): OpenAI {
  return new OpenAI({ fetch, apiKey: 'local', dangerouslyAllowBrowser: true });
}

/** Says the steps of one answer after the other. */
function serving(...answers: Step[][]) {
  let answered = 0;
  const engine = new SteppedEngine(() => answers[answered++ % answers.length]!, { toolCalls: 'hermes' });
  return { engine, client: clientOf(createFetch(engine)) };
}

describe('chat completions', () => {
  test('whole', async () => {
    const { client } = serving(['Hel', 'lo']);
    const completion = await client.chat.completions.create({ model: 'm', messages: MESSAGES });
    expect(completion.choices[0]!.message.content).toBe('Hello');
  });

  test('streamed, and stopped amid it', async () => {
    const { engine, client } = serving(Array.from({ length: 300 }, () => 'x'));
    const stream = await client.chat.completions.create({ model: 'm', messages: MESSAGES, stream: true });
    let text = '';
    for await (const { choices } of stream) {
      text += choices[0]!.delta.content ?? '';
      if (text.length === 5) break;
    }
    expect(text).toBe('xxxxx');
    await engine.queue.enter(AbortSignal.timeout(5000));
    expect(engine.steps).toBeLessThanOrEqual(6);
  });

  test('with tools that the client runs, through its stream helper', async () => {
    const { engine, client } = serving(TOOL_CALL, ['It is ', '7.']);
    const runner = client.chat.completions.runTools({
      model: 'm',
      messages: MESSAGES,
      stream: true,
      tools: [
        {
          type: 'function',
          function: {
            name: 'add',
            description: 'Adds',
            parameters: SCHEMA,
            parse: (text: string) => JSON.parse(text) as { a: number; b: number },
            function: ({ a, b }: { a: number; b: number }) => String(a + b),
          },
        },
      ],
    });
    expect(await runner.finalContent()).toBe('It is 7.');
    expect(engine.requests[1]!.prompt).toEqual([
      MESSAGES[0],
      expect.objectContaining({
        role: 'assistant',
        tool_calls: [expect.objectContaining({ function: { name: 'add', arguments: { a: 3, b: 4 } } })],
      }),
      expect.objectContaining({ role: 'tool', content: '7' }),
    ]);
  });
});

test('plain completions', async () => {
  const { client } = serving(['a', 'b']);
  const completion = await client.completions.create({ model: 'm', prompt: 'x' });
  expect(completion.choices[0]!.text).toBe('ab');
});

describe('responses', () => {
  test('whole', async () => {
    const { engine, client } = serving([{ reasoning: 'hm' }, 'Hel', 'lo']);
    const response = await client.responses.create({ model: 'm', instructions: 'Be brief.', input: 'Hi' });
    expect(response.output_text).toBe('Hello');
    expect(response).toMatchObject({ status: 'completed', store: false, instructions: 'Be brief.' });
    expect(response.output.map(({ type }) => type)).toEqual(['reasoning', 'message']);
    expect(response.usage).toMatchObject({
      output_tokens: 4,
      output_tokens_details: { reasoning_tokens: 1 },
    });
    expect(engine.requests[0]!.prompt).toEqual([
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'Hi' },
    ]);
  });

  test('as events, in the order of the API, numbered, which add up to the response', async () => {
    const { client } = serving([{ reasoning: 'hm' }, 'Hel', 'lo', ...TOOL_CALL]);
    const tools = [{ type: 'function' as const, name: 'add', parameters: SCHEMA, strict: false }];
    const stream = client.responses.stream({ model: 'm', input: 'Hi', tools });
    const types: string[] = [];
    const numbers: number[] = [];
    stream.on('event', ({ type, sequence_number }) => {
      types.push(type);
      numbers.push(sequence_number);
    });
    const response = await stream.finalResponse();
    const item = (...middle: string[]): string[] => ['output_item.added', ...middle, 'output_item.done'];
    const part = (kind: string, deltas: number): string[] => [
      'content_part.added',
      ...Array.from({ length: deltas }, () => `${kind}.delta`),
      `${kind}.done`,
      'content_part.done',
    ];
    expect(types).toEqual(
      [
        'created',
        'in_progress',
        ...item(...part('reasoning_text', 1)),
        ...item(...part('output_text', 2)),
        ...item(
          'function_call_arguments.delta',
          'function_call_arguments.delta',
          'function_call_arguments.done',
        ),
        'completed',
      ].map((type) => `response.${type}`),
    );
    expect(numbers).toEqual(types.map((_, i) => i));
    expect(response.output_text).toBe('Hello');
    expect(response.output[2]).toMatchObject({
      type: 'function_call',
      name: 'add',
      arguments: '{"a":3,"b":4}',
    });
  });

  test('go on from their own output', async () => {
    const { engine, client } = serving([{ reasoning: 'hm' }, 'Hello', ...TOOL_CALL]);
    const tools = [{ type: 'function' as const, name: 'add', parameters: SCHEMA, strict: false }];
    const { output } = await client.responses.create({ model: 'm', input: 'Hi', tools });
    const call = output.find((each) => each.type === 'function_call')!;
    const result = { type: 'function_call_output' as const, call_id: call.call_id, output: '7' };
    // What comes out goes in again as it is, but for what is only in the type of one of the two.
    const input = [{ role: 'user' as const, content: 'Hi' }, ...output, result];
    await client.responses.create({ model: 'm', input: input as OpenAI.Responses.ResponseInput });
    expect(engine.requests[1]!.prompt).toEqual([
      { role: 'user', content: 'Hi' },
      {
        role: 'assistant',
        content: [{ type: 'text', text: 'Hello' }],
        reasoning_content: 'hm',
        tool_calls: [
          { id: call.call_id, type: 'function', function: { name: 'add', arguments: { a: 3, b: 4 } } },
        ],
      },
      { role: 'tool', tool_call_id: call.call_id, content: '7' },
    ]);
  });

  test('are incomplete where the budget ends, and drop the middle where asked to', async () => {
    const { engine, client } = serving(['a', 'b', 'c']);
    const fields = { model: 'm', input: 'Hi', max_output_tokens: 2, truncation: 'auto' as const };
    const response = await client.responses.create(fields);
    expect(response).toMatchObject({
      status: 'incomplete',
      incomplete_details: { reason: 'max_output_tokens' },
    });
    expect(engine.requests[0]!.options).toEqual(
      expect.objectContaining({ maxTokens: 2, contextOverflow: 'truncate-middle', temperature: 1 }),
    );
  });

  test.each([
    ['previous_response_id', { previous_response_id: 'resp_1' }],
    ['background', { background: true }],
    ['include', { include: ['reasoning.encrypted_content'] }],
    ['text.format', { text: { format: { type: 'xml' } } }],
    ['text.format.schema', { text: { format: { type: 'json_schema', name: 'x' } } }],
    ['tool_choice', { tool_choice: { type: 'function', name: 'add' } }],
    ['tool_choice', { tool_choice: { type: 'allowed_tools', mode: 'auto', tools: [] } }],
    ['input', { input: [] }],
    ['input[0].type', { input: [{ type: 'item_reference', id: 'x' }] }],
    ['input[0].content[0]', { input: [{ role: 'user', content: [{ type: 'input_image' }] }] }],
    ['tools[0]', { tools: [{ type: 'web_search' }] }],
    ['conversation', { conversation: 'c' }],
    ['truncation', { truncation: 'middle' }],
  ])('refuse %s', async (param, fields) => {
    const { client } = serving(['x']);
    const body = { model: 'm', input: 'Hi', ...fields } as OpenAI.Responses.ResponseCreateParamsNonStreaming;
    await expect(client.responses.create(body)).rejects.toMatchObject({ status: 400, param });
  });

  test('fail amid their events', async () => {
    const { client } = serving(['a', { fail: new TernionError('device-lost', 'Gone.') }]);
    const stream = await client.responses.create({ model: 'm', input: 'Hi', stream: true });
    const drained = (async () => {
      for await (const event of stream) expect(event.type).toMatch(/^response\./);
    })();
    await expect(drained).rejects.toThrow('Gone.');
  });
});

describe('errors', () => {
  test('have the classes of the client, and are not tried again', async () => {
    const { engine, client } = serving([{ fail: new TernionError('internal', 'It failed.') }]);
    const ask = client.chat.completions.create({ model: 'm', messages: MESSAGES });
    await expect(ask).rejects.toMatchObject({ status: 500, code: 'internal', message: '500 It failed.' });
    expect(engine.requests).toHaveLength(1);
    const wrong = { model: 'm', messages: MESSAGES, temperature: 9 };
    await expect(client.chat.completions.create(wrong)).rejects.toBeInstanceOf(BadRequestError);
  });

  test('amid a stream are thrown to its reader', async () => {
    const { client } = serving(['a', { fail: new TernionError('device-lost', 'Gone.') }]);
    const stream = await client.chat.completions.create({ model: 'm', messages: MESSAGES, stream: true });
    const drained = (async () => {
      for await (const chunk of stream) expect(chunk.choices).toHaveLength(1);
    })();
    await expect(drained).rejects.toThrow(APIError);
  });
});

describe('models', () => {
  test('one engine is listed by its name, and answers to any', async () => {
    const { client } = serving(['x']);
    const { data } = await client.models.list();
    expect(data).toEqual([
      { id: 'scripted', object: 'model', created: expect.any(Number) as number, owned_by: 'ternion' },
    ]);
    expect((await client.models.retrieve('scripted')).id).toBe('scripted');
    await expect(client.models.retrieve('other')).rejects.toBeInstanceOf(NotFoundError);
  });

  test('a function chooses among engines', async () => {
    const engines = new Map(
      ['small', 'owner/large'].map((name) => [name, new SteppedEngine(() => [name], { name })] as const),
    );
    const client = clientOf(
      createFetch(async (model) => engines.get(model), { models: [...engines.keys()] }),
    );
    expect((await client.models.retrieve('owner/large')).id).toBe('owner/large');
    const ask = (model: string) => client.chat.completions.create({ model, messages: MESSAGES });
    for (const name of engines.keys()) expect((await ask(name)).choices[0]!.message.content).toBe(name);
    await expect(ask('none')).rejects.toMatchObject({ status: 404, code: 'model_not_found', param: 'model' });
    expect((await client.models.list()).data.map(({ id }) => id)).toEqual(['small', 'owner/large']);
  });
});

test('options that cannot be used are refused', () => {
  const engine = new SteppedEngine(() => []);
  for (const options of [{ sessions: 0 }, { sessions: 1.5 }, { pingInterval: 0 }, { pingInterval: NaN }]) {
    expect(() => createFetch(engine, options)).toThrow(TernionError);
  }
});

test('other paths and methods are refused', async () => {
  const fetch = createFetch(new SteppedEngine(() => []));
  expect((await fetch('http://local/v1/embeddings', { method: 'POST' })).status).toBe(404);
  expect((await fetch('http://local/')).status).toBe(404);
  expect((await fetch('http://local/v1/chat/completions')).status).toBe(405);
  expect((await fetch('http://local/v1/models', { method: 'POST' })).status).toBe(405);
});
