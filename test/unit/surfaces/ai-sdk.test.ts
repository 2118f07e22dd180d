// What the AI SDK makes of an engine: every test goes through the SDK itself, or looks at the parts that it is given.
import type { LanguageModelV4CallOptions, LanguageModelV4StreamPart } from '@ai-sdk/provider';
import { generateText, Output, stepCountIs, streamText, tool } from 'ai';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import type { Prompt } from '../../../src/engine/types';
import { TernionError } from '../../../src/errors';
import { createTernion } from '../../../src/surfaces/ai-sdk/index';
import {
  CALL_ID,
  callPieces,
  CONTROL,
  idsOf,
  ScriptedEngine,
  type ScriptedAnswer,
} from '../../support/scripted-engine';

const HELLO = [...idsOf('Hello'), CONTROL.end];

const answering = (answer: ScriptedAnswer): ScriptedEngine => new ScriptedEngine(() => answer);

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}

async function partsOf(
  engine: ScriptedEngine,
  options: Partial<LanguageModelV4CallOptions> = {},
): Promise<LanguageModelV4StreamPart[]> {
  const prompt = [{ role: 'user' as const, content: [{ type: 'text' as const, text: 'Hi' }] }];
  const { stream } = await createTernion(engine).doStream({ prompt, ...options });
  return all(stream as AsyncIterable<LanguageModelV4StreamPart>);
}

const types = (parts: readonly { type: string }[]): string[] => parts.map(({ type }) => type);

/** The messages of the generation that was asked for last. */
const lastPrompt = ({ calls }: ScriptedEngine): Prompt | undefined => calls.at(-1)?.prompt;

describe('an answer', () => {
  test('streams as text, and ends with usage, reason and all token ids', async () => {
    const engine = answering('Hello');
    const result = streamText({ model: createTernion(engine), prompt: 'Hi' });
    expect(await all(result.textStream)).toEqual(['H', 'e', 'l', 'l', 'o']);
    expect(await result.finishReason).toBe('stop');
    expect(await result.usage).toMatchObject({ inputTokens: 5, outputTokens: 6, totalTokens: 11 });
    expect(await result.providerMetadata).toEqual({ ternion: { tokenIds: HELLO } });
    expect(await result.response).toMatchObject({ modelId: 'Scripted' });
    expect(lastPrompt(engine)).toEqual([{ role: 'user', content: 'Hi' }]);
  });

  test('comes whole from generateText', async () => {
    const result = await generateText({ model: createTernion(answering('Hello')), prompt: 'Hi' });
    expect(result.text).toBe('Hello');
    expect(result.providerMetadata).toEqual({ ternion: { tokenIds: HELLO } });
    expect(result.warnings).toEqual([]);
  });

  test('has the parts of the specification, in their order', async () => {
    const parts = await partsOf(answering([{ reasoning: 'hm' }, { text: 'ok' }]));
    expect(types(parts)).toEqual([
      'stream-start',
      'response-metadata',
      ...['reasoning-start', 'reasoning-delta', 'reasoning-delta', 'reasoning-end'],
      ...['text-start', 'text-delta', 'text-delta', 'text-end'],
      'finish',
    ]);
    expect(parts.at(-1)).toMatchObject({
      finishReason: { unified: 'stop', raw: 'stop' },
      usage: {
        inputTokens: { total: 5, noCache: 5, cacheRead: 0, cacheWrite: undefined },
        outputTokens: { total: 5, text: 3, reasoning: 2 },
        raw: { promptTokens: 5, completionTokens: 5 },
      },
    });
  });

  test('carries the ids of each delta where that was asked for, and none where not', async () => {
    const idsIn = (parts: readonly LanguageModelV4StreamPart[]): unknown[] =>
      parts
        .filter((part) => part.type === 'text-delta' || part.type === 'text-end')
        .flatMap(({ providerMetadata }) => providerMetadata?.['ternion']?.['tokenIds'] ?? []);
    const providerOptions = { ternion: { tokenIds: true } };
    // The stop string is held back until it is clear that it is none, and its ids with it.
    const parts = await partsOf(answering('Hello'), { providerOptions, stopSequences: ['elf'] });
    expect(parts.filter((part) => part.type === 'text-delta').map(({ delta }) => delta)).toEqual([
      'H',
      'ell',
      'o',
    ]);
    expect(idsIn(parts)).toEqual(HELLO);
    expect(idsIn(await partsOf(answering('Hello')))).toEqual([]);
  });

  test('gives every chunk as it came to those who want raw ones', async () => {
    const raw = (await partsOf(answering('Hi'), { includeRawChunks: true })).filter(
      ({ type }) => type === 'raw',
    );
    expect(raw).toHaveLength(3);
    expect(raw[0]).toEqual({ type: 'raw', rawValue: { text: 'H', tokenIds: idsOf('H') } });
  });

  test('that is cut by its length says so', async () => {
    const result = await generateText({
      model: createTernion(answering('Hello')),
      prompt: 'Hi',
      maxOutputTokens: 2,
    });
    expect([result.text, result.finishReason]).toEqual(['He', 'length']);
  });

  test('that the end of the engine cuts is interrupted', async () => {
    const engine: ScriptedEngine = new ScriptedEngine(() => [
      { text: 'He' },
      { wait: () => engine.dispose() },
      { text: 'llo' },
    ]);
    expect((await partsOf(engine)).at(-1)).toMatchObject({
      finishReason: { unified: 'interrupted', raw: 'abort' },
    });
  });
});

