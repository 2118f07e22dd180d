// Shapes and tools over servers: how each kind is asked for them, what of it is refused, and calls that are read back.
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import { z } from 'zod';
import type { Prompt } from '../../../src/engine/types';
import {
  connect,
  type RemoteChunk,
  type RemoteGenerateOptions,
  type ServerKind,
} from '../../../src/surfaces/connect';
import { createFetch } from '../../../src/surfaces/openai';
import { recorded, ReplayServer, type Reply } from '../../support/replay-server';
import { callSteps, SteppedEngine, type Step } from '../../support/stepped-engine';

let server: ReplayServer;
beforeAll(async () => {
  server = await ReplayServer.start();
});
afterAll(() => server.close());

const file = (name: string): Reply => ({ pieces: [recorded(name)] });
const CHAT = '/v1/chat/completions';
const QUESTION = [{ role: 'user', content: 'What is 3 + 4?' }];
const SCHEMA = { type: 'object', properties: { n: { type: 'integer' } }, required: ['n'] };
const TOOLS = { add: { description: 'Adds.', schema: SCHEMA } };
const TOOL_LIST = [{ type: 'function', function: { name: 'add', description: 'Adds.', parameters: SCHEMA } }];
const JSON_SCHEMA = { type: 'json_schema', json_schema: { name: 'answer', strict: true, schema: SCHEMA } };

/** A whole answer in JSON, as events of the OpenAI paths. */
const eventsOf = (text: string): Reply => ({
  pieces: [
    { delta: { content: text }, text },
    { delta: {}, finish_reason: 'stop' },
  ].map((choice) => `data: ${JSON.stringify({ choices: [choice] })}\n\n`),
});

const ROUTES = {
  [CHAT]: eventsOf('{"n":7}'),
  '/v1/completions': eventsOf('{"n":7}'),
  '/apply-template': { pieces: ['{"prompt":"User: What is 3 + 4?<|eot_id|>Assistant: "}'] },
  '/props': { pieces: ['{"chat_template":"{% if tools %}<tool_call>{% endif %}"}'] },
  '/completion': { pieces: ['{"content":"{\\"n\\":7}","tokens":[1],"stop":true,"stop_type":"eos"}'] },
};

async function sessionOf(kind: ServerKind) {
  server.play(ROUTES);
  return (
    await connect({ baseURL: `${server.origin}/v1`, server: kind, model: 'm', maxRetries: 0 })
  ).createSession();
}

/** What a server of the kind is asked with these options. */
async function asked(kind: ServerKind, options: RemoteGenerateOptions, prompt: Prompt = QUESTION) {
  const session = await sessionOf(kind);
  await session.complete(prompt, options);
  return server.asked.at(-1)!.body as Record<string, unknown>;
}

