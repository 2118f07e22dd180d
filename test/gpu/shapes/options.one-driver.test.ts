// Options of shaped answers from the boundary to the model: schemas of libraries, modules of processors, and answers that go on in
// another engine.
import { type } from 'arktype';
import * as v from 'valibot';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { anyProcessor } from '../../../src/boundary/answer-shapes';
import { CheckedEngine } from '../../../src/boundary/checked-engine';
import { chatTemplate } from '../../../src/boundary/in-thread';
import { loadable } from '../../../src/boundary/options';
import { fields } from '../../../src/boundary/read';
import type { EngineHost } from '../../../src/engine/engine-host';
import type { FittedPrompt } from '../../../src/engine/fit-prompt';
import type {
  ChatMessage,
  GenerateOptions,
  PlainGenerateOptions,
  ResponseFormat,
} from '../../../src/engine/types';
import { append } from '../../../src/engine/whole-answer';
import { collect } from '../../support/collect';
import { readChunks } from '../../support/sessions';
import { shapedEngine, TOOLS_TEMPLATE } from '../../support/shaped-engine';

let host: EngineHost;
let engine: CheckedEngine;
beforeAll(async () => {
  host = await shapedEngine();
  const loadOptions = fields(loadable(chatTemplate));
  engine = new CheckedEngine(host, { loadOptions, chatTemplate, logitsProcessor: anyProcessor });
});
afterAll(() => host.dispose());

const asked = (content: string): ChatMessage[] => [{ role: 'user', content }];
const STORY = asked('Tell me a story.');

describe('the value of an answer', () => {
  test('is what schemas of libraries make of it, whatever the model writes', async () => {
    const session = engine.createSession();
    const ofZod = z.object({
      name: z
        .string()
        .max(6)
        .transform((name) => [name]),
      sure: z.boolean(),
    });
    const ofValibot = v.object({ name: v.pipe(v.string(), v.maxLength(6)), size: v.picklist(['s', 'm']) });
    const ofArktype = type({ size: "'s' | 'm'", count: '1 <= number.integer <= 99' });
    for (const temperature of [0, 1.5]) {
      const how = { temperature, seed: 3 };
      const one = await session.complete(STORY, { ...how, responseFormat: { type: 'json', schema: ofZod } });
      expect(one.parsed).toEqual({ name: [expect.any(String)], sure: expect.any(Boolean) as boolean });
      const two = await session.complete(STORY, {
        ...how,
        responseFormat: { type: 'json', schema: ofValibot },
      });
      expect(v.is(ofValibot, two.parsed)).toBe(true);
      const three = await session.complete(STORY, {
        ...how,
        responseFormat: { type: 'json', schema: ofArktype },
      });
      expect(ofArktype.allows(three.parsed)).toBe(true);
      expect(three.text).toMatch(/^\{.*\}$/);
    }
    await session.dispose();
  });

  test('that a schema refuses for what no grammar holds fails, and the conversation has the answer', async () => {
    const session = engine.createSession();
    const schema = z.object({ sure: z.boolean() }).refine(() => false, 'never right');
    await expect(session.complete(STORY, { responseFormat: { type: 'json', schema } })).rejects.toMatchObject(
      {
        code: 'answer-refused',
        message: expect.stringContaining('never right') as string,
      },
    );
    expect(session.messages).toHaveLength(2);
    await session.dispose();
  });
});

describe('a shape at a high temperature', () => {
  const formats: [string, ResponseFormat, RegExp][] = [
    [
      'a pattern',
      { type: 'regex', pattern: '[A-Z][a-z]{2,6}( [a-z]{1,5}){2}\\.' },
      /^[A-Z][a-z]{2,6}( [a-z]{1,5}){2}\.$/,
    ],
    ['a choice', { type: 'choice', options: ['yes', 'no', 'yesterday'] }, /^(yes|no|yesterday)$/],
    ['a grammar', { type: 'grammar', ebnf: 'root ::= "<" [a-f]{2,4} ">"' }, /^<[a-f]{2,4}>$/],
  ];
  test.each(formats)('holds: %s', async (_name, responseFormat, expected) => {
    const session = engine.createSession();
    for (const seed of [1, 2, 3]) {
      const answer = await session.complete(STORY, { responseFormat, temperature: 1.5, seed });
      expect(answer.text).toMatch(expected);
      expect(answer.finishReason).toBe('stop');
      expect(answer).not.toHaveProperty('parsed');
    }
    await session.dispose();
  });
});