describe('settings', () => {
  test('all reach the generation under its own names; what is unset stays so', async () => {
    const engine = answering('x');
    const templateOptions = { persona: 'cat' };
    const own = {
      minP: 0.1,
      repetitionPenalty: 1.1,
      logitBias: { 5: 1 },
      templateOptions,
      contextOverflow: 'error',
    };
    await generateText({
      model: createTernion(engine),
      prompt: 'Hi',
      maxOutputTokens: 7,
      temperature: 0.5,
      topP: 0.9,
      topK: 40,
      presencePenalty: 0.2,
      frequencyPenalty: 0.3,
      stopSequences: ['\n'],
      seed: 11,
      headers: { 'x-ignored': '1' },
      reasoning: 'none',
      providerOptions: { ternion: own },
    });
    expect(engine.calls[0]!.options).toMatchObject({
      ...own,
      maxTokens: 7,
      temperature: 0.5,
      topP: 0.9,
      topK: 40,
      presencePenalty: 0.2,
      frequencyPenalty: 0.3,
      stop: ['\n'],
      seed: 11,
      templateOptions: { persona: 'cat', enable_thinking: false },
    });
    await generateText({ model: createTernion(engine), prompt: 'Hi' });
    const unset = engine.calls[1]!.options;
    expect(Object.entries(unset).filter(([, value]) => value !== undefined)).toEqual([
      ['templateOptions', {}],
    ]);
  });

  test('of our own that nobody knows are warned of', async () => {
    const [start] = await partsOf(answering('x'), { providerOptions: { ternion: { minp: 1 } } });
    expect(start).toEqual({
      type: 'stream-start',
      warnings: [{ type: 'unsupported', feature: 'providerOptions.ternion.minp' }],
    });
  });
});

