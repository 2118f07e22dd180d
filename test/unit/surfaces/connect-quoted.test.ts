// vLLM over `ternion/connect`, by what others have quoted of its answers: short pieces, each with its source in the fixture.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { connect, type RemoteEngine, type WithIds } from '../../../src/surfaces/connect';

/** A quote of an answer: events of a stream, or a whole body. */
interface Quote {
  status: number;
  events?: object[];
  body?: object;
}

const file = new URL('../../fixtures/servers/vllm-quoted.json', import.meta.url);
const QUOTES = JSON.parse(readFileSync(file, 'utf8')) as Record<string, Quote>;
const CHAT = [{ role: 'user', content: 'Hello.' }];

/** A server that answers with a quote. One that `stays` leaves the connection open behind it. */
function quoting(name: string, stays = false): typeof fetch {
  const { status, events = [], body } = QUOTES[name] ?? { status: 404 };
  const text = body
    ? JSON.stringify(body)
    : events.map((each) => `data: ${JSON.stringify(each)}\n\n`).join('');
  return async () => {
    const stream = new ReadableStream({
      start(controller) {
        controller.enqueue(new TextEncoder().encode(text));
        if (!stays) controller.close();
      },
    });
    return new Response(stream, { status });
  };
}

const vllm = (name: string, stays = false): Promise<RemoteEngine<WithIds>> =>
  connect({
    baseURL: 'http://quoted/v1',
    fetch: quoting(name, stays),
    server: 'vllm',
    model: 'm',
    maxRetries: 0,
  });

describe('quoted from vLLM', () => {
  it('chunks have their ids beside the delta, and a running usage is the usage of what is ended', async () => {
    const controller = new AbortController();
    const session = (await vllm('tokenIds', true)).createSession();
    const reader = session.generate(CHAT, { signal: controller.signal }).getReader();
    const given: [string | undefined, number[] | undefined][] = [];
    for (let i = 0; i < 4; i++) {
      const { value } = await reader.read();
      given.push([value?.text, value?.tokenIds]);
    }
    expect(given).toEqual([
      [' **', [2619]],
      ['Core', [21878]],
      [' Idea', [58533]],
      [':**', [11490]],
    ]);
    controller.abort();
    const { value: last } = await reader.read();
    // The quote begins with the second token, so one id of five is not in it.
    expect(last).toMatchObject({
      finishReason: 'abort',
      usage: { promptTokens: 16, completionTokens: 5, missingTokenIds: 1 },
    });
  });

  it('reasoning goes by `reasoning_content` in older versions', async () => {
    const session = (await vllm('reasoning')).createSession();
    const reader = session.generate(CHAT).getReader();
    let reasoning = '';
    for (let i = 0; i < 5; i++) reasoning += (await reader.read()).value?.reasoning ?? '';
    expect(reasoning).toBe(' need to use the tool');
    await expect(reader.read()).rejects.toMatchObject({ code: 'server-failed' });
  });

  it('an answer without the ids that were asked for is whole, and says how many are missing', async () => {
    const answer = await (await vllm('chat')).createSession().complete(CHAT);
    expect(answer).toMatchObject({ text: 'Hi!', tokenIds: [], finishReason: 'length' });
    expect(answer.usage).toMatchObject({ promptTokens: 32, completionTokens: 3, missingTokenIds: 3 });
  });

  it('a continued text ends with the choice that says why', async () => {
    const answer = await (await vllm('completion')).createSession().complete('Five reasons:');
    expect(answer).toMatchObject({ text: ' It’s fast.\n again', finishReason: 'length' });
  });

  it('the list of models says whose it is, and how long the context is', async () => {
    const engine = await connect({ baseURL: 'http://quoted/v1', fetch: quoting('models') });
    expect(engine.info).toMatchObject({
      kind: 'vllm',
      model: 'seongil-dn/bge-m3-3800_steps_v2_234',
      contextLength: 1024,
    });
  });

  it('a prompt that is too long is a context overflow', async () => {
    const answer = (await vllm('tooLong')).createSession().complete('What is the capital of Paris?');
    await expect(answer).rejects.toMatchObject({
      code: 'context-overflow',
      message: expect.stringContaining('your request has 8 input tokens') as string,
    });
  });
});
