/// <reference types="dom-chromium-ai" />
// The Prompt API on a scripted engine: every member, as the specification and pages that were written for Chrome have it.
import { afterEach, describe, expect, test } from 'vitest';
import type { GenerateChunk, Prompt } from '../../../src/engine/types';
import { TernionError } from '../../../src/errors';
import {
  createLanguageModel,
  installLanguageModel,
  type LanguageModelClass,
  type TernionLanguageModelOptions,
} from '../../../src/surfaces/prompt-api/index';
import { callPieces, CONTROL, idsOf, ScriptedEngine, type ScriptedCall } from '../../support/scripted-engine';

// As @types/dom-chromium-ai has them, which do not know that `params` may give null.
type BrowserClass = Pick<typeof LanguageModel, 'create' | 'availability'> &
  (abstract new () => LanguageModel);
type BrowserSession = LanguageModel;

/** Repeats the last message of the user in capitals. */
function shout({ prompt }: ScriptedCall): string {
  const said = Array.isArray(prompt) ? prompt.filter(({ role }) => role === 'user').at(-1)?.content : '';
  return typeof said === 'string' ? said.toUpperCase() : '';
}

interface Made {
  engine: ScriptedEngine;
  LanguageModel: LanguageModelClass;
}

function made(
  script: ConstructorParameters<typeof ScriptedEngine>[0] = shout,
  limits?: ConstructorParameters<typeof ScriptedEngine>[1],
  options?: TernionLanguageModelOptions,
): Made {
  const engine = new ScriptedEngine(script, limits);
  return { engine, LanguageModel: createLanguageModel(engine, options) };
}

async function all<T>(items: ReadableStream<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of items as unknown as AsyncIterable<T>) list.push(item);
  return list;
}

/** What was generated from last. */
const lastPrompt = ({ calls }: ScriptedEngine): Prompt | undefined => calls.at(-1)?.prompt;

const SYSTEM = { role: 'system', content: 'Shout.' } as const;
/** Tokens of a message of `text`: its role, its characters, its end. */
const tokensOf = (text: string): number => text.length + 2;

describe('the class', () => {
  test('type-checks in place of the browser’s own', async () => {
    const { LanguageModel } = made();
    const native: BrowserClass = LanguageModel;
    const session: BrowserSession = await native.create({ initialPrompts: [SYSTEM] });
    expect(await session.prompt('hi', { signal: new AbortController().signal })).toBe('HI');
  });

  test('makes instances of itself, and cannot be constructed', async () => {
    const { LanguageModel } = made();
    expect(await LanguageModel.create()).toBeInstanceOf(LanguageModel);
    expect(() => void Reflect.construct(LanguageModel, [])).toThrow(new TypeError('Illegal constructor'));
  });

  describe('installed', () => {
    const scope = globalThis as { LanguageModel?: unknown };
    afterEach(() => void delete scope.LanguageModel);

    test('is there where the browser has none, and takes its place only when asked to', () => {
      const { LanguageModel } = made();
      expect(installLanguageModel(LanguageModel)).toBe(LanguageModel);
      expect(scope.LanguageModel).toBe(LanguageModel);
      const { LanguageModel: other } = made();
      expect(installLanguageModel(other)).toBe(LanguageModel);
      expect(scope.LanguageModel).toBe(LanguageModel);
      installLanguageModel(other, { replace: true });
      expect(scope.LanguageModel).toBe(other);
    });
  });

  test('says what is available: text, and tools if the template knows them', async () => {
    const { LanguageModel } = made();
    const tools = [{ name: 'f', description: '', inputSchema: {}, execute: async () => '' }];
    expect(await LanguageModel.availability()).toBe('available');
    const text = [{ type: 'text', languages: ['en', 'ja'] }];
    expect(await LanguageModel.availability({ expectedInputs: text, expectedOutputs: text })).toBe(
      'available',
    );
    expect(await LanguageModel.availability({ expectedInputs: [{ type: 'image' }] })).toBe('unavailable');
    expect(await LanguageModel.availability({ tools })).toBe('unavailable');
    const { LanguageModel: caller } = made(shout, { toolCalls: 'hermes' });
    expect(await caller.availability({ tools, expectedOutputs: [{ type: 'tool-call' }] })).toBe('available');
    await expect(LanguageModel.create({ expectedInputs: [{ type: 'audio' }] })).rejects.toMatchObject({
      name: 'NotSupportedError',
    });
    await expect(LanguageModel.create({ tools })).rejects.toMatchObject({ name: 'NotSupportedError' });
    const wrong = { expectedInputs: [{ type: 'text', languages: ['not a language'] }] };
    await expect(LanguageModel.availability(wrong)).rejects.toBeInstanceOf(RangeError);
  });

  test('of an address says that there is none where there is no WebGPU, and refuses to create', async () => {
    const LanguageModel = createLanguageModel('https://example.com/model.gguf');
    expect(await LanguageModel.availability()).toBe('unavailable');
    expect(await LanguageModel.params()).toBeNull();
    const refused = LanguageModel.create();
    await expect(refused).rejects.toMatchObject({
      name: 'NotSupportedError',
      cause: { code: 'webgpu-unavailable' },
    });
    expect(await refused.catch((error: unknown) => error)).toBeInstanceOf(DOMException);
  });

  test('knows the parameters of Chrome', async () => {
    expect(await made().LanguageModel.params()).toEqual({
      defaultTopK: 3,
      maxTopK: 128,
      defaultTemperature: 1,
      maxTemperature: 2,
    });
  });
});