describe('prompts', () => {
  test('become messages with all that templates know', async () => {
    const engine = answering('x');
    await partsOf(engine, {
      prompt: [
        { role: 'system', content: 'Be brief.' },
        {
          role: 'user',
          content: [
            { type: 'text', text: 'a' },
            { type: 'text', text: 'b' },
          ],
        },
        {
          role: 'assistant',
          content: [
            { type: 'reasoning', text: 'why' },
            { type: 'tool-call', toolCallId: '1', toolName: 'f', input: { x: 1 } },
          ],
        },
        {
          role: 'tool',
          content: [
            {
              type: 'tool-result',
              toolCallId: '1',
              toolName: 'f',
              output: { type: 'json', value: { y: 2 } },
            },
            { type: 'tool-result', toolCallId: '2', toolName: 'f', output: { type: 'execution-denied' } },
          ],
        },
      ],
    });
    expect(lastPrompt(engine)).toEqual([
      { role: 'system', content: 'Be brief.' },
      {
        role: 'user',
        content: [
          { type: 'text', text: 'a' },
          { type: 'text', text: 'b' },
        ],
      },
      {
        role: 'assistant',
        content: null,
        reasoning_content: 'why',
        tool_calls: [{ id: '1', type: 'function', function: { name: 'f', arguments: { x: 1 } } }],
      },
      { role: 'tool', content: '{"y":2}', tool_call_id: '1', name: 'f' },
      { role: 'tool', content: 'The user did not allow this call.', tool_call_id: '2', name: 'f' },
    ]);
  });

  test('with files are refused by their type, before anything is generated', async () => {
    const engine = answering('x');
    const file = {
      type: 'file' as const,
      mediaType: 'image/png',
      data: { type: 'data' as const, data: 'AAAA' },
    };
    const refused = partsOf(engine, { prompt: [{ role: 'user', content: [file] }] });
    await expect(refused).rejects.toMatchObject({
      code: 'unsupported-feature',
      message: expect.stringContaining('image/png') as string,
    });
    expect(engine.calls).toEqual([]);
  });

  test('of a conversation find what is in the cache of the session that is kept', async () => {
    const engine = answering('Hello');
    const model = createTernion(engine);
    const first = await generateText({ model, prompt: 'Hi' });
    const messages = [
      { role: 'user' as const, content: 'Hi' },
      { role: 'assistant' as const, content: first.text },
      { role: 'user' as const, content: 'And?' },
    ];
    const second = await generateText({ model, messages });
    expect(second.usage.inputTokenDetails.cacheReadTokens).toBe(first.usage.totalTokens);
    expect(engine.sessions.size).toBe(1);
  });

  test('that overlap get sessions of their own, of which one is left', async () => {
    const engine = answering('Hello');
    const model = createTernion(engine);
    const texts = await Promise.all(
      ['a', 'b', 'c'].map(async (prompt) => (await generateText({ model, prompt })).text),
    );
    expect(texts).toEqual(['Hello', 'Hello', 'Hello']);
    expect(engine.sessions.size).toBe(1);
  });

  test('get another session where the engine has loaded another model, which ends those of the one before', async () => {
    const engine = answering('Hello');
    const model = createTernion(engine);
    await generateText({ model, prompt: 'Hi' });
    for (const session of engine.sessions) await session.dispose();
    expect((await generateText({ model, prompt: 'Hi' })).text).toBe('Hello');
    expect(engine.sessions.size).toBe(1);
    // An engine that is gone has no more to give.
    await engine.dispose();
    const gone = generateText({ model, prompt: 'Hi' });
    await expect(gone).rejects.toMatchObject({ code: 'disposed' });
  });
});

