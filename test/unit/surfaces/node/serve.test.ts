// The server over real connections, with an engine that says what it is told to.
import { once } from 'node:events';
import { connect } from 'node:net';
import OpenAI from 'openai';
import { zodResponseFormat } from 'openai/helpers/zod';
import { afterEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { serve, type RunningServer, type ServeOptions } from '../../../../src/surfaces/node/serve';
import { TernionError } from '../../../../src/errors';
import { callSteps, SteppedEngine, type Step } from '../../../support/stepped-engine';
import { until } from '../../../support/wait';

const MESSAGES = [{ role: 'user' as const, content: 'Hi' }];

let server: RunningServer | undefined;
afterEach(() => server?.close({ now: true }));

async function serving(steps: Step[], options: ServeOptions = {}) {
  const engine = new SteppedEngine(() => steps, { toolCalls: 'hermes' });
  server = await serve(engine, options);
  const client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'local' });
  return { engine, client, server, url: server.url };
}

describe('the client of OpenAI', () => {
  test('gets whole and streamed answers, and the models', async () => {
    const { client } = await serving(['Hel', 'lo']);
    const ask = { model: 'm', messages: MESSAGES };
    expect((await client.chat.completions.create(ask)).choices[0]!.message.content).toBe('Hello');
    let text = '';
    for await (const { choices } of await client.chat.completions.create({ ...ask, stream: true })) {
      text += choices[0]!.delta.content ?? '';
    }
    expect(text).toBe('Hello');
    expect((await client.models.list()).data[0]!.id).toBe('scripted');
  });

  test('gets answers of a schema, and calls of tools', async () => {
    const schema = z.object({ n: z.number() });
    const ask = { model: 'm', messages: MESSAGES };
    const { client, engine } = await serving(['{"n":', ' 7}']);
    const response_format = zodResponseFormat(schema, 'count');
    const completion = await client.chat.completions.parse({ ...ask, response_format });
    expect(completion.choices[0]!.message.parsed).toEqual({ n: 7 });
    expect(engine.requests[0]!.options.responseFormat).toMatchObject({ type: 'json' });
    await server!.close();
    const calling = await serving(callSteps(0, 'add', { a: 3 }));
    const tools = [{ type: 'function' as const, function: { name: 'add' } }];
    const stream = calling.client.chat.completions.stream({ ...ask, tools, tool_choice: 'required' });
    expect((await stream.finalChatCompletion()).choices[0]!.message.tool_calls).toMatchObject([
      { id: 'call_0', function: { name: 'add', arguments: '{"a":3}' } },
    ]);
  });

  test.each([true, false])(
    'is told with a status that a schema is refused; streaming: %s',
    async (stream) => {
      const failure = new TernionError('unsupported-feature', "The keyword 'not' is not enforced.");
      const { client } = await serving([{ fail: failure }]);
      const response_format = {
        type: 'json_schema' as const,
        json_schema: { name: 'x', schema: { not: {} } },
      };
      const asked = client.chat.completions.create({
        model: 'm',
        messages: MESSAGES,
        response_format,
        stream,
      });
      await expect(asked).rejects.toMatchObject({
        status: 400,
        param: 'response_format',
        code: 'invalid_json_schema',
      });
    },
  );

  test.each([true, false])('frees the queue when it leaves; streaming: %s', async (stream) => {
    const { engine, client } = await serving([{ wait: new Promise(() => {}) }]);
    const left = new AbortController();
    const asked = client.chat.completions.create(
      { model: 'm', messages: MESSAGES, stream },
      { signal: left.signal },
    );
    asked.catch(() => {});
    await until(() => engine.requests.length === 1);
    left.abort();
    await engine.queue.enter(AbortSignal.timeout(5000));
  });

  test('whose connection breaks frees the queue too', async () => {
    const { engine, url } = await serving(Array.from({ length: 400 }, () => 'x'.repeat(10_000)));
    const socket = connect(Number(new URL(url).port), '127.0.0.1');
    const body = JSON.stringify({ messages: MESSAGES, stream: true });
    socket.write(
      `POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    );
    const [head] = (await once(socket, 'data')) as [Buffer];
    expect(head.toString()).toMatch(/^HTTP\/1.1 200 OK\r\n/);
    socket.pause();
    // Buffers of the system take what they take; then nothing more is made for a client that does not read.
    let before = -1;
    while (before !== engine.steps) {
      before = engine.steps;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    expect(before).toBeLessThan(400);
    socket.destroy();
    await engine.queue.enter(AbortSignal.timeout(5000));
    expect(engine.steps).toBeLessThanOrEqual(before + 1);
  });
});

describe('closing', () => {
  test('lets an answer under way end, and takes no more', async () => {
    let go = (): void => {};
    const wait = new Promise<void>((resolve) => (go = resolve));
    const { engine, client, server, url } = await serving(['a', { wait }, 'b']);
    const asked = client.chat.completions.create({ model: 'm', messages: MESSAGES }).then((answer) => answer);
    await until(() => engine.steps === 1);
    const closed = server.close();
    await expect(fetch(`${url}/v1/models`)).rejects.toThrow();
    go();
    expect((await asked).choices[0]!.message.content).toBe('ab');
    await closed;
  });

  test('at once ends it', async () => {
    const { engine, client, server } = await serving(['a', { wait: new Promise(() => {}) }]);
    const asked = client.chat.completions.create({ model: 'm', messages: MESSAGES }, { maxRetries: 0 });
    const failed = expect(asked).rejects.toThrow('Connection error');
    await until(() => engine.steps === 1);
    await server.close({ now: true });
    await failed;
  });
});

describe('who may use it', () => {
  const ORIGIN = 'http://localhost:5173';
  const ask = (url: string, headers: Record<string, string>, method = 'POST') => {
    const body = method === 'POST' ? { body: JSON.stringify({ messages: MESSAGES }) } : {};
    return fetch(`${url}/v1/chat/completions`, { method, headers, ...body });
  };

  test('no page, unless its origin was allowed', async () => {
    const { engine, url } = await serving(['x'], { origins: [ORIGIN] });
    expect((await ask(url, { origin: 'https://example.com' })).status).toBe(403);
    expect((await ask(url, { origin: 'null' })).status).toBe(403);
    expect(engine.requests).toEqual([]);
    const allowed = await ask(url, { origin: ORIGIN });
    expect(allowed.status).toBe(200);
    expect(allowed.headers.get('access-control-allow-origin')).toBe(ORIGIN);
    const asked = { origin: ORIGIN, 'access-control-request-headers': 'authorization,content-type' };
    const preflight = await ask(url, asked, 'OPTIONS');
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get('access-control-allow-headers')).toBe('authorization,content-type');
  });

  test('a page whose origin was copied with a slash at its end', async () => {
    const { url } = await serving(['x'], { origins: [`${ORIGIN}/`] });
    expect((await ask(url, { origin: ORIGIN })).status).toBe(200);
  });

  test('nobody with a body that is too long, who is told so', async () => {
    const { engine, url } = await serving(['x']);
    // The bound is 64 MiB.
    const answer = await fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      body: new Uint8Array(65 << 20),
    });
    expect(answer.status).toBe(413);
    expect(await answer.json()).toMatchObject({ error: { type: 'invalid_request_error' } });
    expect(engine.requests).toEqual([]);
  });

  test('nobody by a name that was made to point here', async () => {
    const { url } = await serving(['x']);
    const { port } = new URL(url);
    for (const [host, status] of [
      ['evil.example', 403],
      [`evil.example:${port}`, 403],
      [`localhost:${port}`, 200],
      [`[::1]:${port}`, 200],
    ] as const) {
      const socket = connect(Number(port), '127.0.0.1');
      socket.end(`GET /v1/models HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n\r\n`);
      const [head] = (await once(socket, 'data')) as [Buffer];
      expect(head.toString()).toContain(`HTTP/1.1 ${status}`);
      socket.destroy();
    }
  });
});