describe('create', () => {
  test('tells a monitor of a download from 0 to 1, even where there is none', async () => {
    const told: [number, number][] = [];
    const handled: number[] = [];
    await made().LanguageModel.create({
      monitor(monitor) {
        monitor.addEventListener('downloadprogress', (event) => {
          const { loaded, total } = event;
          told.push([loaded, total]);
        });
        monitor.ondownloadprogress = (event) => void handled.push(event.loaded);
      },
    });
    expect(told).toEqual([
      [0, 1],
      [1, 1],
    ]);
    expect(handled).toEqual([0, 1]);
  });

  test('evaluates the initial prompts, which every prompt begins with', async () => {
    const { engine, LanguageModel } = made();
    const session = await LanguageModel.create({
      initialPrompts: [
        SYSTEM,
        {
          role: 'user',
          content: [
            { type: 'text', value: 'a' },
            { type: 'text', value: 'b' },
          ],
        },
        { role: 'assistant', content: 'AB', prefix: true },
      ],
    });
    const initial = [SYSTEM, { role: 'user', content: 'ab' }, { role: 'assistant', content: 'AB' }];
    expect(engine.calls).toMatchObject([{ prompt: initial, options: { maxTokens: 0 } }]);
    expect(session.contextUsage).toBe(tokensOf('Shout.') + tokensOf('ab') + tokensOf('AB') + 1);
    await session.prompt('hi');
    expect(lastPrompt(engine)).toEqual([...initial, { role: 'user', content: 'hi' }]);
  });

  test('rejects initial prompts that are too long, with the numbers', async () => {
    const { engine, LanguageModel } = made(shout, { contextLength: 32 });
    const failure: unknown = await LanguageModel.create({
      initialPrompts: [{ role: 'system', content: 'x'.repeat(40) }],
    }).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(DOMException);
    expect(failure).toMatchObject({ name: 'QuotaExceededError', requested: 43, quota: 32 });
    expect(engine.sessions.size).toBe(0);
  });

  test.each([
    ['a role that there is not', [{ role: 'tool', content: 'x' }], 'TypeError'],
    ['a system message that is not the first', [{ role: 'user', content: 'x' }, SYSTEM], 'TypeError'],
    ['an image', [{ role: 'user', content: [{ type: 'image', value: 'x' }] }], 'NotSupportedError'],
    ['text that is no string', [{ role: 'user', content: [{ type: 'text', value: 1 }] }], 'TypeError'],
    [
      'a prefix that is not the last',
      [{ role: 'assistant', content: 'x', prefix: true }, SYSTEM],
      'TypeError',
    ],
    ['a prefix of a user', [{ role: 'user', content: 'x', prefix: true }], 'SyntaxError'],
  ])('rejects %s', async (_name, initialPrompts, name) => {
    const options = { initialPrompts } as Parameters<LanguageModelClass['create']>[0];
    await expect(made().LanguageModel.create(options)).rejects.toMatchObject({ name });
  });

  test('takes a sampling mode, balanced by default, or numbers', async () => {
    const { engine, LanguageModel } = made();
    const sampled = async (options: Parameters<LanguageModelClass['create']>[0]): Promise<unknown[]> => {
      const session = await LanguageModel.create(options);
      await session.prompt('x');
      const { temperature, topK } = engine.calls.at(-1)!.options;
      expect([session.temperature, session.topK]).toEqual([temperature, topK]);
      return [session.samplingMode, temperature, topK];
    };
    expect(await sampled({})).toEqual(['balanced', 1, 3]);
    expect(await sampled({ samplingMode: 'most-predictable' })).toEqual(['most-predictable', 0, 1]);
    expect(await sampled({ samplingMode: 'most-creative' })).toEqual(['most-creative', 1.5, 128]);
    expect(await sampled({ temperature: 0.5, topK: 7.9 })).toEqual([null, 0.5, 7]);
    expect(await sampled({ temperature: Infinity, topK: Infinity })).toEqual([null, 2, 128]);
    const wrong: [object, object][] = [
      [{ topK: 0 }, RangeError],
      [{ temperature: -1 }, RangeError],
      [{ temperature: NaN }, RangeError],
      [{ samplingMode: 'wild' }, TypeError],
      [{ samplingMode: 'balanced', topK: 3 }, TypeError],
    ];
    for (const [options, type] of wrong) {
      await expect(LanguageModel.create(options)).rejects.toBeInstanceOf(type);
    }
  });

  test('ends by its signal, before and after', async () => {
    const { engine, LanguageModel } = made();
    const reason = new Error('enough');
    await expect(LanguageModel.create({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    const controller = new AbortController();
    const session = await LanguageModel.create({ signal: controller.signal });
    controller.abort(reason);
    await expect(session.prompt('x')).rejects.toBe(reason);
    expect(engine.sessions.size).toBe(0);
  });
});

describe('prompt', () => {
  test('gives the answer, and remembers it', async () => {
    const { engine, LanguageModel } = made();
    const session = await LanguageModel.create();
    expect(session.contextUsage).toBe(0);
    expect(await session.prompt('hi')).toBe('HI');
    // The user's turn, the opening of the answer, the answer and its end.
    expect(session.contextUsage).toBe(tokensOf('hi') + 1 + 3);
    expect(await session.prompt([{ role: 'user', content: 'yo' }])).toBe('YO');
    expect(lastPrompt(engine)).toEqual([
      { role: 'user', content: 'hi' },
      { role: 'assistant', content: 'HI' },
      { role: 'user', content: 'yo' },
    ]);
  });

  test('takes its turn behind those that came before', async () => {
    const session = await made().LanguageModel.create();
    const answers = await Promise.all(['a', 'b', 'c'].map((text) => session.prompt(text)));
    expect(answers).toEqual(['A', 'B', 'C']);
  });

  test('streams, and goes on whether it is read or not', async () => {
    const session = await made().LanguageModel.create();
    expect(await all(session.promptStreaming('hey'))).toEqual(['H', 'E', 'Y']);
    const unread = session.promptStreaming('first');
    expect(await session.prompt('second')).toBe('SECOND');
    expect((await all(unread)).join('')).toBe('FIRST');
  });

  test('goes on behind a prefix, which is kept with the answer', async () => {
    const { engine, LanguageModel } = made(() => 'b = 1');
    const session = await LanguageModel.create({ initialPrompts: [SYSTEM] });
    const answer = await session.prompt([
      { role: 'user', content: 'TOML?' },
      { role: 'assistant', content: 'a = 0\n', prefix: true },
    ]);
    expect(answer).toBe('b = 1');
    expect(engine.calls.at(-1)!.promptIds).toEqual([
      CONTROL.system,
      ...idsOf('Shout.'),
      CONTROL.end,
      CONTROL.user,
      ...idsOf('TOML?'),
      CONTROL.end,
      CONTROL.assistant,
      ...idsOf('a = 0\n'),
    ]);
    await session.prompt('x');
    expect((lastPrompt(engine) as unknown[])[2]).toEqual({ role: 'assistant', content: 'a = 0\nb = 1' });
  });

  test('of nothing is an empty message, and of what is no text one of its name', async () => {
    const { engine, LanguageModel } = made();
    const session = await LanguageModel.create();
    await session.prompt([]);
    expect(lastPrompt(engine)).toEqual([{ role: 'user', content: '' }]);
    await session.prompt({} as string);
    expect((lastPrompt(engine) as unknown[]).at(-1)).toEqual({ role: 'user', content: '[object Object]' });
    await expect(session.prompt([SYSTEM])).rejects.toBeInstanceOf(TypeError);
  });

  test('leaves reasoning out', async () => {
    const session = await made(() => [{ reasoning: 'hm' }, { text: 'ok' }]).LanguageModel.create();
    expect(await session.prompt('x')).toBe('ok');
  });

  test('gives token ids to those who asked for chunks, and repeats itself by a seed', async () => {
    const chunks: GenerateChunk[] = [];
    const sessions: unknown[] = [];
    const { engine, LanguageModel } = made(
      shout,
      {},
      {
        seed: 7,
        onChunk: (chunk, session) => {
          sessions.push(session);
          chunks.push(chunk);
        },
      },
    );
    const session = await LanguageModel.create();
    await session.prompt('hi');
    expect(chunks.flatMap(({ tokenIds }) => tokenIds)).toEqual([...idsOf('HI'), CONTROL.end]);
    expect(new Set(sessions)).toEqual(new Set([session]));
    expect(engine.calls[0]!.options.seed).toBe(7);
  });

  test('fails with exceptions by name, with the cause, and is forgotten then', async () => {
    const failures: [TernionError, string][] = [
      [new TernionError('device-lost', 'gone'), 'UnknownError'],
      [new TernionError('template-failed', 'no'), 'NotSupportedError'],
    ];
    for (const [failure, name] of failures) {
      let fails = true;
      const { engine, LanguageModel } = made((call) => (fails ? [{ error: failure }] : shout(call)));
      const session = await LanguageModel.create();
      const refused: unknown = await session.prompt('lost').catch((error: unknown) => error);
      expect(refused).toBeInstanceOf(DOMException);
      expect(refused).toMatchObject({ name, message: failure.message, cause: failure });
      fails = false;
      expect(await session.prompt('hi')).toBe('HI');
      expect(lastPrompt(engine)).toEqual([{ role: 'user', content: 'hi' }]);
    }
  });

  test('of an engine that was disposed of is an InvalidStateError', async () => {
    const { engine, LanguageModel } = made();
    const session = await LanguageModel.create();
    await engine.dispose();
    await expect(session.prompt('x')).rejects.toMatchObject({ name: 'InvalidStateError' });
    await expect(LanguageModel.create()).rejects.toMatchObject({ name: 'InvalidStateError' });
  });
});

describe('an abort', () => {
  test('amid an answer rejects with the reason, and takes prompt and answer out of the session', async () => {
    const { engine, LanguageModel } = made(() => 'long '.repeat(50));
    const session = await LanguageModel.create({ initialPrompts: [SYSTEM] });
    const before = session.contextUsage;
    const controller = new AbortController();
    const reason = new Error('enough');
    const stream = session.promptStreaming('first', { signal: controller.signal });
    const reader = stream.getReader();
    await reader.read();
    controller.abort(reason);
    await expect(all2(reader)).rejects.toBe(reason);
    expect(session.contextUsage).toBe(before);
    await expect(session.prompt('x', { signal: AbortSignal.abort() })).rejects.toMatchObject({
      name: 'AbortError',
    });
    const second = session.prompt('second', { signal: AbortSignal.timeout(1) }).catch(() => {});
    await second;
    expect(lastPrompt(engine)).not.toContainEqual({ role: 'user', content: 'first' });
  });

  test('of one that waits takes it out of the queue', async () => {
    const { engine, LanguageModel } = made();
    const session = await LanguageModel.create();
    const controller = new AbortController();
    const first = session.prompt('first');
    const second = session.prompt('second', { signal: controller.signal });
    controller.abort();
    await expect(second).rejects.toMatchObject({ name: 'AbortError' });
    expect(await first).toBe('FIRST');
    expect(engine.calls).toHaveLength(1);
  });

  test('by a reader who leaves ends the generation', async () => {
    const { engine, LanguageModel } = made(() => 'long '.repeat(1000));
    const session = await LanguageModel.create();
    const reader = session.promptStreaming('first').getReader();
    await reader.read();
    await reader.cancel();
    await session.append('second');
    expect(lastPrompt(engine)).toEqual([{ role: 'user', content: 'second' }]);
    expect([...engine.sessions][0]!.tokenIds.length).toBeLessThan(100);
  });

  test('by destroy ends everything with an AbortError', async () => {
    const { engine, LanguageModel } = made(() => 'long '.repeat(1000));
    const session = await LanguageModel.create();
    const pending = [session.prompt('a'), all(session.promptStreaming('b')), session.append('c')];
    const outcomes = Promise.allSettled(pending);
    await new Promise((resolve) => setTimeout(resolve, 20));
    session.destroy();
    for (const outcome of await outcomes) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: { name: 'AbortError' } });
    }
    await expect(session.clone()).rejects.toMatchObject({ name: 'AbortError' });
    expect(engine.sessions.size).toBe(0);
    session.destroy();
  });
});