describe('tools', () => {
  const weather = tool({
    description: 'The weather of a city.',
    inputSchema: z.object({ city: z.string() }),
    execute: async ({ city }) => `Rain in ${city}`,
  });
  const CALL = callPieces(0, 'weather', { city: 'Oslo' });
  /** Calls a tool, if there is one, and answers when it was told the result. */
  const calling = (answer: ScriptedAnswer = [{ text: 'Wait. ' }, ...CALL]): ScriptedEngine =>
    new ScriptedEngine(
      ({ prompt, options: { tools } }) =>
        !tools || (Array.isArray(prompt) && prompt.at(-1)?.role === 'tool') ? 'It rains.' : answer,
      { toolCalls: 'hermes' },
    );

  test('are run, and the model answers with what they gave', async () => {
    const engine = calling();
    const result = streamText({
      model: createTernion(engine),
      prompt: 'Oslo?',
      tools: { weather },
      stopWhen: stepCountIs(3),
    });
    const parts = await all(result.fullStream);
    expect(parts.filter(({ type }) => type.startsWith('tool-')).map(({ type }) => type)).toEqual([
      'tool-input-start',
      'tool-input-delta',
      'tool-input-delta',
      'tool-input-end',
      'tool-call',
      'tool-result',
    ]);
    expect(await result.text).toBe('It rains.');
    const steps = await result.steps;
    expect(steps.map(({ finishReason }) => finishReason)).toEqual(['tool-calls', 'stop']);
    expect(steps[0]!.text).toBe('Wait. ');
    expect(steps[0]!.toolCalls[0]).toMatchObject({ toolName: 'weather', input: { city: 'Oslo' } });
    expect(steps[0]!.providerMetadata).toEqual({
      ternion: { tokenIds: [...idsOf('Wait. '), CALL_ID, CALL_ID, CALL_ID, CONTROL.end] },
    });
    const { toolCallId: id } = steps[0]!.toolCalls[0]!;
    expect(lastPrompt(engine)).toEqual([
      { role: 'user', content: 'Oslo?' },
      {
        role: 'assistant',
        content: 'Wait. ',
        tool_calls: [{ id, type: 'function', function: { name: 'weather', arguments: { city: 'Oslo' } } }],
      },
      { role: 'tool', content: 'Rain in Oslo', tool_call_id: id, name: 'weather' },
    ]);
  });

  test('go to the engine by name, with their schemas', async () => {
    const engine = calling();
    await generateText({ model: createTernion(engine), prompt: 'Oslo?', tools: { weather } });
    expect(engine.calls[0]!.options).toMatchObject({
      tools: {
        weather: {
          description: 'The weather of a city.',
          schema: { type: 'object', properties: { city: { type: 'string' } } },
        },
      },
      toolChoice: 'auto',
    });
  });

  test('are kept from the model with toolChoice none, and called where it says so', async () => {
    const engine = calling();
    const model = createTernion(engine);
    const other = tool({ inputSchema: z.object({}) });
    const given = { model, prompt: 'Oslo?', tools: { weather, other } };
    await generateText({ ...given, toolChoice: 'none' });
    expect(engine.calls[0]!.options).not.toHaveProperty('tools');
    for (const [toolChoice, choice] of [
      ['required', 'required'],
      [{ type: 'tool' as const, toolName: 'weather' as const }, { name: 'weather' }],
    ] as const) {
      const { warnings } = await generateText({ ...given, toolChoice });
      const { tools, toolChoice: chosen } = engine.calls.at(-1)!.options;
      expect(Object.keys(tools!)).toEqual(['weather', 'other']);
      expect(chosen).toEqual(choice);
      expect(warnings).toEqual([]);
    }
  });

  test('stream the arguments of several calls as they come, each with the ids of its tokens', async () => {
    const engine = calling([...CALL, ...callPieces(1, 'weather', { city: 'Rome' })]);
    const inputSchema = { type: 'object' as const };
    const tools = [{ type: 'function' as const, name: 'weather', inputSchema }];
    const parts = await partsOf(engine, { tools, providerOptions: { ternion: { tokenIds: true } } });
    const input = ['tool-input-start', 'tool-input-delta', 'tool-input-delta', 'tool-input-end', 'tool-call'];
    expect(types(parts)).toEqual(['stream-start', 'response-metadata', ...input, ...input, 'finish']);
    expect(parts.filter((part) => part.type === 'tool-call')).toEqual([
      { type: 'tool-call', toolCallId: 'call_0', toolName: 'weather', input: '{"city":"Oslo"}' },
      { type: 'tool-call', toolCallId: 'call_1', toolName: 'weather', input: '{"city":"Rome"}' },
    ]);
    const told = parts.flatMap((part) =>
      'providerMetadata' in part && part.type !== 'finish'
        ? (part.providerMetadata?.['ternion']?.['tokenIds'] ?? [])
        : [],
    );
    expect(told).toEqual([...Array.from({ length: 6 }, () => CALL_ID), CONTROL.end]);
    expect(parts.at(-1)).toMatchObject({ finishReason: { unified: 'tool-calls', raw: 'tool-calls' } });
  });

  test('are not run with arguments that were cut', async () => {
    const result = await generateText({
      model: createTernion(calling(CALL)),
      prompt: 'Oslo?',
      tools: { weather },
      maxOutputTokens: 2,
    });
    expect([result.finishReason, result.toolCalls, result.text]).toEqual(['length', [], '']);
  });

  test('that the template does not know are warned of, and not handed over', async () => {
    const result = await generateText({
      model: createTernion(answering('x')),
      prompt: 'x',
      tools: { weather },
    });
    expect(result.text).toBe('x');
    expect(result.warnings).toMatchObject([{ type: 'unsupported', feature: 'tools' }]);
  });
});

