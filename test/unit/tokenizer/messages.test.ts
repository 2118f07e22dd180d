// What conversations and template options may be, and that anything else is refused by its place.
import { describe, expect, it } from 'vitest';
import { checkMessages, checkTemplateOptions } from '../../../src/tokenizer';
import type { ChatMessage, TemplateOptions } from '../../../src/tokenizer/chat-template';
import { toTemplateMessages } from '../../../src/tokenizer/messages';

const CALL = { id: '1', type: 'function' as const, function: { name: 'f', arguments: { x: [1, null] } } };

function invalid(words: RegExp): object {
  return expect.objectContaining({
    code: 'invalid-argument',
    message: expect.stringMatching(words) as unknown,
  }) as object;
}

describe('messages', () => {
  it('may be texts, parts of text, calls and what tools answered', () => {
    const messages: ChatMessage[] = [
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
    expect(() => checkMessages(messages)).not.toThrow();
    expect(toTemplateMessages(messages).map(({ content }) => content)).toEqual(['', 'a\nb', '', '4']);
    expect(toTemplateMessages(messages)[2]!.tool_calls).toEqual([CALL]);
  });

  const wrong: [string, unknown, RegExp][] = [
    ['no object', 'hi', /^messages\[1\] must be an object/],
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
      /tool_calls\[0\]\.function\.arguments\.when must be a JSON value/,
    ],
  ];

  it.each(wrong)('may not have %s', (_name, message, words) => {
    const messages = [{ role: 'user', content: 'a' }, message] as ChatMessage[];
    expect(() => checkMessages(messages)).toThrow(invalid(words));
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
    expect(() => checkTemplateOptions(options)).not.toThrow();
    expect(() => checkTemplateOptions({ tools: null })).not.toThrow();
    expect(() => checkTemplateOptions(undefined)).not.toThrow();
  });

  let deep: unknown = 1;
  for (let i = 0; i < 200; i++) deep = [deep];
  const wrong: [string, unknown, RegExp][] = [
    ['be a list', [], /^templateOptions must be an object/],
    ['replace the messages', { messages: [] }, /cannot set messages/],
    ['replace the begin-of-text token', { bos_token: 'x' }, /cannot set bos_token/],
    ['hold functions', { a: { b: () => 1 } }, /templateOptions\.a\.b must be a JSON value/],
    ['hold numbers that JSON has not', { a: [Number.NaN] }, /templateOptions\.a\[0\]/],
    ['hold maps', { a: new Map() }, /templateOptions\.a/],
    ['be nested without end', { deep }, /nested/],
    ['have tools that are no list', { tools: { name: 'f' } }, /tools must be a list/],
    ['have tools that are no objects', { tools: ['f'] }, /tools must be a list of objects/],
  ];

  it.each(wrong)('may not %s', (_name, options, words) => {
    expect(() => checkTemplateOptions(options as TemplateOptions)).toThrow(invalid(words));
  });
});