/** Reads to the end. */
async function all2(reader: ReadableStreamDefaultReader<string>): Promise<void> {
  while (!(await reader.read()).done);
}

describe('append', () => {
  test('adds to the conversation, evaluates that already, and asks for nothing', async () => {
    const { engine, LanguageModel } = made();
    const session = await LanguageModel.create();
    expect(await session.append([{ role: 'user', content: 'notes' }])).toBeUndefined();
    expect(engine.calls.at(-1)!.options.maxTokens).toBe(0);
    expect(session.contextUsage).toBe(tokensOf('notes') + 1);
    await session.prompt('now');
    expect(lastPrompt(engine)).toEqual([
      { role: 'user', content: 'notes' },
      { role: 'user', content: 'now' },
    ]);
  });
});

describe('the context', () => {
  // A prompt of n characters takes n + 3 tokens, its answer n + 1. Eight tokens are kept free for an answer.
  const SMALL = { contextLength: 64 };

  test('is measured by what a prompt adds, with nothing evaluated', async () => {
    const { engine, LanguageModel } = made(shout, SMALL);
    const session = await LanguageModel.create({ initialPrompts: [SYSTEM] });
    const calls = engine.calls.length;
    const measured = await session.measureContextUsage('hello');
    expect(measured).toBe(tokensOf('hello'));
    expect(await session.measureContextUsage([{ role: 'assistant', content: 'abc', prefix: true }])).toBe(3);
    expect(await session.measureInputUsage('hello')).toBe(measured);
    expect(engine.calls).toHaveLength(calls);
    const before = session.contextUsage;
    await session.prompt('hello');
    expect(session.contextUsage).toBe(before + measured + 'HELLO'.length + 1);
    expect([session.contextWindow, session.inputQuota]).toEqual([64, 64]);
    expect(session.inputUsage).toBe(session.contextUsage);
  });

  test('that overflows loses its oldest pairs, never the initial prompts, and says so', async () => {
    const { engine, LanguageModel } = made(shout, SMALL);
    const session = await LanguageModel.create({ initialPrompts: [SYSTEM] });
    const events: string[] = [];
    session.oncontextoverflow = () => void events.push('handler');
    session.onquotaoverflow = () => void events.push('old name');
    session.addEventListener('contextoverflow', (event) => void events.push(event.type));
    await session.prompt('the first');
    await session.prompt('two');
    expect([events, session.contextUsage]).toEqual([[], 40]);
    // 17 tokens with the opening of its answer: one more than the 64 less 8 that a prompt may have.
    await session.prompt('and the third?');
    expect(events).toEqual(['handler', 'contextoverflow', 'old name']);
    expect(lastPrompt(engine)).toEqual([
      SYSTEM,
      { role: 'user', content: 'two' },
      { role: 'assistant', content: 'TWO' },
      { role: 'user', content: 'and the third?' },
    ]);
    session.oncontextoverflow = null;
    await session.prompt('and now a fourth one');
    expect(events.slice(3)).toEqual(['contextoverflow', 'old name']);
  });

  test('that cannot hold a prompt refuses it with the numbers, and nothing is left out', async () => {
    const { engine, LanguageModel } = made(shout, SMALL);
    const session = await LanguageModel.create({ initialPrompts: [SYSTEM] });
    await session.prompt('hi');
    const usage = session.contextUsage;
    const long = 'x'.repeat(60);
    const requested = usage + (await session.measureContextUsage(long));
    for (const refused of [session.prompt(long), session.append(long)]) {
      await expect(refused).rejects.toMatchObject({ name: 'QuotaExceededError', requested, quota: 64 });
    }
    expect(session.contextUsage).toBe(usage);
    await session.prompt('yo');
    expect(lastPrompt(engine)).toContainEqual({ role: 'user', content: 'hi' });
  });
});