describe('JSON', () => {
  const Person = z.object({ name: z.string() });

  test('is held to its schema, which the model is told too, and read by the SDK', async () => {
    const engine = answering('{"name":"Ravi"}');
    const result = await generateText({
      model: createTernion(engine),
      instructions: 'Be brief.',
      prompt: 'Who?',
      output: Output.object({ schema: Person }),
    });
    expect(result.output).toEqual({ name: 'Ravi' });
    expect(result.warnings).toEqual([]);
    const { responseFormat } = engine.calls[0]!.options;
    expect(responseFormat).toMatchObject({
      type: 'json',
      schema: { type: 'object', properties: { name: { type: 'string' } }, required: ['name'] },
    });
    const [system] = lastPrompt(engine) as { content: string }[];
    expect(system!.content).toMatch(
      /^Be brief\.\n\nJSON schema:\n\{.*"name".*\}\nAnswer with JSON that matches/s,
    );
  });

  test('streams as objects that are not whole yet', async () => {
    const result = streamText({
      model: createTernion(answering('{"name":"Ravi"}')),
      prompt: 'Who?',
      output: Output.object({ schema: Person }),
    });
    const partial = await all(result.partialOutputStream);
    expect(partial.at(0)).toEqual({});
    expect(partial.at(-1)).toEqual({ name: 'Ravi' });
    expect(await result.output).toEqual({ name: 'Ravi' });
  });

  test.each([
    ['array', Output.array({ element: z.string() }), '{"elements":["a","b"]}', ['a', 'b']],
    ['choice', Output.choice({ options: ['sunny', 'rainy'] }), '{"result":"rainy"}', 'rainy'],
    ['json', Output.json(), '{"a":1}', { a: 1 }],
  ])('of Output.%s is held to what the SDK asks for', async (_, output, answer, value) => {
    const engine = answering(answer);
    const result = await generateText<Record<string, never>, never, typeof output>({
      model: createTernion(engine),
      prompt: 'x',
      output,
    });
    expect(result.output).toEqual(value);
    expect(engine.calls[0]!.options.responseFormat).toMatchObject({ type: 'json' });
    expect(result.warnings).toEqual([]);
  });

  test('without a schema is any object, and without a system prompt gets one', async () => {
    const engine = answering('{}');
    await partsOf(engine, { responseFormat: { type: 'json' } });
    expect(engine.calls[0]!.options.responseFormat).toEqual({ type: 'json' });
    expect(lastPrompt(engine)).toEqual([
      { role: 'system', content: 'Answer with a JSON object, and with nothing else.' },
      { role: 'user', content: 'Hi' },
    ]);
  });

  test('beside tools is told and not held, with a warning; where a call is forced there is none', async () => {
    const tools = [{ type: 'function' as const, name: 'f', inputSchema: { type: 'object' as const } }];
    const asked = async (toolChoice: 'auto' | 'required' | 'none') => {
      const engine = new ScriptedEngine(() => '{}', { toolCalls: 'hermes' });
      const parts = await partsOf(engine, {
        tools,
        toolChoice: { type: toolChoice },
        responseFormat: { type: 'json' },
      });
      const [start] = parts;
      const { responseFormat } = engine.calls[0]!.options;
      return { warnings: start?.type === 'stream-start' ? start.warnings.length : 0, responseFormat };
    };
    expect(await asked('auto')).toEqual({ warnings: 1, responseFormat: undefined });
    expect(await asked('required')).toEqual({ warnings: 0, responseFormat: undefined });
    expect(await asked('none')).toEqual({ warnings: 0, responseFormat: { type: 'json' } });
  });

  test('has company: shapes that the SDK does not know, by the provider’s name', async () => {
    const engine = answering('12:00');
    const own = { responseFormat: { type: 'regex', pattern: '\\d\\d:\\d\\d' }, bannedTokens: [7] };
    await generateText({ model: createTernion(engine), prompt: 'When?', providerOptions: { ternion: own } });
    expect(engine.calls[0]!.options).toMatchObject(own);
  });

  test('that cannot be enforced is the engine’s own error', async () => {
    const failure = new TernionError('unsupported-feature', "The keyword 'not' is not enforced.");
    const asked = generateText({
      model: createTernion(answering([{ error: failure }])),
      prompt: 'x',
      output: Output.json(),
    });
    await expect(asked).rejects.toBe(failure);
  });
});

