// A model asks for the weather, the page's function answers, the model says the number: by the templates of each convention.
import { describe, expect, it } from 'vitest';
import type { ToolCallFormat } from '../../../src/engine/types';
import { toTemplateMessages } from '../../../src/tokenizer/messages';
import { toolCallFormatOf, toolCallStream } from '../../../src/tokenizer/tool-calls';
import { random } from '../../support/random';
import { templateSource } from '../../support/rendered-templates';
import { ScriptedEngine, type ScriptedCall, type ScriptedPiece } from '../../support/scripted-engine';
import type { ConversationTemplate } from '../../../src/tokenizer';
import { jinjaTemplate } from '../../support/templates';

/** As the models' own templates do it: a tool's results are a turn of `ipython`, and an answer has one call or none. */
const LLAMA_3 = `{%- if tools %}{{ '<system>Respond in the format {"name": function name, "parameters": dictionary of argument name and its value}.' }}{{ tools | tojson }}{{ '</system>' }}{% endif %}
{%- for message in messages %}
{%- if message.tool_calls %}
{%- if message.tool_calls | length != 1 %}{{ raise_exception('This model only supports single tool-calls at once!') }}{% endif %}
{%- set call = message.tool_calls[0].function %}
{{- '<assistant>{"name": "' + call.name + '", "parameters": ' + (call.arguments | tojson) + '}</assistant>' }}
{%- elif message.role == 'tool' %}{{- '<ipython>' + message.content + '</ipython>' }}
{%- else %}{{- '<' + message.role + '>' + message.content + '</' + message.role + '>' }}{% endif %}
{%- endfor %}`;

const PYTHONIC = `{%- if tools %}{{ '<system>You MUST put it in the format of [func_name1(params_name1=params_value1), func_name2(params)].' }}{{ tools | tojson }}{{ '</system>' }}{% endif %}
{%- for message in messages %}
{{- '<' + message.role + '>' + message.content }}
{%- for call in message.tool_calls or [] %}{{- '[' + call.function.name + '(' }}{% for key in call.function.arguments %}{{ key + '=' + (call.function.arguments[key] | tojson) }}{% endfor %}{{- ')]' }}{% endfor %}
{{- '</' + message.role + '>' }}
{%- endfor %}`;

/** What Qwen 3 and Hermes, Llama 3.1, and Llama 3.2 write to call a tool, before and around it. */
const CALLS: Record<ToolCallFormat, (city: string) => string> = {
  hermes: (city) => `\n<tool_call>\n{"name": "get_weather", "arguments": {"city": "${city}"}}\n</tool_call>`,
  'llama-3-json': (city) => `{"name": "get_weather", "parameters": {"city": "${city}"}}`,
  pythonic: (city) => `[get_weather(city='${city}')]`,
};

const draw = random(13);

describe('a model asks for the weather of a drawn city, and says the number', () => {
  it.each([
    ['hermes', templateSource('qwen3')],
    ['llama-3-json', LLAMA_3],
    ['pythonic', PYTHONIC],
  ] as const)('by a template that teaches %s', async (format, source) => {
    expect(toolCallFormatOf(source)).toBe(format);
    const template = jinjaTemplate(source);
    const cities = ['Oslo', 'Lima', 'Kyōto', 'São Paulo', 'Zürich'];
    const city = cities[Math.floor(draw() * cities.length)] ?? 'Oslo';
    const celsius = Math.floor(draw() * 60) - 20;
    const engine = new ScriptedEngine((asked) => answerOf(format, promptOf(template, asked)), {
      toolCalls: format,
    });
    const get_weather = {
      description: 'The temperature in a city, °C.',
      schema: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
      execute: (args: Record<string, unknown>) => ({ celsius: args['city'] === city ? celsius : null }),
    };
    const result = await engine.createSession().run(`How warm is it in ${city}?`, { tools: { get_weather } });
    expect(result.steps[0]?.answer.toolCalls).toEqual([
      { id: 'call_0', name: 'get_weather', arguments: { city } },
    ]);
    expect(result.text).toBe(`It is ${celsius} °C.`);
  });

  function promptOf(template: ConversationTemplate, { prompt, options }: ScriptedCall): string {
    const tools = Object.entries(options.tools ?? {}).map(([name, { description, schema }]) => {
      return { type: 'function', function: { name, description, parameters: schema } };
    });
    return template.render(toTemplateMessages(Array.isArray(prompt) ? prompt : []), {
      addGenerationPrompt: true,
      bosToken: '',
      eosToken: '',
      variables: { tools },
    });
  }

  /** Knows how to call, and to say the last number of a result; what it writes comes in pieces of four characters. */
  function answerOf(format: ToolCallFormat, prompt: string): ScriptedPiece[] {
    expect(prompt).toContain('The temperature in a city');
    const result = /"celsius": ?(-?\d+)/.exec(prompt)?.[1];
    const [, city = ''] = /How warm is it in ([^?]+)\?/.exec(prompt) ?? [];
    const written = result === undefined ? CALLS[format](city) : `It is ${result} °C.`;
    const stream = toolCallStream(format, ['get_weather']);
    const pieces = written.match(/[^]{1,4}/g) ?? [];
    return [...pieces.map((piece) => stream.push(piece)), stream.flush()].flatMap(({ text, calls }) => [
      { text },
      ...calls.map((each) => ({
        call: each.name === undefined ? each : { ...each, id: `call_${each.index}` },
      })),
    ]);
  }
});
