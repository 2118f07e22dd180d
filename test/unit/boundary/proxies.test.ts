// Stores of frameworks hold what they are given behind a Proxy, which hands out what is in it behind Proxies too, and write it as JSON.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CheckedEngine } from '../../../src/boundary/checked-engine';
import { loadable } from '../../../src/boundary/options';
import { fields, optional, text } from '../../../src/boundary/read';
import { connect } from '../../../src/surfaces/connect';
import { FormulaEngine, Machine } from '../../support/formula-engine';
import { recorded, ReplayServer } from '../../support/replay-server';

/** As Vue's `reactive` does: methods and getters are called with the Proxy, and objects of any class come out wrapped. */
function wrapped<T extends object>(target: T): T {
  return new Proxy(target, {
    get(behind, name, receiver) {
      const value: unknown = Reflect.get(behind, name, receiver);
      const isObject = Object.prototype.toString.call(value) === '[object Object]' || Array.isArray(value);
      return isObject ? wrapped(value as object) : value;
    },
  });
}

describe('an engine of this package behind a Proxy', () => {
  const over = new AbortController();
  const chatTemplate = optional(text());
  const engine = wrapped(
    new CheckedEngine(new FormulaEngine(new Machine(), over.signal), {
      loadOptions: fields(loadable(chatTemplate)),
      chatTemplate,
    }),
  );
  beforeAll(() => engine.load('https://example.com/model.gguf'));
  afterAll(() => engine.dispose());

  test('answers, tokenizes and says what it is', async () => {
    expect(engine.info.vocabularySize).toBe(1009);
    expect(await engine.tokenize('ab')).toEqual([97, 98]);
    expect(await engine.detokenize([3])).toBe('3 ');
    const session = wrapped(engine.createSession({ system: 'Be brief.' }));
    const whole = await session.send('x').text();
    expect(session.messages.map(({ role }) => role)).toEqual(['system', 'user', 'assistant']);
    expect(session.messages.at(-1)?.content).toBe(whole);
    let streamed = '';
    for await (const chunk of session.send('y', { maxTokens: 3 })) streamed += chunk.text;
    expect(streamed.split(' ')).toHaveLength(4);
    expect((await session.complete([...session.messages, { role: 'user', content: 'z' }])).finishReason).toBe(
      'length',
    );
    const fork = await session.fork();
    await fork.rewind({ turns: 1 });
    expect(fork.messages.length).toBeLessThan(session.messages.length);
    const restored = await engine.restoreSession(await session.save());
    expect(restored.messages).toEqual(session.messages);
    for (const each of [session, fork, restored]) await each.dispose();
  });

  test('is a few words as JSON, and cannot be cloned', () => {
    const session = engine.createSession({ messages: [{ role: 'user', content: 'x' }] });
    expect(JSON.stringify({ engine, session })).toBe(
      '{"engine":{"engine":"Ternion"},"session":{"session":"Ternion","messages":1}}',
    );
    for (const each of [engine, session]) expect(() => structuredClone(each)).toThrow('could not be cloned');
  });
});

describe('an engine over a server behind a Proxy', () => {
  let server: ReplayServer;
  beforeAll(async () => {
    server = await ReplayServer.start();
  });
  afterAll(() => server.close());

  test('answers, and is a few words as JSON', async () => {
    server.play({ '/v1/chat/completions': { pieces: [recorded('vllm-chat.sse')] } });
    const options = {
      baseURL: `${server.origin}/v1`,
      server: 'vllm',
      model: 'bitnet',
      maxRetries: 0,
    } as const;
    const engine = wrapped(await connect(options));
    expect(engine.hasTokenIds).toBe(true);
    const session = wrapped(engine.createSession());
    const whole = await session.send('What is 3 + 4?').text();
    expect(session.messages.at(-1)).toMatchObject({ role: 'assistant', content: whole });
    expect(JSON.stringify([engine, session])).toBe(
      '[{"engine":"Ternion","server":"vllm","model":"bitnet"},{"session":"Ternion","messages":2}]',
    );
    for (const each of [engine, session]) expect(() => structuredClone(each)).toThrow('could not be cloned');
    await engine.dispose();
    expect(() => engine.createSession()).toThrow('disposed');
  });
});