describe('an end before the end', () => {
  test('by the signal ends the generation, and the SDK takes it for an abort', async () => {
    const engine = answering('Hello'.repeat(100));
    const controller = new AbortController();
    const result = streamText({ model: createTernion(engine), prompt: 'Hi', abortSignal: controller.signal });
    const seen: string[] = [];
    for await (const part of result.fullStream) {
      seen.push(part.type);
      if (part.type === 'text-delta') controller.abort();
    }
    expect(seen.at(-1)).toBe('abort');
    expect(seen).not.toContain('error');
    // The session is free again, with what was answered in its cache.
    await generateText({ model: createTernion(engine), prompt: 'Hi', maxOutputTokens: 1 });
  });

  test('by the signal rejects generateText with its reason', async () => {
    const reason = new DOMException('Enough.', 'AbortError');
    const engine = new ScriptedEngine(() => 'Hello'.repeat(100));
    const abort = { abortSignal: AbortSignal.any([AbortSignal.timeout(20)]) };
    await expect(
      generateText({ model: createTernion(engine), prompt: 'Hi', ...abort }),
    ).rejects.toMatchObject({
      name: 'TimeoutError',
    });
    const aborted = { abortSignal: AbortSignal.abort(reason) };
    await expect(generateText({ model: createTernion(engine), prompt: 'Hi', ...aborted })).rejects.toBe(
      reason,
    );
  });

  test('by a reader who leaves ends the generation', async () => {
    const engine = answering('Hello'.repeat(100));
    const prompt = [{ role: 'user' as const, content: [{ type: 'text' as const, text: 'Hi' }] }];
    const { stream } = await createTernion(engine).doStream({ prompt });
    const reader = stream.getReader();
    for (let i = 0; i < 5; i++) await reader.read();
    // With a read pending, as `streamText` leaves.
    void reader.read();
    await reader.cancel();
    const [session] = engine.sessions;
    expect(session!.tokenIds.length).toBeLessThan(20);
    expect(engine.sessions.size).toBe(1);
  });

  test('by a failure is told once, and not tried again', async () => {
    const failure = new TernionError('device-lost', 'The GPU went away.');
    const engine = new ScriptedEngine(() => [{ text: 'He' }, { error: failure }]);
    await expect(generateText({ model: createTernion(engine), prompt: 'Hi' })).rejects.toBe(failure);
    expect(engine.calls).toHaveLength(1);
    const errors: unknown[] = [];
    const result = streamText({
      model: createTernion(engine),
      prompt: 'Hi',
      onError: ({ error }) => void errors.push(error),
    });
    const parts = await all(result.fullStream);
    expect(errors).toEqual([failure]);
    expect(types(parts)).toContain('error');
    expect(engine.calls).toHaveLength(2);
  });

  test('by a prompt that is too long is the engine’s own error', async () => {
    const engine = new ScriptedEngine(() => 'x', { contextLength: 4 });
    await expect(generateText({ model: createTernion(engine), prompt: 'Hello' })).rejects.toMatchObject({
      code: 'context-overflow',
    });
  });
});