async function all<Chunk>(stream: ReadableStream<Chunk>): Promise<Chunk[]> {
  const chunks: Chunk[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks;
}

describe('a shape', () => {
  const JSON_FORMAT = { type: 'json' as const, schema: SCHEMA };
  const EBNF = 'root ::= "{\\"n\\":7}"';

  it.each<[ServerKind, RemoteGenerateOptions['responseFormat'], object]>([
    ['vllm', JSON_FORMAT, { response_format: JSON_SCHEMA }],
    ['vllm', { type: 'json' }, { response_format: { type: 'json_object' } }],
    ['vllm', { type: 'regex', pattern: '.*' }, { structured_outputs: { regex: '.*' } }],
    ['vllm', { type: 'choice', options: ['a'] }, { structured_outputs: { choice: ['a'] } }],
    ['vllm', { type: 'grammar', ebnf: EBNF }, { structured_outputs: { grammar: EBNF } }],
    ['ternion', JSON_FORMAT, { structured_outputs: { json: SCHEMA } }],
    ['ternion', { type: 'json' }, { structured_outputs: { json_object: true } }],
    ['ternion', { type: 'regex', pattern: '.*' }, { structured_outputs: { regex: '.*' } }],
    ['openai', JSON_FORMAT, { response_format: JSON_SCHEMA }],
    ['openai', { type: 'json' }, { response_format: { type: 'json_object' } }],
    ['llama-server', JSON_FORMAT, { json_schema: SCHEMA }],
    ['llama-server', { type: 'json' }, { json_schema: { type: 'object' } }],
    ['llama-server', { type: 'grammar', ebnf: EBNF }, { grammar: EBNF }],
    [
      'llama-server',
      { type: 'choice', options: ['a "b"', 'c\\d\n'] },
      { grammar: 'root ::= "a \\"b\\"" | "c\\\\d\\n"' },
    ],
  ])('is said in the words of %s: %j', async (kind, responseFormat, fields) => {
    for (const prompt of [QUESTION, 'A text'])
      expect(await asked(kind, { responseFormat }, prompt)).toMatchObject(fields);
  });

  it('gives the value of a schema, as zod has made it', async () => {
    const session = await sessionOf('vllm');
    const schema = z.object({ n: z.number().transform((n) => n + 1) });
    const answer = await session.complete(QUESTION, { responseFormat: { type: 'json', schema } });
    expect(answer.parsed).toEqual({ n: 8 });
    const { response_format } = server.asked.at(-1)!.body as { response_format: unknown };
    expect(response_format).toMatchObject({
      json_schema: { schema: { type: 'object', properties: { n: { type: 'number' } } } },
    });
  });

  it('that a server did not hold is the server’s failure', async () => {
    const session = await sessionOf('openai');
    server.play({ [CHAT]: eventsOf('Seven.') });
    const answer = session.complete(QUESTION, { responseFormat: { type: 'json' } });
    await expect(answer).rejects.toMatchObject({ code: 'server-failed' });
  });
});

describe('tools', () => {
  it.each<ServerKind>(['vllm', 'ternion', 'openai'])('are told to %s, and may be forced', async (kind) => {
    const body = await asked(kind, { tools: TOOLS, toolChoice: { name: 'add' }, parallelToolCalls: false });
    expect(body).toMatchObject({
      tools: TOOL_LIST,
      tool_choice: { type: 'function', function: { name: 'add' } },
      parallel_tool_calls: false,
    });
    expect(await asked(kind, { tools: TOOLS, toolChoice: 'required' })).toMatchObject({
      tool_choice: 'required',
    });
    const without = await asked(kind, { tools: TOOLS, toolChoice: 'none' });
    expect(without).not.toHaveProperty('tools');
    expect(without).not.toHaveProperty('tool_choice');
    // A text is no conversation, in which tools could be told; where none may be called that does not matter.
    await asked(kind, { tools: TOOLS, toolChoice: 'none' }, 'A text');
  });

  it('are called in pieces, which become one message', async () => {
    server.play({ [CHAT]: file('vllm-chat-tools.sse') });
    const engine = await connect({ baseURL: `${server.origin}/v1`, server: 'vllm', model: 'm' });
    const session = engine.createSession();
    const chunks = await all<RemoteChunk>(session.generate(QUESTION, { tools: TOOLS }));
    expect(chunks.flatMap(({ toolCalls = [] }) => toolCalls)).toEqual([
      { index: 0, id: 'chatcmpl-tool-1f', name: 'add', argumentsText: '' },
      { index: 0, argumentsText: '{"a": 3,' },
      { index: 0, argumentsText: ' "b": 4}' },
      { index: 1, id: 'chatcmpl-tool-2e', name: 'add', argumentsText: '' },
      { index: 1, argumentsText: '{"a": 1, "b": 2}' },
    ]);
    expect(chunks.flatMap(({ tokenIds }) => tokenIds)).toHaveLength(14);
    // The end token is the last one.
    expect(chunks.at(-1)).toMatchObject({ finishReason: 'tool-calls', usage: { stopReason: 128009 } });
    const toolCalls = [
      { id: 'chatcmpl-tool-1f', name: 'add', arguments: { a: 3, b: 4 } },
      { id: 'chatcmpl-tool-2e', name: 'add', arguments: { a: 1, b: 2 } },
    ];
    expect(session.messages.at(-1)).toEqual({
      role: 'assistant',
      content: 'Wait.',
      tool_calls: toolCalls.map(({ id, name, arguments: given }) => {
        return { id, type: 'function', function: { name, arguments: given } };
      }),
    });
    expect(await session.complete(QUESTION, { tools: TOOLS })).toMatchObject({ text: 'Wait.', toolCalls });
  });

  it('are called though the server says that it just stopped, and with a name in every piece', async () => {
    const piece = (text: string, more: object = {}) => ({
      delta: { tool_calls: [{ ...more, function: { name: 'add', arguments: text } }] },
    });
    const choices = [piece('{"n":', { id: 'c1' }), piece('7}'), { delta: {}, finish_reason: 'stop' }];
    const session = await sessionOf('openai');
    server.play({
      [CHAT]: { pieces: choices.map((choice) => `data: ${JSON.stringify({ choices: [choice] })}\n\n`) },
    });
    const answer = await session.complete(QUESTION, { tools: TOOLS, toolChoice: 'required' });
    expect(answer).toMatchObject({
      finishReason: 'tool-calls',
      toolCalls: [{ id: 'c1', name: 'add', arguments: { n: 7 } }],
    });
  });

  it('are found in what llama-server sends as text', async () => {
    const session = await sessionOf('llama-server');
    const call = '<tool_call>{"name": "add", "arguments": {"n": 7}}</tool_call>';
    const events = ['Wait.', call.slice(0, 20), call.slice(20), ''].map((content, i) => {
      return { content, tokens: [i], stop: i === 3, stop_type: 'eos' };
    });
    server.play({
      ...ROUTES,
      '/completion': { pieces: events.map((event) => `data: ${JSON.stringify(event)}\n\n`) },
    });
    const chunks = await all<RemoteChunk>(session.generate(QUESTION, { tools: TOOLS }));
    expect(server.asked.find(({ path }) => path === '/apply-template')!.body).toMatchObject({
      tools: TOOL_LIST,
    });
    expect(chunks.map(({ text }) => text).join('')).toBe('Wait.');
    expect(chunks.flatMap(({ toolCalls = [] }) => toolCalls)).toEqual([
      { index: 0, id: expect.any(String) as string, name: 'add', argumentsText: '{"n": 7}' },
    ]);
    expect(chunks.at(-1)).toMatchObject({ finishReason: 'tool-calls' });
  });

  it('are refused where llama-server’s template knows none', async () => {
    const session = await sessionOf('llama-server');
    server.play({ ...ROUTES, '/props': { pieces: ['{"chat_template":"{{ messages }}"}'] } });
    await expect(session.complete(QUESTION, { tools: TOOLS })).rejects.toMatchObject({
      code: 'unsupported-feature',
    });
  });
});

describe('tokens', () => {
  it('are allowed by vLLM, and banned by a bias everywhere', async () => {
    expect(await asked('vllm', { allowedTokens: [1, 2] })).toMatchObject({ allowed_token_ids: [1, 2] });
    const banned = { bannedTokens: [5], logitBias: { 5: 3, 7: 1 } };
    for (const kind of ['vllm', 'ternion', 'openai'] as const)
      expect(await asked(kind, banned)).toMatchObject({ logit_bias: { 5: -100, 7: 1 } });
    expect(await asked('llama-server', banned)).toMatchObject({
      logit_bias: [
        [5, -100],
        [7, 1],
      ],
    });
  });
});

test.each<[ServerKind, string, RemoteGenerateOptions, Prompt?]>([
  ['openai', "options.responseFormat of type 'regex'", { responseFormat: { type: 'regex', pattern: 'a' } }],
  [
    'openai',
    "options.responseFormat of type 'choice'",
    { responseFormat: { type: 'choice', options: ['a'] } },
  ],
  [
    'openai',
    "options.responseFormat of type 'grammar'",
    { responseFormat: { type: 'grammar', ebnf: 'root ::= "a"' } },
  ],
  [
    'llama-server',
    "options.responseFormat of type 'regex'",
    { responseFormat: { type: 'regex', pattern: 'a' } },
  ],
  ['openai', 'options.allowedTokens', { allowedTokens: [1] }],
  ['ternion', 'options.allowedTokens', { allowedTokens: [1] }],
  ['llama-server', 'options.allowedTokens', { allowedTokens: [1] }],
  ['llama-server', 'options.toolChoice', { tools: TOOLS, toolChoice: 'required' }],
  ['llama-server', 'options.parallelToolCalls', { tools: TOOLS, parallelToolCalls: false }],
  ['llama-server', 'options.tools', { tools: TOOLS }, 'A text'],
  ['vllm', 'options.tools', { tools: TOOLS }, 'A text'],
])('%s cannot be asked for %s, and nothing is sent', async (kind, what, options, prompt = QUESTION) => {
  const session = await sessionOf(kind);
  await expect(session.complete(prompt, options)).rejects.toMatchObject({
    code: 'invalid-argument',
    message: expect.stringContaining(what) as string,
  });
  expect(server.asked).toEqual([]);
});

test('no server can be given a processor of logits', async () => {
  const session = await sessionOf('vllm');
  const given = { logitsProcessor: { url: 'https://example.com/processor.js' } } as RemoteGenerateOptions;
  await expect(session.complete(QUESTION, given)).rejects.toMatchObject({ code: 'invalid-argument' });
});

test('no server can be told the tokens that an answer begins with', async () => {
  const session = await sessionOf('vllm');
  const given = { beginsWith: [1] } as RemoteGenerateOptions;
  await expect(session.complete(QUESTION, given)).rejects.toMatchObject({ code: 'invalid-argument' });
});

describe('Ternion’s own server', () => {
  /** An engine behind the API, and one in front of it. */
  async function serving(...steps: Step[]) {
    const behind = new SteppedEngine(() => steps, { toolCalls: 'hermes' });
    const options = { baseURL: 'http://local/v1', fetch: createFetch(behind) };
    const engine = await connect({ ...options, server: 'ternion', model: 'm' });
    return { behind, session: engine.createSession() };
  }

  it.each<NonNullable<RemoteGenerateOptions['responseFormat']>>([
    { type: 'json', schema: SCHEMA },
    { type: 'json' },
    { type: 'regex', pattern: '.*' },
    { type: 'choice', options: ['{}'] },
    { type: 'grammar', ebnf: 'root ::= "{}"' },
  ])(
    'holds answers to what is asked for here, and leaves the prompt as it is: %j',
    async (responseFormat) => {
      const { behind, session } = await serving('{}');
      await session.complete(QUESTION, { responseFormat });
      await session.complete('A text', { responseFormat });
      for (const { options } of behind.requests) expect(options.responseFormat).toEqual(responseFormat);
      // Each prompt is evaluated for its ids first.
      const answered = behind.requests.filter(({ options }) => options.maxTokens !== 0);
      expect(answered.map(({ prompt }) => prompt)).toEqual([QUESTION, 'A text']);
    },
  );

  it('calls tools in the same pieces', async () => {
    const steps = callSteps(0, 'add', { n: 7 });
    const { behind, session } = await serving('Wait.', ...steps);
    const chunks = await all<RemoteChunk>(
      session.generate(QUESTION, { tools: TOOLS, toolChoice: 'required' }),
    );
    expect(behind.requests[0]!.options).toMatchObject({ tools: TOOLS, toolChoice: 'required' });
    expect(chunks.flatMap(({ toolCalls = [] }) => toolCalls)).toEqual(
      steps.flatMap((step) => (typeof step === 'object' && 'call' in step ? [step.call] : [])),
    );
    expect(chunks.at(-1)?.finishReason).toBe('tool-calls');
  });
});
