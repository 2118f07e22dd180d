// The helpers of OpenAI's client that read answers of a given shape, as they are, in front of an engine that says what it is told to.
import OpenAI from 'openai';
import { zodFunction, zodResponseFormat, zodResponsesFunction, zodTextFormat } from 'openai/helpers/zod';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { createFetch } from '../../../../src/surfaces/openai';
import { callSteps, SteppedEngine, type Step } from '../../../support/stepped-engine';

const MESSAGES = [{ role: 'user' as const, content: 'Who?' }];
const Person = z.object({ name: z.string(), age: z.number() });
const ADA = { name: 'Ada', age: 36 };

/** Says the steps of one answer after the other. */
function serving(...answers: Step[][]) {
  let answered = 0;
  const engine = new SteppedEngine(() => answers[answered++ % answers.length]!, { toolCalls: 'hermes' });
  const client = new OpenAI({ fetch: createFetch(engine), apiKey: 'local', dangerouslyAllowBrowser: true });
  return { engine, client };
}

const PIECES = ['{"name": ', '"Ada", "age": 36}'];
const SCHEMA = {
  type: 'object',
  properties: { name: { type: 'string' }, age: { type: 'number' } },
  required: ['name', 'age'],
  additionalProperties: false,
};

describe('chat completions', () => {
  test('parse gives the value of a zod schema', async () => {
    const { engine, client } = serving(PIECES);
    const response_format = zodResponseFormat(Person, 'person');
    const completion = await client.chat.completions.parse({
      model: 'm',
      messages: MESSAGES,
      response_format,
    });
    expect(completion.choices[0]!.message.parsed).toEqual(ADA);
    expect(engine.requests[0]!.options.responseFormat).toMatchObject({ type: 'json', schema: SCHEMA });
  });

  test('stream gives it too, and pieces of it before', async () => {
    const { client } = serving(PIECES);
    const response_format = zodResponseFormat(Person, 'person');
    const stream = client.chat.completions.stream({ model: 'm', messages: MESSAGES, response_format });
    const partial: unknown[] = [];
    stream.on('content.delta', ({ parsed }) => partial.push(parsed));
    const completion = await stream.finalChatCompletion();
    expect(completion.choices[0]!.message.parsed).toEqual(ADA);
    expect(partial.at(-1)).toEqual(ADA);
  });

  test('parse reads the arguments of calls', async () => {
    const { engine, client } = serving(callSteps(0, 'save', ADA));
    const tools = [zodFunction({ name: 'save', parameters: Person })];
    const tool_choice = { type: 'function' as const, function: { name: 'save' } };
    const completion = await client.chat.completions.parse({
      model: 'm',
      messages: MESSAGES,
      tools,
      tool_choice,
    });
    expect(completion.choices[0]!.message.tool_calls).toMatchObject([
      { function: { parsed_arguments: ADA } },
    ]);
    expect(engine.requests[0]!.options).toMatchObject({
      tools: { save: { schema: SCHEMA } },
      toolChoice: { name: 'save' },
    });
  });

  test('the stream helper puts the arguments of two calls together', async () => {
    const { client } = serving([
      'Wait.',
      ...callSteps(0, 'save', ADA),
      ...callSteps(1, 'save', { name: 'Bo' }),
    ]);
    const tools = [{ type: 'function' as const, function: { name: 'save', parameters: SCHEMA } }];
    const stream = client.chat.completions.stream({ model: 'm', messages: MESSAGES, tools });
    const completion = await stream.finalChatCompletion();
    const { message, finish_reason } = completion.choices[0]!;
    expect(finish_reason).toBe('tool_calls');
    expect(message.content).toBe('Wait.');
    expect(message.tool_calls!.map((call) => call.type === 'function' && call.function.arguments)).toEqual([
      '{"name":"Ada","age":36}',
      '{"name":"Bo"}',
    ]);
  });

  test.each([true, false])('runTools runs what the model calls; streaming: %s', async (stream) => {
    const { engine, client } = serving(callSteps(0, 'age', { of: 'Ada' }), ['36.']);
    const asked: unknown[] = [];
    const age = {
      type: 'function' as const,
      function: {
        name: 'age',
        description: 'The age of somebody.',
        parameters: { type: 'object', properties: { of: { type: 'string' } } },
        parse: (text: string) => JSON.parse(text) as { of: string },
        function: ({ of }: { of: string }) => {
          asked.push(of);
          return '36';
        },
      },
    };
    const body = { model: 'm', messages: MESSAGES, tools: [age] };
    const runner = stream
      ? client.chat.completions.runTools({ ...body, stream })
      : client.chat.completions.runTools(body);
    expect(await runner.finalContent()).toBe('36.');
    expect(asked).toEqual(['Ada']);
    expect(engine.requests[1]!.prompt).toMatchObject([
      MESSAGES[0],
      { role: 'assistant', tool_calls: [{ id: 'call_0', function: { arguments: { of: 'Ada' } } }] },
      { role: 'tool', tool_call_id: 'call_0', content: '36' },
    ]);
  });
});

describe('responses', () => {
  test('parse gives the value of a zod schema', async () => {
    const { engine, client } = serving(PIECES);
    const text = { format: zodTextFormat(Person, 'person') };
    const response = await client.responses.parse({ model: 'm', input: 'Who?', text });
    expect(response.output_parsed).toEqual(ADA);
    expect(engine.requests[0]!.options.responseFormat).toMatchObject({ type: 'json', schema: SCHEMA });
  });

  test('stream gives it too', async () => {
    const { client } = serving(PIECES);
    const text = { format: zodTextFormat(Person, 'person') };
    const stream = client.responses.stream({ model: 'm', input: 'Who?', text });
    expect((await stream.finalResponse()).output_parsed).toEqual(ADA);
  });

  test('parse reads the arguments of calls', async () => {
    const { engine, client } = serving([...callSteps(0, 'save', ADA)]);
    const tools = [zodResponsesFunction({ name: 'save', parameters: Person })];
    const tool_choice = { type: 'function' as const, name: 'save' };
    const response = await client.responses.parse({ model: 'm', input: 'Who?', tools, tool_choice });
    expect(response.output).toMatchObject([
      { type: 'function_call', call_id: 'call_0', status: 'completed', parsed_arguments: ADA },
    ]);
    expect(engine.requests[0]!.options.toolChoice).toEqual({ name: 'save' });
  });

  test('a call that was cut is incomplete', async () => {
    const { client } = serving(callSteps(0, 'save', ADA));
    const tools = [{ type: 'function' as const, name: 'save', parameters: SCHEMA, strict: false }];
    const response = await client.responses.create({
      model: 'm',
      input: 'Who?',
      tools,
      max_output_tokens: 2,
    });
    expect(response.status).toBe('incomplete');
    expect(response.output).toMatchObject([
      { type: 'function_call', status: 'incomplete', arguments: '{"na' },
    ]);
  });
});
