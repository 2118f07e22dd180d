// What conversations and template options may be, and that anything else is refused by its place.
import { describe, expect, it } from 'vitest';
import { templateOptions } from '../../../src/boundary/options';
import { messages } from '../../../src/boundary/prompts';
import { argument } from '../../../src/boundary/read';

const CALL = { id: '1', type: 'function' as const, function: { name: 'f', arguments: { x: [1, null] } } };

const read = (given: unknown) => argument(messages, given, 'messages');
const readOptions = (given: unknown) => argument(templateOptions, given, 'templateOptions');

function invalid(words: RegExp): object {
  return expect.objectContaining({
    code: 'invalid-argument',
    message: expect.stringMatching(words) as unknown,
  }) as object;
}

describe('messages', () => {
  it('may be texts, parts of text, calls and what tools answered', () => {
    const given = [
      { role: 'system', content: '' },
      {
        role: 'user',
        content: [
          { type: 'text', text: 'a' },
          { type: 'text', text: 'b' },
        ],
        name: 'Ada',
      },
      { role: 'assistant', content: null, tool_calls: [CALL], reasoning_content: 'hm' },
      { role: 'tool', content: '4', tool_call_id: '1', name: 'f' },
    ];
    expect(read(given)).toEqual(given);
  });

  it('may be of classes of the caller, frozen, without a prototype, or hold more than anybody looks at', () => {
    class Message {
      readonly #text = 'a';
      role = 'user';
      sentAt = new Date();
      get content() {
        return this.#text;
      }
    }
    const bare: unknown = Object.assign(Object.create(null), { role: 'user', content: 'b' });
    const frozen = Object.freeze([new Message(), bare, { role: 'user', content: 'c', draw: () => {} }]);
    expect(read(frozen)).toEqual(['a', 'b', 'c'].map((content) => ({ role: 'user', content })));
  });

  it('are copies: what the caller changes later changes nothing', () => {
    const given = [{ role: 'assistant', content: null, tool_calls: [structuredClone(CALL)] }];
    const copy = read(given);
    given[0]!.role = 'user';
    given[0]!.tool_calls[0]!.function.arguments.x = [];
    expect(copy).toEqual([{ role: 'assistant', content: null, tool_calls: [CALL] }]);
  });

  it('have fields that are read once', () => {
    let reads = 0;
    const message = {
      role: 'user',
      get content() {
        return ++reads === 1 ? 'a' : new Map();
      },
    };
    expect(read([message])).toEqual([{ role: 'user', content: 'a' }]);
    expect(reads).toBe(1);
  });

  const wrong: [string, unknown, RegExp][] = [
    ['no object', 'hi', /^messages\[1\] is 'hi'; it must be an object with a role/],
    ['no role', { content: 'a' }, /messages\[1\]\.role/],
    ['an empty role', { role: '', content: 'a' }, /messages\[1\]\.role/],
    ['no content', { role: 'user' }, /messages\[1\]\.content/],
    ['no content and no calls', { role: 'assistant', content: null }, /messages\[1\]\.content/],
    ['content that is a number', { role: 'user', content: 4 }, /messages\[1\]\.content/],
    [
      'an image',
      { role: 'user', content: [{ type: 'image_url', image_url: 'x' }] },
      /messages\[1\]\.content\[0\].*images/,
    ],
    ['a part without text', { role: 'user', content: [{ type: 'text' }] }, /content\[0\]/],
    ['a name that is none', { role: 'user', content: 'a', name: 4 }, /messages\[1\]\.name/],
    ['calls of a user', { role: 'user', content: 'a', tool_calls: [CALL] }, /only an assistant/],
    ['no calls in a list', { role: 'assistant', content: 'a', tool_calls: [] }, /tool_calls/],
    ['a call of nothing', { role: 'assistant', content: 'a', tool_calls: [{}] }, /tool_calls\[0\]/],
    [
      'a call with arguments that are no JSON',
      {
        role: 'assistant',
        content: null,
        tool_calls: [{ function: { name: 'f', arguments: { when: new Date() } } }],
      },
      /tool_calls\[0\]\.function\.arguments\.when is an object; it must be a JSON value/,
    ],
  ];

  it.each(wrong)('may not have %s', (_name, message, words) => {
    expect(() => read([{ role: 'user', content: 'a' }, message])).toThrow(invalid(words));
  });
});

describe('template options', () => {
  it('may be any JSON values, and undefined', () => {
    const options = {
      tools: [{ name: 'f' }],
      enable_thinking: false,
      depth: { a: [1, 'x', null] },
      no: undefined,
    };
    expect(readOptions(options)).toStrictEqual({
      tools: options.tools,
      enable_thinking: false,
      depth: options.depth,
    });
    expect(readOptions({ tools: null })).toEqual({ tools: null });
  });

  let deep: unknown = 1;
  for (let i = 0; i < 200; i++) deep = [deep];
  const wrong: [string, unknown, RegExp][] = [
    ['be a list', [], /^templateOptions is a list; it must be a plain object/],
    ['replace the messages', { messages: [] }, /cannot set messages/],
    ['replace the begin-of-text token', { bos_token: 'x' }, /cannot set bos_token/],
    ['hold functions', { a: { b: () => 1 } }, /templateOptions\.a\.b is a function; it must be a JSON value/],
    ['hold numbers that JSON has not', { a: [Number.NaN] }, /templateOptions\.a\[0\]/],
    ['hold maps', { a: new Map() }, /templateOptions\.a/],
    ['be nested without end', { deep }, /nested/],
    ['have tools that are no list', { tools: { name: 'f' } }, /tools is an object; it must be a list/],
    ['have tools that are no objects', { tools: ['f'] }, /tools is a list; it must be a list of objects/],
  ];

  it.each(wrong)('may not %s', (_name, options, words) => {
    expect(() => readOptions(options)).toThrow(invalid(words));
  });
});
