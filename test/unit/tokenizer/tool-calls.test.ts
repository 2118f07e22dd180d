// Calls of tools as they come: each answer whole, by character, cut at every place, and cut at random.
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import {
  toolCallFormatOf,
  toolCallStream,
  type FoundCall,
  type ToolCallFormat,
} from '../../../src/tokenizer/tool-calls';
import { follow, NAMES, type Followed } from '../../support/tool-calls';

/** Expects the same of an answer however it is cut, and that what was given parses to the calls. */
function expectFollowed(format: ToolCallFormat, answer: string, text: string, calls: FoundCall[]): void {
  const whole = follow(format, [answer]);
  expect(whole).toMatchObject({ text, calls });
  const parsed = whole.given.map(({ name, argumentsText }) => ({
    name,
    arguments: JSON.parse(argumentsText) as unknown,
  }));
  expect(parsed).toEqual(calls);
  expectSameHoweverCut(format, answer, whole);
}

function expectSameHoweverCut(format: ToolCallFormat, answer: string, whole: Followed): void {
  expect(follow(format, [...answer])).toEqual(whole);
  for (let cut = 1; cut < answer.length; cut++) {
    expect(follow(format, [answer.slice(0, cut), answer.slice(cut)])).toEqual(whole);
  }
}

/** Expects that an answer is a call that breaks off: given so far, and not among the calls. */
function expectBroken(format: ToolCallFormat, answer: string, argumentsText: string, text = ''): void {
  const whole = follow(format, [answer]);
  expect(whole).toEqual({ text, given: [{ name: 'get_weather', argumentsText }], calls: [] });
  expect(() => JSON.parse(argumentsText) as unknown).toThrow(SyntaxError);
  expectSameHoweverCut(format, answer, whole);
}

const weather = (city: string): FoundCall => ({ name: 'get_weather', arguments: { city } });
const NOW: FoundCall = { name: 'now', arguments: {} };

describe('hermes', () => {
  test('a call as Qwen 3 and Hermes write it, alone and amid text', () => {
    const call = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Kyōto"}}\n</tool_call>';
    expectFollowed('hermes', call, '', [weather('Kyōto')]);
    expectFollowed('hermes', `Let me see. ${call} Done.`, 'Let me see.  Done.', [weather('Kyōto')]);
  });

  test('two calls, and a closing tag that is part of a string', () => {
    const answer =
      '<tool_call>{"name": "search", "arguments": {"q": "a</tool_call>\\"b{", "n": 3}}</tool_call>\n' +
      '<tool_call>{"name": "now", "arguments": {}}</tool_call>';
    const search = { name: 'search', arguments: { q: 'a</tool_call>"b{', n: 3 } };
    expectFollowed('hermes', answer, '\n', [search, NOW]);
  });

  test('a closing tag that was forgotten, or cut off', () => {
    for (const close of ['', '\n', '\n</tool_', '</tool_call']) {
      expectFollowed('hermes', `<tool_call>{"name": "now", "arguments": {}}${close}`, '', [NOW]);
    }
  });

  test('members in another order, further ones, and none for the arguments', () => {
    for (const object of [
      '{"arguments": {}, "name": "now"}',
      '{"id": [1, {"name": "x"}], "name": "now", "parameters": {}, "why": "}"}',
      '{ "name" : "now" }',
      '{"name":"now","arguments":null}',
      '{"name":"\\u006eow","arguments":{},"arguments":{"x":1}}',
    ]) {
      expectFollowed('hermes', `<tool_call>${object}</tool_call>`, '', [NOW]);
    }
  });

  test('arguments that are a string of JSON, as some models write them', () => {
    const answer = '<tool_call>{"name": "get_weather", "arguments": "{\\"city\\": \\"Oslo\\"}"}</tool_call>';
    expectFollowed('hermes', answer, '', [weather('Oslo')]);
  });

  test('what is no call is text, to the last character', () => {
    for (const answer of [
      'a <tool of <tool_cal and <tool_call',
      '<tool_call>not JSON</tool_call> but text',
      '<tool_call>{"name": "unknown", "arguments": {}}</tool_call>',
      '<tool_call>{"name": "now", "arguments": [1]}</tool_call>',
      '<tool_call>{"name": "now", "arguments": "[1]"}</tool_call>',
      '<tool_call>{"name": 3, "arguments": {}}</tool_call>',
      '<tool_call>{"arguments": {"city": nowhere}, "name": "now"}</tool_call>',
      '<tool_call>{"arguments": {}}</tool_call>',
      '<tool_call>{"name": "get_wea',
      '<tool_call>[1]</tool_call>',
      '<tool_call>',
    ]) {
      expectFollowed('hermes', answer, answer, []);
    }
  });

  test('a tag that was written twice is text once', () => {
    const answer = '<tool_call><tool_call>{"name": "now"}</tool_call>';
    expectFollowed('hermes', answer, '<tool_call>', [NOW]);
  });

  test('what follows a call within its tags is text', () => {
    const answer = '<tool_call>{"name": "now"} and more</tool_call>';
    expectFollowed('hermes', answer, ' and more</tool_call>', [NOW]);
  });

  test('a call that breaks off stays one as far as it came', () => {
    expectBroken('hermes', '<tool_call>{"name": "get_weather", "arguments": {"city": "Ber', '{"city": "Ber');
    const wrong = '<tool_call>{"name": "get_weather", "arguments": {"city": Ber}}</tool_call> Well.';
    expectBroken('hermes', wrong, '{"city": Ber}', '}</tool_call> Well.');
  });

  test('the name is given with the beginning of the arguments, and these as they come', () => {
    const stream = toolCallStream('hermes', NAMES);
    expect(stream.push('Hello <')).toEqual({ text: 'Hello ', calls: [] });
    expect(stream.push('b> <tool_call>{"name": "search", "argu')).toEqual({ text: '<b> ', calls: [] });
    expect(stream.push('ments": {')).toEqual({
      text: '',
      calls: [{ index: 0, name: 'search', argumentsText: '{' }],
    });
    expect(stream.push('"q": "a')).toEqual({ text: '', calls: [{ index: 0, argumentsText: '"q": "a' }] });
    expect(stream.calls).toEqual([]);
    expect(stream.push('"}}</tool_call>!')).toEqual({
      text: '!',
      calls: [{ index: 0, argumentsText: '"}' }],
    });
    expect(stream.calls).toEqual([{ index: 0, name: 'search', arguments: { q: 'a' } }]);
  });
});