describe('a clone', () => {
  test('goes on from where the session was, by itself', async () => {
    const { engine, LanguageModel } = made();
    const session = await LanguageModel.create({ initialPrompts: [SYSTEM], samplingMode: 'creative' });
    await session.prompt('hi');
    const clone = await session.clone();
    expect(clone).toBeInstanceOf(LanguageModel);
    expect([clone.samplingMode, clone.contextUsage]).toEqual(['creative', session.contextUsage]);
    await session.prompt('mine');
    await clone.prompt('yours');
    expect(lastPrompt(engine)).toEqual([
      SYSTEM,
      { role: 'user', content: 'hi' },
      { role: 'assistant', content: 'HI' },
      { role: 'user', content: 'yours' },
    ]);
    session.destroy();
    expect(await clone.prompt('still')).toBe('STILL');
  });

  test('that cannot be made is an OperationError, and one that was aborted leaves nothing behind', async () => {
    const { engine, LanguageModel } = made();
    const session = await LanguageModel.create();
    engine.forkFailure = new TernionError('out-of-memory', 'no room');
    await expect(session.clone()).rejects.toMatchObject({ name: 'OperationError', message: 'no room' });
    engine.forkFailure = undefined;
    const controller = new AbortController();
    const clone = session.clone({ signal: controller.signal });
    controller.abort();
    await expect(clone).rejects.toMatchObject({ name: 'AbortError' });
    expect(engine.sessions.size).toBe(1);
  });
});

