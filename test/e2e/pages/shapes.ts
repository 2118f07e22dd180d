// Offers to the tests: answers of a given shape from an engine in a worker, with a schema that reads them on the page.
import {
  loadModel,
  type Answer,
  type Engine,
  type GenerateOptions,
  type StandardSchema,
} from '../../../src/index';
import { createQuick } from './quick';
import { refusal, type Refusal } from './refusal';

let engine: Engine;

const QUESTION = [{ role: 'user', content: 'What is the capital of Peru?' }];

/** Takes what JSON Schema can say, and makes a list of it. */
const CAPITAL: StandardSchema<unknown, [string, boolean]> = {
  '~standard': {
    version: 1,
    vendor: 'page',
    validate: (value) => {
      const { capital, sure } = value as { capital: string; sure: boolean };
      return { value: [capital, sure] };
    },
    jsonSchema: {
      input: () => ({
        type: 'object',
        properties: { capital: { enum: ['Lima', 'Oslo'] }, sure: { type: 'boolean' } },
        required: ['capital', 'sure'],
      }),
    },
  },
};

async function ask(options: GenerateOptions): Promise<Answer> {
  const session = engine.createSession();
  try {
    return await session.complete(QUESTION, options);
  } finally {
    await session.dispose();
  }
}

/** Tells of tools, of calls, and of what they gave: that in words that the embedded model was trained with. */
const TEMPLATE = `{%- if tools %}{#- <tool_call> -#}{% endif -%}
{%- for message in messages %}
  {%- if message.role == 'tool' %}{{ 'User: What is ' + message.content + ' + 0?' }}
  {%- else %}{{ message.role | capitalize + ': ' + message.content }}{% endif %}
  {%- for call in message.tool_calls or [] %}{{ call.function.name + ' ' + call.function.arguments.city }}{% endfor %}
  {{- '<|eot_id|>' }}
{%- endfor %}
{%- if add_generation_prompt %}{{ 'Assistant: ' }}{% endif %}`;

Object.assign(globalThis, {
  async load(url: string): Promise<void> {
    engine = await loadModel(url, { createWorker: createQuick });
  },
  dispose: () => engine.dispose(),
  ask,
  async askForCapital(options: GenerateOptions): Promise<Answer<[string, boolean]>> {
    const session = engine.createSession();
    const responseFormat = { type: 'json', schema: CAPITAL } as const;
    const answer = await session.complete(QUESTION, { ...options, responseFormat });
    await session.dispose();
    return answer;
  },
  async runWeather(city: string, degrees: number): Promise<object> {
    const session = engine.createSession();
    const executed: object[] = [];
    const result = await session.run(`How is the weather in ${city}?`, {
      chatTemplate: TEMPLATE,
      toolChoice: { name: 'weather' },
      parallelToolCalls: false,
      tools: {
        weather: {
          description: 'The temperature in a city, in degrees.',
          schema: { type: 'object', properties: { city: { enum: [city] } }, required: ['city'] },
          execute(args) {
            executed.push(args);
            return degrees;
          },
        },
      },
    });
    const { messages } = session;
    await session.dispose();
    return { ...result, executed, messages };
  },
  refusal: (options: GenerateOptions): Promise<Refusal | undefined> => refusal(() => ask(options)),
  refusalOfFunction: (): Promise<Refusal | undefined> => refusal(() => ask({ logitsProcessor: () => {} })),
});
