// Engines over servers: what vLLM and others answer becomes the chunks of a local engine, at every cut of the bytes.
// Answers that a real llama-server gave are in connect-recorded.test.ts.
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import {
  connect,
  loadOrConnect,
  type ConnectOptions,
  type RemoteAnswer,
  type RemoteChunk,
  type RemoteEngine,
  type WithIds,
} from '../../../src/surfaces/connect';
import { expectFailure } from '../../support/expect-failure';
import { recorded, ReplayServer, type Reply } from '../../support/replay-server';
import { sleep, until } from '../../support/wait';

let server: ReplayServer;
beforeAll(async () => {
  server = await ReplayServer.start();
});
afterAll(() => server.close());

const file = (name: string): Reply => ({ pieces: [recorded(name)] });
const CHAT = '/v1/chat/completions';
const QUESTION = [{ role: 'user', content: 'What is 3 + 4?' }];

const VLLM = { '/v1/models': file('vllm-models.json'), [CHAT]: file('vllm-chat.sse') };
const OPENAI = { '/v1/models': file('openai-models.json'), [CHAT]: file('openai-chat.sse') };

const options = (more: Partial<ConnectOptions> = {}): ConnectOptions => ({
  baseURL: `${server.origin}/v1`,
  maxRetries: 0,
  ...more,
});

function vllm(more: Partial<ConnectOptions> = {}): Promise<RemoteEngine<WithIds>> {
  return connect({ ...options(more), server: 'vllm', model: 'bitnet' });
}

