// Answers of a given shape through the clients that people use, by the embedded model and real grammars.
import { generateText, Output } from 'ai';
import OpenAI from 'openai';
import { zodResponseFormat } from 'openai/helpers/zod';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import type { EngineHost } from '../../../src/engine/engine-host';
import { createTernion } from '../../../src/surfaces/ai-sdk';
import { createFetch } from '../../../src/surfaces/openai';
import { createLanguageModel } from '../../../src/surfaces/prompt-api';
import { checked } from '../../support/checked';
import { shapedEngine, TOOLS_TEMPLATE } from '../../support/shaped-engine';

let host: EngineHost;
let engine: ReturnType<typeof checked>;
beforeAll(async () => {
  host = await shapedEngine({ chatTemplate: TOOLS_TEMPLATE });
  engine = checked(host);
});
afterAll(() => host.dispose());

const CAPITAL = z.object({ capital: z.enum(['Lima', 'Oslo', 'Tokyo']), sure: z.boolean() });
const QUESTION = 'What is the capital of Peru?';

function client(): OpenAI {
  const fetch = createFetch(engine as Parameters<typeof createFetch>[0]);
  return new OpenAI({ fetch, apiKey: 'local', baseURL: 'http://ternion.invalid/v1', maxRetries: 0 });
}

test('the OpenAI client parses an answer of a schema, and has a tool called', async () => {
  const openai = client();
  const { choices } = await openai.chat.completions.parse({
    model: host.info.name,
    messages: [{ role: 'user', content: QUESTION }],
    response_format: zodResponseFormat(CAPITAL, 'capital'),
  });
  expect(CAPITAL.parse(choices[0]?.message.parsed)).toEqual(choices[0]?.message.parsed);
  const called = await openai.chat.completions.create({
    model: host.info.name,
    messages: [{ role: 'user', content: 'How is the weather in Oslo?' }],
    tools: [
      {
        type: 'function',
        function: {
          name: 'weather',
          parameters: {
            type: 'object',
            properties: { city: { enum: ['Lima', 'Oslo'] } },
            required: ['city'],
          },
        },
      },
    ],
    tool_choice: 'required',
    parallel_tool_calls: false,
  });
  expect(called.choices[0]?.finish_reason).toBe('tool_calls');
  const [call] = called.choices[0]?.message.tool_calls ?? [];
  expect(call).toMatchObject({ type: 'function', function: { name: 'weather' } });
  const args = call?.type === 'function' ? call.function.arguments : '';
  expect(['Lima', 'Oslo']).toContain((JSON.parse(args) as { city: string }).city);
  const refused = openai.chat.completions.create({
    model: host.info.name,
    messages: [{ role: 'user', content: QUESTION }],
    response_format: {
      type: 'json_schema',
      json_schema: { name: 'x', schema: { type: 'array', uniqueItems: true } },
    },
  });
  await expect(refused).rejects.toMatchObject({ status: 400 });
});

test('the AI SDK has its output', async () => {
  const model = createTernion(engine);
  const { output } = await generateText({
    model,
    prompt: QUESTION,
    output: Output.object({ schema: CAPITAL }),
  });
  expect(CAPITAL.parse(output)).toEqual(output);
});

test('the Prompt API holds an answer to its constraint', async () => {
  const LanguageModel = createLanguageModel(engine);
  const session = await LanguageModel.create();
  expect(await session.prompt('What is 3 + 4?', { responseConstraint: /[0-9]{2} apples/ })).toMatch(
    /^[0-9]{2} apples$/,
  );
  const text = await session.prompt(QUESTION, { responseConstraint: z.toJSONSchema(CAPITAL) });
  expect(CAPITAL.parse(JSON.parse(text))).toBeDefined();
  session.destroy();
});
