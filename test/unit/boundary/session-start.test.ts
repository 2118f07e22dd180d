// What a session begins with is read as messages are, before anything is made.
import { expect, test } from 'vitest';
import type { SessionOptions } from '../../../src/engine/types';
import { TernionError } from '../../../src/errors';
import { checkedRecorder } from '../../support/recording-engine';

const start = (options?: unknown): readonly object[] =>
  checkedRecorder().createSession(options as SessionOptions).messages;

const system = { role: 'system', content: 'Be brief.' };
const turns = [
  { role: 'user', content: [{ type: 'text', text: 'Hello' }] },
  { role: 'assistant', content: 'Hi' },
];

test('a session begins with what the system says, with what was said before, with both or with nothing', () => {
  expect(start({ system: 'Be brief.' })).toEqual([system]);
  expect(start({ messages: turns })).toEqual(turns);
  expect(start({ system: 'Be brief.', messages: turns })).toEqual([system, ...turns]);
  expect(start({ messages: [system, ...turns] })).toEqual([system, ...turns]);
  for (const nothing of [undefined, {}, { system: undefined, messages: [] }])
    expect(start(nothing)).toEqual([]);
});

test('it has copies, in which later changes do not show', () => {
  const said = [{ role: 'user', content: 'Hello' }];
  const messages = start({ messages: said });
  said[0]!.content = 'Goodbye';
  said.push({ role: 'user', content: 'x' });
  expect(messages).toEqual([{ role: 'user', content: 'Hello' }]);
});

const wrong: [string, unknown, RegExp][] = [
  ['options that are none', null, /^options is null/],
  ['a system prompt that is empty', { system: '' }, /options\.system.*not empty/],
  ['a system prompt that is no text', { system: ['Be brief.'] }, /options\.system/],
  ['messages that are none', { messages: 'Hello' }, /options\.messages is 'Hello'; it must be a list/],
  ['a message without a role', { messages: [{ content: 'x' }] }, /options\.messages\[0\]\.role/],
  [
    'an image',
    { messages: [{ role: 'user', content: [{ type: 'image_url' }] }] },
    /options\.messages\[0\]\.content\[0\].*images/,
  ],
  ['two system prompts', { system: 'a', messages: [system] }, /options\.messages\[0\] is of the system/],
  ['too many messages', { messages: { length: 1 } }, /must be a list/],
  [
    'too much text together',
    { system: 'a', messages: [{ role: 'user', content: 'a'.repeat(2 ** 24) }] },
    /16777216 characters/,
  ],
];
test.each(wrong)('%s is refused by its place', (_name, options, message) => {
  expect(() => start(options)).toThrow(TernionError);
  expect(() => start(options)).toThrow(message);
});