async function all<Chunk>(stream: ReadableStream<Chunk>): Promise<Chunk[]> {
  const chunks: Chunk[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks;
}

const fetchOf = (answer: () => Promise<Response>): typeof fetch => answer;

/** A body that arrives in these pieces. */
function streamOf(pieces: readonly Buffer[]): ReadableStream<Uint8Array<ArrayBuffer>> {
  const left = pieces.map((piece) => Uint8Array.from(piece));
  return new ReadableStream({
    pull(controller) {
      const piece = left.shift();
      if (piece) controller.enqueue(piece);
      else controller.close();
    },
  });
}

/** What was asked of a path, the last time. */
const body = (path: string): unknown => server.asked.findLast((asked) => asked.path === path)?.body;

describe('vLLM', () => {
  it('streams text, reasoning and ids, and says how the answer ended', async () => {
    server.play(VLLM);
    const engine = await connect(options({ apiKey: 'secret', headers: { 'x-team': 'a' } }));
    expect(engine.info).toEqual({
      kind: 'vllm',
      baseURL: `${server.origin}/v1`,
      model: 'microsoft/bitnet-b1.58-2B-4T',
      contextLength: 4096,
    });
    const chunks = await all<RemoteChunk>(engine.createSession().generate(QUESTION, { seed: 7, topK: 40 }));
    expect(chunks.map(({ text }) => text).join('')).toBe('7 🙂 да');
    expect(chunks.map(({ reasoning = '' }) => reasoning).join('')).toBe('Add.');
    expect(chunks.flatMap(({ tokenIds }) => tokenIds)).toEqual([
      2261, 13, 22, 11410, 247, 224, 5372, 1840, 128009,
    ]);
    const { finishReason, usage } = chunks.at(-1)!;
    expect(finishReason).toBe('stop');
    expect(usage).toMatchObject({
      promptTokens: 15,
      cachedTokens: 8,
      completionTokens: 9,
      // The model's own end token, of which vLLM says only that it was no other stop.
      stopReason: 128009,
      missingTokenIds: 0,
    });
    expect(chunks.slice(0, -1).some((chunk) => chunk.finishReason ?? chunk.usage)).toBe(false);
    expect(server.asked.at(-1)?.headers).toMatchObject({ authorization: 'Bearer secret', 'x-team': 'a' });
  });

  it('is asked for ids, and for what a local engine does by default', async () => {
    server.play(VLLM);
    const session = (await vllm()).createSession();
    const conversation = [
      ...QUESTION,
      {
        role: 'assistant',
        content: null,
        tool_calls: [{ id: 'c1', function: { name: 'add', arguments: { a: 3, b: 4 } } }],
      },
      { role: 'tool', content: '7', tool_call_id: 'c1' },
    ];
    const tools = [{ type: 'function', function: { name: 'add' } }];
    await session.complete(conversation, {
      maxTokens: 5,
      stop: '.',
      logitBias: { 22: -1 },
      templateOptions: { tools, enable_thinking: false },
    });
    expect(body(CHAT)).toEqual({
      model: 'bitnet',
      messages: [
        QUESTION[0],
        {
          role: 'assistant',
          content: null,
          tool_calls: [{ id: 'c1', type: 'function', function: { name: 'add', arguments: '{"a":3,"b":4}' } }],
        },
        { role: 'tool', content: '7', tool_call_id: 'c1' },
      ],
      stream: true,
      stream_options: { include_usage: true },
      return_token_ids: true,
      temperature: 0,
      top_p: 1,
      top_k: -1,
      min_p: 0,
      repetition_penalty: 1,
      max_tokens: 5,
      stop: ['.'],
      logit_bias: { 22: -1 },
      tools,
      tool_choice: 'none',
      chat_template_kwargs: { enable_thinking: false },
    });
  });

  it('continues text and ids, without the limit of 16 tokens that it has by default', async () => {
    server.play({ '/v1/completions': file('vllm-completions.sse') });
    const session = (await vllm()).createSession();
    const answer = await session.complete({ tokenIds: Uint32Array.of(128000, 16, 11) });
    expect(body('/v1/completions')).toMatchObject({ prompt: [128000, 16, 11], max_tokens: null });
    expect(answer).toMatchObject({ text: ' two, ', tokenIds: [1403, 11, 220], finishReason: 'length' });
    expect(answer.usage).toMatchObject({ promptTokens: 3, completionTokens: 3 });
    expect(answer.usage).not.toHaveProperty('stopReason');
    await session.complete('1,', { maxTokens: 3 });
    expect(body('/v1/completions')).toMatchObject({ prompt: '1,', max_tokens: 3 });
    expect(session.messages).toEqual([]);
  });

  it('is told what a session begins with, and the answer comes at once', async () => {
    server.play(VLLM);
    const session = (await vllm()).createSession({ system: 'Be brief.', messages: QUESTION });
    const start = [{ role: 'system', content: 'Be brief.' }, ...QUESTION];
    expect(session.messages).toEqual(start);
    const { text, tokenIds } = await session.send('And 4 + 5?').complete();
    expect(body(CHAT)).toMatchObject({ messages: [...start, { role: 'user', content: 'And 4 + 5?' }] });
    expect(session.messages.at(-1)).toMatchObject({ role: 'assistant', content: text });
    const again = await (await vllm()).createSession().send('And 4 + 5?').text();
    expect([again, tokenIds.length > 0]).toEqual([text, true]);
  });
});

describe('llama-server', () => {
  it('takes reasoning apart by the marks of its template', async () => {
    const events = ['<think>', '\n', 'Add', '.', '\n</th', 'ink>', '\n\n', '7', ''].map(
      (content, i, { length }) => ({
        content,
        tokens: [i],
        stop: i === length - 1,
        tokens_predicted: i + 1,
        stop_type: 'limit',
      }),
    );
    const streamed = { pieces: events.map((event) => `data: ${JSON.stringify(event)}\n\n`) };
    const props = { pieces: ['{"chat_template":"{% set a = content.split(\'</think>\') %}"}'] };
    const template = { pieces: ['{"prompt":"User: What is 3 + 4?<|eot_id|>Assistant: "}'] };
    server.play({ '/apply-template': template, '/props': props, '/completion': streamed });
    const session = (await connect({ ...options(), server: 'llama-server', model: 'm' })).createSession();
    const chunks = await all(session.generate(QUESTION));
    expect(chunks.map(({ text }) => text).join('')).toBe('7');
    expect(chunks.map(({ reasoning = '' }) => reasoning).join('')).toBe('Add.');
    expect(chunks.flatMap(({ tokenIds }) => tokenIds)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
    expect(session.messages.at(-1)).toEqual({ role: 'assistant', content: '7', reasoning_content: 'Add.' });
    // The template has opened the block: it is the prompt that ends with the mark.
    const opened = { pieces: ['{"prompt":"Assistant: <think>\\n"}'] };
    const closing = {
      pieces: ['{"content":"Add.\\n</think>\\n7","tokens":[1],"stop":true,"stop_type":"eos"}'],
    };
    server.play({ ...server.routes, '/apply-template': opened, '/completion': closing });
    expect(await session.complete(QUESTION)).toMatchObject({ text: '7', reasoning: 'Add.', tokenIds: [1] });
    expect(server.asked.map(({ path }) => path)).not.toContain('/props');
  });
});

describe('log-probabilities', () => {
  it('come from vLLM with the ids of the sampled tokens; of the others it says the text', async () => {
    server.play({ [CHAT]: file('vllm-chat-logprobs.sse'), '/v1/completions': file('vllm-completions.sse') });
    const session = (await vllm()).createSession();
    const chat = await session.complete(QUESTION, { logprobs: 2 });
    expect(body(CHAT)).toMatchObject({ logprobs: true, top_logprobs: 2 });
    const other = (text: string, logprob: number): object => ({ tokenId: undefined, text, logprob });
    expect(chat.logprobs).toEqual([
      { tokenId: 22, text: '7', logprob: -0.0625, alternatives: [other('7', -0.0625), other('8', -3.5)] },
      {
        tokenId: 128009,
        text: '<|eot_id|>',
        logprob: -0.25,
        alternatives: [other('<|eot_id|>', -0.25), other('.', -1.75)],
      },
    ]);
    const raw = await session.complete('1,', { logprobs: 2 });
    expect(body('/v1/completions')).toMatchObject({ logprobs: 2 });
    expect(raw.logprobs?.map(({ tokenId, logprob }) => [tokenId, logprob])).toEqual([
      [1403, -0.5],
      [11, -0.125],
      [220, -1.5],
    ]);
    expect(raw.logprobs?.[2]?.alternatives).toEqual([other(' three', -0.75), other(' ', -1.5)]);
  });

  it('must be as many as there are ids', async () => {
    const event = {
      choices: [{ delta: { content: 'a' }, token_ids: [], logprobs: { content: [{ token: 'a' }] } }],
    };
    server.play({ [CHAT]: { pieces: [`data: ${JSON.stringify(event)}\n\n`] } });
    const session = (await vllm()).createSession();
    await expect(session.complete(QUESTION, { logprobs: 0 })).rejects.toMatchObject({
      code: 'server-failed',
    });
  });
});

describe('another server', () => {
  it('has no ids, in the types and in the data', async () => {
    server.play(OPENAI);
    const engine = await connect(options());
    expect(engine.info).toMatchObject({ kind: 'openai', contextLength: undefined });
    if (engine.hasTokenIds) throw new Error('It says no ids.');
    const answer = await engine.createSession().complete(QUESTION);
    expect(answer.tokenIds satisfies undefined).toBeUndefined();
    expect(answer).toMatchObject({ text: '7 🙂', finishReason: 'stop' });
    expect(answer.usage).toMatchObject({
      promptTokens: 14,
      cachedTokens: 0,
      completionTokens: 3,
      missingTokenIds: 0,
    });
    expect(body(CHAT)).toEqual({
      model: 'gpt-4o-mini',
      messages: QUESTION,
      stream: true,
      stream_options: { include_usage: true },
      temperature: 0,
    });
  });

  it('refuses what it would ignore', async () => {
    server.play(OPENAI);
    const session = (await connect({ ...options(), server: 'openai', model: 'm' })).createSession();
    for (const given of [{ topK: 3 }, { minP: 0.5 }, { repetitionPenalty: 2 }, { templateOptions: { a: 1 } }])
      await expect(session.complete(QUESTION, given)).rejects.toMatchObject({
        code: 'invalid-argument',
        message: expect.stringContaining(`options.${Object.keys(given)[0]}`) as string,
      });
    expect(server.asked).toEqual([]);
  });
});

describe('a stream at every cut of its bytes', () => {
  /** Chunks without their times, which differ. */
  const told = (chunks: RemoteChunk[]): unknown =>
    chunks.map(({ usage, ...chunk }) => ({ ...chunk, promptTokens: usage?.promptTokens }));

  it.each([
    ['vllm', CHAT, 'vllm-chat.sse'],
    ['openai', CHAT, 'openai-chat.sse'],
  ] as const)('is the same: %s', async (kind, path, name) => {
    const bytes = recorded(name);
    const run = async (more: Partial<ConnectOptions>): Promise<unknown> => {
      const engine = await connect({ ...options(more), server: kind, model: 'm' });
      return told(await all<RemoteChunk>(engine.createSession().generate(QUESTION)));
    };
    server.play({ [path]: file(name) });
    const expected = await run({});
    for (let cut = 1; cut < bytes.length; cut++) {
      const pieces = [bytes.subarray(0, cut), bytes.subarray(cut)];
      const inTwo = fetchOf(() => Promise.resolve(new Response(streamOf(pieces))));
      expect(await run({ fetch: inTwo }), `cut at ${cut}`).toEqual(expected);
    }
    server.play({ [path]: { pieces: Array.from(bytes, (byte) => Buffer.from([byte])) } });
    expect(await run({}), 'byte by byte, over a connection').toEqual(expected);
  });
});

describe('a conversation', () => {
  it('is kept here, and told to the server with each turn', async () => {
    server.play(VLLM);
    const session = (await vllm()).createSession();
    await all(session.send('Hello.'));
    const first = [
      { role: 'user', content: 'Hello.' },
      { role: 'assistant', content: '7 🙂 да', reasoning_content: 'Add.' },
    ];
    expect(session.messages).toEqual(first);
    await all(session.send('Again.'));
    expect(body(CHAT)).toMatchObject({ messages: [...first, { role: 'user', content: 'Again.' }] });
    expect(session.messages).toHaveLength(4);
    await session.complete(QUESTION);
    expect(session.messages).toEqual([...QUESTION, first[1]]);
  });

  it('takes its turns one after the other', async () => {
    server.play(VLLM);
    const session = (await vllm()).createSession();
    await Promise.all([all(session.send('One.')), all(session.send('Two.'))]);
    expect(session.messages.map(({ content }) => content)).toEqual(['One.', '7 🙂 да', 'Two.', '7 🙂 да']);
  });
});

describe('an answer that is ended', () => {
  /** The first tokens of a chat, and then nothing more. */
  const stalled = (): Reply => ({ pieces: [recorded('vllm-chat.sse').subarray(0, 900)], then: 'wait' });

  it('by its signal closes the connection, and keeps what was given', async () => {
    server.play({ [CHAT]: stalled() });
    const session = (await vllm()).createSession();
    const controller = new AbortController();
    const reader = session.send('Hello.', { signal: controller.signal }).getReader();
    const { value } = await reader.read();
    expect(value?.reasoning).toBe('Add.');
    expect((await reader.read()).value?.text).toBe('7');
    controller.abort();
    const last = (await reader.read()).value;
    expect(last).toMatchObject({ text: '', tokenIds: [], finishReason: 'abort' });
    // The server says nothing of an answer that was ended: what is known is what came.
    expect(last?.usage).toMatchObject({ promptTokens: 15, completionTokens: 3 });
    expect((await reader.read()).done).toBe(true);
    await until(() => server.hungUp === 1);
    expect(session.messages).toEqual([
      { role: 'user', content: 'Hello.' },
      { role: 'assistant', content: '7', reasoning_content: 'Add.' },
    ]);
  });

  it('by its reader, or with its session, closes the connection too', async () => {
    server.play({ [CHAT]: stalled() });
    const engine = await vllm();
    const reader = engine.createSession().send('Hello.').getReader();
    await reader.read();
    await reader.cancel();
    await until(() => server.hungUp === 1);

    const session = engine.createSession();
    const stream = session.send('Hello.');
    const disposed = stream.getReader();
    await disposed.read();
    await engine.dispose();
    await until(() => server.hungUp === 2);
    const rest = await disposed.read();
    expect(rest.value?.finishReason).toBe('abort');
    await expect(session.complete(QUESTION)).rejects.toMatchObject({ code: 'disposed' });
    expect(() => engine.createSession()).toThrow(expect.objectContaining({ code: 'disposed' }) as Error);
  });

  it('before its turn, or before the server answers, has sent nothing or nothing more', async () => {
    server.play({ [CHAT]: { run: () => {} } });
    const session = (await vllm()).createSession();
    const controller = new AbortController();
    const first = all(session.send('One.', { signal: controller.signal }));
    const second = all(session.send('Two.', { signal: controller.signal }));
    await until(() => server.asked.length === 1);
    controller.abort();
    expect((await first).at(-1)?.finishReason).toBe('abort');
    expect((await second).at(-1)?.finishReason).toBe('abort');
    await until(() => server.hungUp === 1);
    expect(server.asked).toHaveLength(1);
    expect(session.messages).toEqual([]);
  });

  test('a reader that does not read stops the server', async () => {
    const event = recorded('vllm-chat.sse').toString().split('\n\n')[2] ?? '';
    let written = 0;
    const pour: Reply = {
      run(response) {
        const fill = (): void => {
          while (response.writable && response.write(`${event}\n\n`)) written += event.length;
        };
        response.on('drain', fill);
        fill();
      },
    };
    server.play({ [CHAT]: pour });
    const reader = (await vllm()).createSession().generate(QUESTION).getReader();
    await reader.read();
    // The buffers of two sockets on loopback fill up, and then nothing more is written.
    let before: number;
    do {
      before = written;
      await sleep(100);
    } while (written > before);
    expect(written).toBeLessThan(2 ** 25);
    await reader.cancel();
    await until(() => server.hungUp === 1);
  });
});

describe('what fails', () => {
  const failed = async (reply: Reply, more: Partial<ConnectOptions> = {}): Promise<unknown> => {
    server.play({ [CHAT]: reply });
    return (await vllm(more))
      .createSession()
      .complete(QUESTION)
      .then(String, (error: unknown) => error);
  };
  const error = (message: string): Buffer => Buffer.from(JSON.stringify({ error: { message } }));

  it('is told apart by codes, in the words of the server', async () => {
    const cases: [Reply, string, RegExp][] = [
      [
        { status: 400, ...file('vllm-context-overflow.json') },
        'context-overflow',
        /maximum context length is 4096/,
      ],
      [
        { status: 400, pieces: [error('temperature must be positive')] },
        'invalid-argument',
        /must be positive/,
      ],
      [{ status: 422, pieces: ['{"detail":"no such field"}'] }, 'invalid-argument', /no such field/],
      [{ status: 401, pieces: [error('wrong key')] }, 'server-failed', /401: wrong key/],
      [{ status: 404 }, 'server-failed', /404/],
      [{ status: 503, pieces: ['<html>'] }, 'server-failed', /503/],
      [{ pieces: ['data: {"error":{"message":"CUDA error"}}\n\n'] }, 'server-failed', /CUDA error/],
      [{ pieces: ['data: {nonsense\n\n'] }, 'server-failed', /no JSON/],
      [{ pieces: ['data: [DONE]\n\n'] }, 'server-failed', /ended the stream before/],
      [{ pieces: [recorded('vllm-chat.sse').subarray(0, 700)] }, 'server-failed', /ended the stream before/],
      [{ pieces: [recorded('vllm-chat.sse').subarray(0, 700)], then: 'break' }, 'server-failed', /broke off/],
    ];
    for (const [reply, code, message] of cases)
      expect(await failed(reply), String(message)).toMatchObject({
        code,
        message: expect.stringMatching(message) as string,
      });
  });

  it('names what a caller got wrong', async () => {
    const refused = { code: 'invalid-argument' };
    await expect(connect({ baseURL: 'ftp://x' })).rejects.toMatchObject(refused);
    await expect(connect({ baseURL: '/v1' })).rejects.toMatchObject(refused);
    // What no header can carry: it would look like a server that cannot be reached.
    const unsendable = { apiKey: 'sk-…', headers: { 'x y': 'z' } };
    for (const [name, value] of Object.entries(unsendable))
      await expect(connect({ ...options(), [name]: value })).rejects.toMatchObject({
        ...refused,
        message: expect.stringContaining(`options.${name}`) as string,
      });
    const session = (await vllm()).createSession();
    await expect(session.complete([])).rejects.toMatchObject(refused);
    await expect(session.complete(QUESTION, { temperature: -1 })).rejects.toMatchObject(refused);
    const elsewhere = { chatTemplate: '{{ messages }}', contextOverflow: 'truncate-middle' };
    for (const [name, value] of Object.entries(elsewhere))
      await expect(session.complete(QUESTION, { [name]: value })).rejects.toMatchObject(refused);
    await expect(all(session.send(''))).rejects.toMatchObject(refused);
  });

  it('when nobody is there, or nothing is served', async () => {
    const unreachable = fetchOf(() => Promise.reject(new TypeError('fetch failed')));
    await expect(connect(options({ fetch: unreachable }))).rejects.toMatchObject({
      code: 'server-failed',
      message: expect.stringMatching(/cannot be reached/) as string,
    });
    server.play({ '/v1/models': { pieces: ['{"data":[]}'] } });
    await expect(connect(options())).rejects.toMatchObject({ code: 'server-failed' });
    server.play({ '/v1/models': { pieces: ['<html>'] } });
    await expect(connect(options())).rejects.toMatchObject({ code: 'server-failed' });
    await expect(connect(options({ signal: AbortSignal.abort() }))).rejects.toMatchObject({
      code: 'aborted',
    });
  });

  it('is tried again before an answer has begun, if that may help', async () => {
    const busy: Reply = { status: 503, headers: { 'retry-after': '0' } };
    server.play({ [CHAT]: [busy, busy, file('vllm-chat.sse')] });
    const session = (await vllm({ maxRetries: 2 })).createSession();
    expect(await session.complete(QUESTION)).toMatchObject({ text: '7 🙂 да' });
    expect(server.asked).toHaveLength(3);

    const final: Reply[] = [
      { ...busy, headers: { 'x-should-retry': 'false' } },
      { ...busy, headers: { 'retry-after': '3600' } },
      { status: 400 },
      { pieces: [recorded('vllm-chat.sse').subarray(0, 700)], then: 'break' },
    ];
    for (const reply of final) {
      expect(await failed(reply, { maxRetries: 2 })).toBeInstanceOf(Error);
      expect(server.asked, JSON.stringify(reply.headers)).toHaveLength(1);
    }
  });

  it('is not waited for once the signal fires', async () => {
    server.play({ [CHAT]: { status: 503, headers: { 'retry-after': '20' } } });
    const controller = new AbortController();
    const session = (await vllm({ maxRetries: 2 })).createSession();
    const answer = session.complete(QUESTION, { signal: controller.signal });
    await until(() => server.asked.length === 1);
    controller.abort();
    expect(await answer).toMatchObject({ text: '', finishReason: 'abort' });
  });
});

test('where there is no WebGPU, a model is taken from the server', async () => {
  server.play(VLLM);
  const placed = await loadOrConnect('model.gguf', options());
  if (placed.place !== 'server') throw new Error('There is no GPU here.');
  expect(placed.reason).toMatchObject({ code: 'webgpu-unavailable' });
  const answer: RemoteAnswer = await placed.engine.createSession().complete(QUESTION);
  expect(answer.text).toBe('7 🙂 да');
  // What is no matter of this device is not hidden.
  const signal = AbortSignal.abort();
  await expect(loadOrConnect('model.gguf', options(), { signal })).rejects.toMatchObject({ code: 'aborted' });
  // A server that cannot be asked is found on devices that do not need it, too.
  await expectFailure(loadOrConnect('model.gguf', { baseURL: '/v1' }), 'invalid-argument', 'server.baseURL');
});