describe('tools', () => {
  const CALLS = [
    ...callPieces(0, 'weather', { city: 'Oslo' }),
    ...callPieces(1, 'weather', { city: 'Rome' }),
  ];
  const weather = (execute: (input: Readonly<Record<string, unknown>>) => Promise<string>) => ({
    name: 'weather',
    description: 'The weather of a city.',
    inputSchema: { type: 'object' },
    execute,
  });
  const calling = (): Made =>
    made(
      ({ prompt }) => {
        const last = Array.isArray(prompt) ? prompt.at(-1) : undefined;
        return last?.role === 'tool' ? `It is: ${last.content as string}` : CALLS;
      },
      { toolCalls: 'hermes' },
    );

  test('are called at once, and the model answers with what they gave', async () => {
    const { engine, LanguageModel } = calling();
    const asked: unknown[] = [];
    const tools = [
      weather(async ({ city }) => {
        asked.push(city);
        return `rain in ${String(city)}`;
      }),
    ];
    const session = await LanguageModel.create({ tools });
    expect(await session.prompt('Where does it rain?')).toBe('It is: rain in Rome');
    expect(asked).toEqual(['Oslo', 'Rome']);
    expect(engine.calls[0]!.options.tools).toEqual({
      weather: { description: 'The weather of a city.', schema: { type: 'object' } },
    });
    expect(lastPrompt(engine)).toMatchObject([
      { role: 'user', content: 'Where does it rain?' },
      { role: 'assistant', content: null, tool_calls: [{ id: 'call_0' }, { id: 'call_1' }] },
      { role: 'tool', name: 'weather', content: 'rain in Oslo' },
      { role: 'tool', name: 'weather', content: 'rain in Rome' },
    ]);
  });

  test('that fail fail the prompt, which is forgotten', async () => {
    const { LanguageModel } = calling();
    const failure = new Error('no network');
    const session = await LanguageModel.create({ tools: [weather(() => Promise.reject(failure))] });
    await expect(session.prompt('x')).rejects.toBe(failure);
    expect(session.contextUsage).toBe(0);
  });

  test('that are called for ever end with an error', async () => {
    const { LanguageModel } = made(() => callPieces(0, 'weather', {}), { toolCalls: 'hermes' });
    const session = await LanguageModel.create({ tools: [weather(async () => '')] });
    await expect(session.prompt('x')).rejects.toMatchObject({ name: 'UnknownError' });
  });

  test('are not executed with arguments that were cut, which fails the prompt', async () => {
    // The call fills the context: its name, and the first of its arguments.
    const contextLength = 250;
    const { engine, LanguageModel } = made(() => CALLS, { toolCalls: 'hermes', contextLength });
    let executed = 0;
    const session = await LanguageModel.create({ tools: [weather(async () => String(executed++))] });
    const before = await session.measureContextUsage('');
    const prompt = 'x'.repeat(contextLength - before - 2);
    await expect(session.prompt(prompt)).rejects.toMatchObject({ name: 'UnknownError' });
    expect(engine.calls).toHaveLength(1);
    expect(executed).toBe(0);
  });

  test('have something to execute', async () => {
    const tools = [{ name: 'f', description: '', inputSchema: {} }] as never;
    await expect(calling().LanguageModel.create({ tools })).rejects.toBeInstanceOf(TypeError);
  });
});