describe('llama-3-json', () => {
  test('a call as Llama 3.1 writes it, and several with semicolons or line ends', () => {
    expectFollowed('llama-3-json', '{"name": "get_weather", "parameters": {"city": "Lima"}}', '', [
      weather('Lima'),
    ]);
    const search = { name: 'search', arguments: { q: 'x; y' } };
    for (const separator of ['; ', ';', '\n', ' ;\n']) {
      const two = `{"name": "search", "parameters": {"q": "x; y"}}${separator}{"name": "now", "parameters": {}}`;
      expectFollowed('llama-3-json', two, '', [search, NOW]);
    }
    expectFollowed('llama-3-json', '\n{"type": "function", "name": "now", "parameters": {}};\n', '', [NOW]);
  });

  test('what is no call is text', () => {
    for (const answer of [
      'It is {"name": "now"}',
      '  Plain text.',
      '{"answer": 42}',
      '{"name": "unknown", "parameters": {}}',
      '{"name": "now',
      '; {"name": "now"}',
      ' ',
      '',
    ]) {
      expectFollowed('llama-3-json', answer, answer, []);
    }
  });

  test('what follows a call is text', () => {
    const call = '{"name": "now", "parameters": {}}';
    for (const rest of [' and more', '; and more', ';; {"name": "now"}', '; {"name": "unknown"}']) {
      expectFollowed('llama-3-json', call + rest, rest, [NOW]);
    }
  });

  test('a call that breaks off stays one as far as it came', () => {
    expectBroken('llama-3-json', '{"name": "get_weather", "parameters": {"ci', '{"ci');
  });
});

describe('pythonic', () => {
  test('calls with literals of every kind', () => {
    const answer =
      "[get_weather(city=\"Zürich\"), search(q='it\\'s \\u00e9)\\n', n=-2.5e3, m=2e-3, deep={\"a\": [1, (2, 3)], 'b': None}, on=True,), now(), list.files-2 ( )]";
    const deep = { a: [1, [2, 3]], b: null };
    expectFollowed('pythonic', answer, '', [
      weather('Zürich'),
      { name: 'search', arguments: { q: "it's é)\n", n: -2500, m: 0.002, deep, on: true } },
      NOW,
      { name: 'list.files-2', arguments: {} },
    ]);
  });

  test('a list that ends with a comma, or is not closed', () => {
    for (const answer of ['[now(),]', '[now()', '[now(), ', ' [ now ( ) ] ']) {
      expectFollowed('pythonic', answer, '', [NOW]);
    }
  });

  test('what is no list of calls is text', () => {
    for (const answer of [
      '[1, 2, 3]',
      '[]',
      '[now]',
      '[unknown()]',
      '[now(',
      '[now(1)]',
      '[now(=1)]',
      '[now(,)]',
      'No list.',
    ]) {
      expectFollowed('pythonic', answer, answer, []);
    }
  });

  test('what follows the list, or is no call in it, is text', () => {
    for (const rest of ['] later', ']]', ', 3]', ', unknown()]', ', now(1)]', ',, now()]', ' now()]']) {
      expectFollowed('pythonic', `[now()${rest}`, rest.startsWith(']') ? rest.slice(1) : rest, [NOW]);
    }
  });

  test('a call that breaks off stays one as far as it came', () => {
    expectBroken('pythonic', '[get_weather(city=somewhere)] So.', '{"city": somewhere', ')] So.');
    expectBroken('pythonic', '[get_weather(city="\\u12")]', '{"city": "\\u12"', ')]');
    expectBroken('pythonic', '[get_weather(city=1e999)]', '{"city": 1e999', ')]');
    expectBroken('pythonic', '[get_weather(city=1], later', '{"city": 1', '], later');
    expectBroken('pythonic', '[get_weather(n=1, 2)]', '{"n": 1', '2)]');
    // Deeper than anybody nests arguments: the reader of literals stops at 64.
    const deep = '['.repeat(500) + ']'.repeat(500);
    expectBroken('pythonic', `[get_weather(city=${deep})]`, `{"city": ${deep}`, ')]');
  });

  test('arguments are given one by one', () => {
    const stream = toolCallStream('pythonic', NAMES);
    expect(stream.push('[search(q')).toEqual({ text: '', calls: [] });
    expect(stream.push('="a')).toEqual({
      text: '',
      calls: [{ index: 0, name: 'search', argumentsText: '{"q": ' }],
    });
    expect(stream.push('b", n=')).toEqual({ text: '', calls: [{ index: 0, argumentsText: '"ab", "n": ' }] });
    expect(stream.push('1)')).toEqual({ text: '', calls: [{ index: 0, argumentsText: '1}' }] });
    expect(stream.calls).toEqual([{ index: 0, name: 'search', arguments: { q: 'ab', n: 1 } }]);
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
