// A model uses tools: what it calls is executed, and it is told the results. The model is a script.
import { describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import type { GenerateOptions, RunOptions, RunResult } from '../../../src/engine/types';
import { expectFailure } from '../../support/expect-failure';
import {
  callPieces,
  ScriptedEngine,
  type ScriptedAnswer,
  type ScriptedCall,
  type ScriptedPiece,
} from '../../support/scripted-engine';

const CITY = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };

/** A tool that knows these temperatures, and what it was asked. */
function weather(temperatures: Record<string, number> = { Oslo: 7, Lima: 21 }) {
  return {
    description: 'The temperature in a city, °C.',
    schema: CITY,
    execute: vi.fn((args: Record<string, unknown>) => ({ celsius: temperatures[String(args['city'])] })),
  };
}

/** Runs a script of whole answers, one after the other; gives also what each of them was asked for with. */
async function run(
  answers: readonly ScriptedAnswer[],
  options: RunOptions,
): Promise<{ result: RunResult; asked: ScriptedCall[]; messages: unknown }> {
  const left = [...answers];
  const engine = new ScriptedEngine(() => left.shift() ?? 'No more.', { toolCalls: 'hermes' });
  const session = engine.createSession();
  const result = await session.run('How warm is it?', options);
  return { result, asked: engine.calls, messages: session.messages };
}

const call = (city: string, index = 0): ScriptedPiece[] => callPieces(index, 'get_weather', { city });

describe('the loop', () => {
  it('executes what is called, tells the model the results, and gives the last answer with all steps', async () => {
    const tool = weather();
    const { result, messages } = await run(
      [[{ text: 'Let me see.' }, ...call('Oslo'), ...call('Lima', 1)], 'Oslo 7, Lima 21.'],
      { tools: { get_weather: tool } },
    );
    expect(tool.execute.mock.calls.map(([args]) => args)).toEqual([{ city: 'Oslo' }, { city: 'Lima' }]);
    expect(result).toMatchObject({ text: 'Oslo 7, Lima 21.', finishReason: 'stop' });
    expect(result.steps.map(({ answer, results }) => [answer.text, results])).toEqual([
      [
        'Let me see.',
        [
          { id: 'call_0', name: 'get_weather', arguments: { city: 'Oslo' }, result: { celsius: 7 } },
          { id: 'call_1', name: 'get_weather', arguments: { city: 'Lima' }, result: { celsius: 21 } },
        ],
      ],
      ['Oslo 7, Lima 21.', []],
    ]);
    const called = (id: string, city: string) => ({
      id,
      type: 'function',
      function: { name: 'get_weather', arguments: { city } },
    });
    expect(messages).toEqual([
      { role: 'user', content: 'How warm is it?' },
      {
        role: 'assistant',
        content: 'Let me see.',
        tool_calls: [called('call_0', 'Oslo'), called('call_1', 'Lima')],
      },
      { role: 'tool', content: '{"celsius":7}', tool_call_id: 'call_0', name: 'get_weather' },
      { role: 'tool', content: '{"celsius":21}', tool_call_id: 'call_1', name: 'get_weather' },
      { role: 'assistant', content: 'Oslo 7, Lima 21.' },
    ]);
  });

  it('executes the calls of an answer at once', async () => {
    let release = (): void => {};
    const both = new Promise<void>((resolve) => (release = resolve));
    let begun = 0;
    const execute = (): Promise<void> => {
      if (++begun === 2) release();
      return both;
    };
    const { result } = await run([[...call('Oslo'), ...call('Lima', 1)], 'Done.'], {
      tools: { get_weather: { schema: CITY, execute } },
    });
    expect(result.text).toBe('Done.');
  });

  it('tells the model of the tools without their functions, and lets it decide once it has called', async () => {
    const { asked } = await run([call('Oslo'), 'Seven.'], {
      tools: { get_weather: weather() },
      toolChoice: 'required',
      temperature: 0.5,
    });
    const tools = { get_weather: { description: 'The temperature in a city, °C.', schema: CITY } };
    const told = (options: GenerateOptions): unknown => [
      options.tools,
      options.toolChoice,
      options.temperature,
    ];
    expect(asked.map(({ options }) => told(options))).toEqual([
      [tools, 'required', 0.5],
      [tools, 'auto', 0.5],
    ]);
  });

  it('ends after maxSteps answers, the last of which is not executed', async () => {
    const tool = weather();
    const endless = Array.from({ length: 20 }, () => call('Oslo'));
    const bounded = await run(endless, { tools: { get_weather: tool }, maxSteps: 3 });
    expect(bounded.result).toMatchObject({
      finishReason: 'tool-calls',
      toolCalls: [{ name: 'get_weather' }],
    });
    expect(bounded.result.steps.map(({ results }) => results.length)).toEqual([1, 1, 0]);
    expect(tool.execute).toHaveBeenCalledTimes(2);
    const { result } = await run(endless, { tools: { get_weather: tool } });
    expect(result.steps).toHaveLength(8);
  });

  it('gives an answer that was cut as it is, and executes nothing of it', async () => {
    const tool = weather();
    // The name is one token, and the arguments are two.
    const { result } = await run([call('Oslo')], { tools: { get_weather: tool }, maxTokens: 2 });
    expect(result).toMatchObject({ finishReason: 'length', steps: [{ results: [] }] });
    expect(result.toolCalls).toBeUndefined();
    expect(tool.execute).not.toHaveBeenCalled();
  });
});

