// Answers that may call tools, as grammars: what they derive parses to calls whose arguments validate.
import { Ajv2020 } from 'ajv/dist/2020';
import { describe, expect, it } from 'vitest';
import type { CallableTool, Grammar, ToolChoice } from '../../../src/grammar/grammar';
import { grammarOfTools } from '../../../src/grammar/tool-grammar';
import { toolCallStream, type FoundCall, type ToolCallFormat } from '../../../src/tokenizer/tool-calls';
import { samples } from '../../support/effort';
import { expectFailure } from '../../support/expect-failure';
import { Walks } from '../../support/grammar-walks';
import { random } from '../../support/random';

const TOOLS: readonly CallableTool[] = [
  {
    name: 'get_weather',
    schema: {
      type: 'object',
      properties: { city: { type: 'string', maxLength: 12 }, unit: { enum: ['°C', '°F'] } },
      required: ['city'],
      additionalProperties: false,
    },
  },
  {
    name: 'add',
    schema: {
      type: 'object',
      properties: {
        terms: { type: 'array', items: { type: 'number' }, maxItems: 3 },
        exact: { type: ['boolean', 'null'] },
        note: { type: 'object', properties: { text: { type: 'string', maxLength: 6 } }, required: ['text'] },
      },
      required: ['terms'],
      additionalProperties: false,
    },
  },
  { name: 'now', schema: true },
];
const NAMES = TOOLS.map(({ name }) => name);
const FORMATS: readonly ToolCallFormat[] = ['hermes', 'llama-3-json', 'pythonic'];

const walks = new Walks();
const ajv = new Ajv2020({ strict: false });

function grammarOf(format: ToolCallFormat, choice: ToolChoice, parallel: boolean, tools = TOOLS): Grammar {
  const grammar = grammarOfTools(format, tools, choice, parallel);
  if (grammar) return grammar;
  throw new Error('There is no grammar.');
}

/** The calls of an answer, and the text around them. */
function parsed(format: ToolCallFormat, answer: string): { text: string; calls: readonly FoundCall[] } {
  const stream = toolCallStream(format, NAMES);
  const [first, last] = [stream.push(answer), stream.flush()];
  return { text: first.text + last.text, calls: stream.calls };
}

function expectValid({ name, arguments: args }: FoundCall): void {
  const tool = TOOLS.find((each) => each.name === name);
  expect(tool, name).toBeDefined();
  expect(ajv.validate(tool?.schema ?? false, args), JSON.stringify(args)).toBe(true);
  if (tool?.schema === true) expect(args).toEqual({});
}

/** Two calls as templates of each convention show them. */
const TWO_CALLS: Readonly<Record<ToolCallFormat, string>> = {
  hermes:
    '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Kyōto"}}\n</tool_call>\n' +
    '<tool_call>\n{"name": "now", "arguments": {}}\n</tool_call>',
  'llama-3-json':
    '{"name": "get_weather", "parameters": {"city": "Kyōto"}}; {"name": "now", "parameters": {}}',
  pythonic: "[get_weather(city='Kyōto'), now()]",
};

describe.each(FORMATS)('%s', (format) => {
  it.each([true, false])('required: only calls, each of which validates (parallel: %s)', async (parallel) => {
    const grammar = grammarOf(format, 'required', parallel);
    const next = random(6);
    let most = 0;
    for (let i = 0; i < samples(120); i++) {
      const answer = await walks.text(grammar, next);
      const { text, calls } = parsed(format, answer);
      expect(text.trim(), answer).toBe('');
      expect(calls.length, answer).toBeGreaterThan(0);
      calls.forEach(expectValid);
      most = Math.max(most, calls.length);
    }
    expect(most > 1).toBe(parallel);
  });

  it('a name: only calls of that tool', async () => {
    const grammar = grammarOf(format, { name: 'add' }, true);
    const next = random(7);
    for (let i = 0; i < samples(40); i++) {
      const { calls } = parsed(format, await walks.text(grammar, next));
      expect(new Set(calls.map(({ name }) => name))).toEqual(new Set(['add']));
      calls.forEach(expectValid);
    }
  });

  it('derives two calls as templates show them, and only one where they are not parallel', async () => {
    const answer = TWO_CALLS[format];
    expect(parsed(format, answer).calls).toEqual([
      { index: 0, name: 'get_weather', arguments: { city: 'Kyōto' } },
      { index: 1, name: 'now', arguments: {} },
    ]);
    for (const choice of ['required', 'auto'] as const) {
      expect(await walks.derives(grammarOf(format, choice, true), answer)).toBe(true);
      expect(await walks.derives(grammarOf(format, choice, false), answer)).toBe(false);
    }
  });

  it.each(['', 'Sunny.', 'a\n\n"b" <tool> 日本 𝄞', 'x [now()] {"name": "now"}'])(
    'auto: any text, such as %j; required: none',
    async (text) => {
      expect(await walks.derives(grammarOf(format, 'auto', true), text)).toBe(true);
      expect(await walks.derives(grammarOf(format, 'required', true), text)).toBe(false);
    },
  );

  it('auto: what looks like a call is one', async () => {
    const broken = TWO_CALLS[format].replaceAll('get_weather', 'get_whether');
    expect(await walks.derives(grammarOf(format, 'auto', true), broken)).toBe(false);
  });

  // 100 characters are as many as rules count.
  it.each([
    [40, 40],
    [500, 100],
  ])('a string of at most %i characters has at most %i', async (maxLength, most) => {
    const schema = { type: 'object', properties: { a: { type: 'string', maxLength } }, required: ['a'] };
    const grammar = grammarOfTools(format, [{ name: 'f', schema }], 'required', false);
    const call = (length: number): string => {
      const text = 'x'.repeat(length);
      if (format === 'pythonic') return `[f(a='${text}')]`;
      if (format === 'llama-3-json') return `{"name": "f", "parameters": {"a": "${text}"}}`;
      return `<tool_call>\n{"name": "f", "arguments": {"a": "${text}"}}\n</tool_call>`;
    };
    expect(await walks.derives(grammar, call(most))).toBe(true);
    expect(await walks.derives(grammar, call(most + 1))).toBe(false);
  });

  it('a tool that is not there is refused', async () => {
    const made = async (): Promise<unknown> => grammarOfTools(format, TOOLS, { name: 'gone' }, true);
    await expectFailure(made(), 'invalid-argument', /not there/);
  });

  it('a schema that is not enforced is refused with the name of its tool', async () => {
    const tools = [
      {
        name: 'odd',
        schema: { type: 'object', properties: { a: { not: { type: 'string' } } }, required: ['a'] },
      },
    ];
    const made = async (): Promise<unknown> => grammarOfTools(format, tools, 'auto', true);
    await expectFailure(made(), 'unsupported-feature', /The tool "odd".*not/);
  });
});

it.each(['a"b', "a'b", 'a b', 'a(b', '1a', ''])('a function of Python cannot be called %j', async (name) => {
  const made = async (): Promise<unknown> =>
    grammarOfTools('pythonic', [{ name, schema: true }], 'auto', true);
  await expectFailure(made(), 'invalid-argument', /name/);
});