describe('an answer that goes on in another engine', () => {
  const SCHEMA = {
    type: 'object',
    properties: {
      names: { type: 'array', items: { enum: ['Rome', 'Oslo', 'Lima'] }, minItems: 3, maxItems: 5 },
      sure: { type: 'boolean' },
    },
    required: ['names', 'sure'],
  };
  const tools = {
    weather: {
      schema: { type: 'object', properties: { city: { enum: ['Rome', 'Oslo'] } }, required: ['city'] },
    },
  };
  const cases: [string, PlainGenerateOptions][] = [
    ['JSON', { responseFormat: { type: 'json', schema: SCHEMA } }],
    ['calls of tools', { tools, toolChoice: 'required', chatTemplate: TOOLS_TEMPLATE, maxTokens: 60 }],
  ];
  test.each(cases)('is the one that it would have been: %s', async (_name, shape) => {
    const options = { ...shape, temperature: 1.5, seed: 5 };
    const session = host.createSession();
    const undisturbed = await collect(session.generate(STORY, options));
    const { tokenIds, chunks } = undisturbed;
    const whole = { text: '', tokenIds: [] as number[] };
    for (const chunk of chunks) append(whole, chunk);
    const begins = [1, Math.floor(tokenIds.length / 2), tokenIds.length - 2];
    for (const count of begins) {
      const first = host.createSession();
      let prompt: FittedPrompt | undefined;
      const reader = first.generate(STORY, options, (known) => (prompt = known)).getReader();
      const given = { text: '', tokenIds: [] as number[] };
      for (const chunk of await readChunks(reader, count)) append(given, chunk);
      await reader.cancel();
      if (!prompt) throw new Error('The prompt was not told');
      const second = host.createSession();
      const sampled = given.tokenIds;
      const rest = await collect(second.goOn({ prompt, sampled }, options));
      for (const chunk of rest.chunks) append(given, chunk);
      expect(given).toEqual(whole);
      expect(rest.finishReason).toBe(undisturbed.finishReason);
      expect(second.messages).toEqual(session.messages);
      await Promise.all([first.dispose(), second.dispose()]);
    }
    await session.dispose();
  });
});

describe('a logits processor from a module', () => {
  const moduleOf = (code: string): GenerateOptions => ({
    maxTokens: 3,
    logitsProcessor: { url: `data:text/javascript,${encodeURIComponent(code)}` },
  });

  test('is its default export', async () => {
    const session = engine.createSession();
    const code = 'export default (logits, ids) => { logits.fill(-5); logits[100 + (ids.length % 7)] = 5; }';
    const { tokenIds, usage } = await session.complete(STORY, moduleOf(code));
    const expected = [0, 1, 2].map((i) => 100 + ((usage.promptTokens + i) % 7));
    expect(tokenIds).toEqual(expected);
    await session.dispose();
  });

  test('that cannot be loaded, or exports no function, is refused', async () => {
    const session = engine.createSession();
    for (const code of ['export const other = 1', 'this is no module', 'throw new Error("x")'])
      await expect(session.complete(STORY, moduleOf(code))).rejects.toMatchObject({
        code: 'invalid-argument',
      });
    expect((await session.complete(asked('Spell planet.'))).text).toBe('p-l-a-n-e-t');
    await session.dispose();
  });
});

test('a signal ends the wait for a grammar', async () => {
  const session = engine.createSession();
  const ending = new AbortController();
  const stream = session.generate(STORY, {
    responseFormat: { type: 'regex', pattern: '[a-z]{1,9}' },
    signal: ending.signal,
  });
  const reading = collect(stream);
  ending.abort();
  expect(await reading).toMatchObject({ finishReason: 'abort', tokenIds: [] });
  expect((await session.complete(asked('Spell planet.'))).text).toBe('p-l-a-n-e-t');
  await session.dispose();
});

test('an answer that is ended before it can go on elsewhere stays as far as it came', async () => {
  const other = await shapedEngine();
  const waiting = new Promise<void>((resolve) => {
    other.useGrammarThreads(() => {
      resolve();
      return new Promise(() => {});
    });
  });
  const session = other.createSession();
  const ending = new AbortController();
  const prompt = { ids: await other.tokenize(STORY), messages: STORY, omittedTokens: 0, omittedTurns: 0 };
  const sampled = await other.tokenize('ab');
  const options = {
    responseFormat: { type: 'regex', pattern: '[a-z]{1,9}' },
    signal: ending.signal,
  } as const;
  const reading = collect(session.goOn({ prompt, sampled }, options));
  await waiting;
  ending.abort();
  expect(await reading).toMatchObject({
    finishReason: 'abort',
    tokenIds: [],
    usage: { promptTokens: prompt.ids.length, completionTokens: sampled.length },
  });
  expect(session.messages).toEqual([...STORY, { role: 'assistant', content: 'ab' }]);
  await other.dispose();
});
