// Calls of tools in answers, as models write them; each answer comes whole, by character, and cut at every place.
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import {
  toolCallFormatOf,
  toolCallParser,
  type FoundCall,
  type ToolCallFormat,
} from '../../../src/tokenizer/tool-calls';

const NAMES = ['get_weather', 'search', 'now'];

/** What the parser makes of an answer that comes in these pieces. */
function parse(format: ToolCallFormat, pieces: readonly string[]): { text: string; calls: FoundCall[] } {
  const parser = toolCallParser(format, NAMES);
  const found = [...pieces.map((piece) => parser.push(piece)), parser.flush()];
  return { text: found.map(({ text }) => text).join(''), calls: found.flatMap(({ calls }) => calls) };
}

/** Expects the same of an answer however it is cut. */
function expectParsed(format: ToolCallFormat, answer: string, text: string, calls: FoundCall[]): void {
  expect(parse(format, [answer])).toEqual({ text, calls });
  expect(parse(format, [...answer])).toEqual({ text, calls });
  for (let cut = 1; cut < answer.length; cut++) {
    expect(parse(format, [answer.slice(0, cut), answer.slice(cut)])).toEqual({ text, calls });
  }
}

const weather = (city: string): FoundCall => ({ name: 'get_weather', arguments: { city } });

describe('hermes', () => {
  test('a call, alone and amid text', () => {
    const call = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Kyōto"}}\n</tool_call>';
    expectParsed('hermes', call, '', [weather('Kyōto')]);
    expectParsed('hermes', `Let me see. ${call} Done.`, 'Let me see.  Done.', [weather('Kyōto')]);
  });

  test('two calls, with a closing tag inside of no string', () => {
    const answer =
      '<tool_call>{"name": "search", "arguments": {"q": "a < b", "n": 3}}</tool_call>\n' +
      '<tool_call>{"name": "now", "arguments": {}}</tool_call>';
    const calls = [
      { name: 'search', arguments: { q: 'a < b', n: 3 } },
      { name: 'now', arguments: {} },
    ];
    expectParsed('hermes', answer, '\n', calls);
  });

  test('a closing tag that was forgotten at the end', () => {
    expectParsed('hermes', '<tool_call>{"name": "now", "arguments": {}}', '', [
      { name: 'now', arguments: {} },
    ]);
  });

  test('arguments that are a string of JSON, as some models write them', () => {
    const answer = '<tool_call>{"name": "get_weather", "arguments": "{\\"city\\": \\"Oslo\\"}"}</tool_call>';
    expectParsed('hermes', answer, '', [weather('Oslo')]);
  });

  test('what is no call is text, to the last character', () => {
    for (const answer of [
      'a <tool of <tool_cal and <tool_call',
      '<tool_call>{"name": "get_weather", "arguments": {"city": "Ber',
      '<tool_call>not JSON</tool_call> but text',
      '<tool_call>{"name": "unknown", "arguments": {}}</tool_call>',
      '<tool_call>{"name": "now", "arguments": [1]}</tool_call>',
      '<tool_call>[1]</tool_call>',
    ]) {
      expectParsed('hermes', answer, answer, []);
    }
  });

  test('text is given at once, but for what may begin a tag', () => {
    const parser = toolCallParser('hermes', NAMES);
    expect(parser.push('Hello <')).toEqual({ text: 'Hello ', calls: [] });
    expect(parser.push('b>')).toEqual({ text: '<b>', calls: [] });
    expect(parser.push(' <tool_call>')).toEqual({ text: ' ', calls: [] });
    expect(parser.push('{"name": "now"}</tool_call>!')).toEqual({
      text: '!',
      calls: [{ name: 'now', arguments: {} }],
    });
  });
});

describe('llama-3-json', () => {
  test('one call, and several with semicolons', () => {
    expectParsed('llama-3-json', '{"name": "get_weather", "parameters": {"city": "Lima"}}', '', [
      weather('Lima'),
    ]);
    const two = '{"name": "search", "parameters": {"q": "x; y"}}; {"name": "now", "parameters": {}}';
    expectParsed('llama-3-json', two, '', [
      { name: 'search', arguments: { q: 'x; y' } },
      { name: 'now', arguments: {} },
    ]);
  });

  test('what is no call is text', () => {
    for (const answer of [
      'It is {"name": "now"}',
      '  Plain text.',
      '{"answer": 42}',
      '{"name": "now", "parameters": {}} and more',
      '{"name": "unknown", "parameters": {}}',
      '{"name": "now',
      '',
    ]) {
      expectParsed('llama-3-json', answer, answer, []);
    }
  });
});

describe('pythonic', () => {
  test('calls with literals of every kind', () => {
    const answer =
      "[get_weather(city=\"Zürich\"), search(q='it\\'s \\u00e9\\n', n=-2.5e3, m=2e-3, deep={\"a\": [1, (2, 3)], 'b': None}, on=True,), now()]";
    expectParsed('pythonic', answer, '', [
      weather('Zürich'),
      {
        name: 'search',
        arguments: { q: "it's é\n", n: -2500, m: 0.002, deep: { a: [1, [2, 3]], b: null }, on: true },
      },
      { name: 'now', arguments: {} },
    ]);
  });

  test('what is no list of calls is text', () => {
    for (const answer of [
      '[1, 2, 3]',
      '[]',
      '[now()] later',
      '[unknown()]',
      '[now(',
      '[now(x=open)]',
      '[now(x="\\u12")]',
      `[now(x=${'['.repeat(500)}`,
      'No list.',
    ]) {
      expect(parse('pythonic', [...answer])).toEqual({ text: answer, calls: [] });
    }
  });
});

describe('the format of a template', () => {
  const template = (name: string): string =>
    readFileSync(new URL(`../../fixtures/chat-templates/${name}.jinja`, import.meta.url), 'utf8');

  test('is told by its text', () => {
    expect(toolCallFormatOf(template('qwen3'))).toBe('hermes');
    expect(toolCallFormatOf(template('bitnet-2b4t'))).toBeUndefined();
    // As the templates of Llama 3.1 and Llama 3.2 explain the format to their models.
    const json =
      '{% if tools %}Respond in the format {"name": function name, "parameters": dictionary of argument name and its value}.{% endif %}';
    expect(toolCallFormatOf(json)).toBe('llama-3-json');
    const pythonic =
      '{% if tools %}You MUST put it in the format of [func_name1(params_name1=params_value1), func_name2(params)]{% endif %}';
    expect(toolCallFormatOf(pythonic)).toBe('pythonic');
  });
});