describe('results', () => {
  /** What the model is told of what a tool does, and what the caller gets. */
  async function told(execute: () => unknown): Promise<{ content: unknown; result: unknown }> {
    const { result, messages } = await run([call('Oslo'), 'Done.'], {
      tools: { get_weather: { schema: CITY, execute } },
    });
    const [, , message] = messages as { content: unknown }[];
    const { result: value, error } = result.steps[0]?.results[0] ?? {};
    return { content: message?.content, result: error === undefined ? value : { error } };
  }

  it.each([
    ['a string as it is', () => 'Rain, 9 °C', 'Rain, 9 °C', 'Rain, 9 °C'],
    ['a number', async () => 7, '7', 7],
    ['nothing', () => undefined, 'null', undefined],
    ['a list', () => [1, null], '[1,null]', [1, null]],
  ])('are told: %s', async (_, execute, content, result) => {
    expect(await told(execute)).toEqual({ content, result });
  });

  it.each([
    ['an error that is thrown', () => Promise.reject(new Error('No "such" city')), 'No "such" city'],
    ['what cannot be JSON', () => 1n, 'Do not know how to serialize a BigInt'],
  ])('are errors: %s', async (_, execute, error) => {
    expect(await told(execute)).toEqual({ content: JSON.stringify({ error }), result: { error } });
  });

  it('come of arguments as a schema makes them; those that it refuses are told as an error', async () => {
    const schema = z.object({ city: z.string().transform((city) => city.toUpperCase()) });
    const refusing = z.object({ city: z.string().refine((city) => city !== 'Oslo', 'Oslo is closed') });
    const execute = vi.fn(({ city }: Record<string, unknown>) => city);
    const { result } = await run([[...call('Oslo'), ...callPieces(1, 'closed', { city: 'Oslo' })], 'Done.'], {
      tools: { get_weather: { schema, execute }, closed: { schema: refusing, execute } },
    });
    const [made, refused] = result.steps[0]?.results ?? [];
    expect(made?.result).toBe('OSLO');
    expect(refused?.error).toContain('Oslo is closed');
    expect(execute).toHaveBeenCalledTimes(1);
  });
});

describe('a tool', () => {
  it('may be of a class, whose function it is', async () => {
    class Thermometer {
      readonly description = 'The temperature in a city, °C.';
      readonly schema = CITY;
      readonly #temperatures: Record<string, number> = { Oslo: 7 };
      execute({ city }: Record<string, unknown>): number | undefined {
        return this.#temperatures[String(city)];
      }
    }
    const tools = { get_weather: new Thermometer() };
    const { result, asked } = await run([call('Oslo'), 'Seven.'], { tools });
    expect(result.steps[0]?.results).toMatchObject([{ result: 7 }]);
    const { description, schema } = tools.get_weather;
    expect(asked[0]?.options.tools).toEqual({ get_weather: { description, schema } });
  });
});

describe('a signal', () => {
  it('is given to tools, and ends the run while one is at work, though the tool does not heed it', async () => {
    const controller = new AbortController();
    let given: AbortSignal | undefined;
    const execute = (_: unknown, { signal }: { signal: AbortSignal }): Promise<never> => {
      given = signal;
      controller.abort('enough');
      return new Promise(() => {});
    };
    const tools = { get_weather: { schema: CITY, execute } };
    await expectFailure(run([call('Oslo')], { tools, signal: controller.signal }), 'aborted');
    expect(given?.aborted).toBe(true);
  });

  it('leaves nothing to be told when a tool fails because of it', async () => {
    const controller = new AbortController();
    const execute = (): Promise<never> => {
      controller.abort();
      return Promise.reject(new Error('aborted by the tool'));
    };
    const tools = { get_weather: { schema: CITY, execute } };
    await expectFailure(run([call('Oslo')], { tools, signal: controller.signal }), 'aborted');
  });

  it('that fires during an answer gives what came of it', async () => {
    const controller = new AbortController();
    const abort = async (): Promise<void> => controller.abort();
    const { result } = await run([[{ text: 'Let' }, { wait: abort }, ...call('Oslo')]], {
      tools: { get_weather: weather() },
      signal: controller.signal,
    });
    expect(result).toMatchObject({ text: 'Let', finishReason: 'abort' });
  });
});

describe('options', () => {
  const tools = { get_weather: weather() };
  it.each([
    ['no options', undefined],
    ['no tools', {}],
    ['a tool that cannot be executed', { tools: { get_weather: { schema: CITY } } }],
    ['a tool that is none', { tools: { get_weather: null } }],
    ['no steps', { tools, maxSteps: 0 }],
    ['half a step', { tools, maxSteps: 1.5 }],
    ['a signal that is none', { tools, signal: {} }],
  ])('are refused: %s', async (_, options) => {
    await expectFailure(run([], options as unknown as RunOptions), 'invalid-argument');
  });
});
