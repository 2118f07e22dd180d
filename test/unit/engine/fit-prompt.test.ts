// Prompts that do not fit the context: refused, or made to fit with an exact account of what is missing.
import { describe, expect, test } from 'vitest';
import { encodePrompt } from '../../../src/engine/encode-prompt';
import { fitPrompt, type Room } from '../../../src/engine/fit-prompt';
import type { Prompt } from '../../../src/engine/types';
import { ChatFormat, chatTemplateOf, Tokenizer, type ChatMessage } from '../../../src/tokenizer';
import { tinySpec } from '../../support/tiny-tokenizer';

const chat = new ChatFormat(new Tokenizer(tinySpec()), await chatTemplateOf(tinySpec(), 'bitnet-b1.58'));
const SYSTEM = { role: 'system', content: 'You are brief.' };
const user = (i: number): ChatMessage => ({ role: 'user', content: `Question number ${i} of several` });
const assistant = (i: number): ChatMessage => ({ role: 'assistant', content: `Answer number ${i}` });
const talk = (turns: number): ChatMessage[] => [
  SYSTEM,
  ...Array.from({ length: turns }, (_, i) => [user(i), assistant(i)]).flat(),
  user(turns),
];
const lengthOf = (prompt: Prompt): number => encodePrompt(prompt, chat, []).ids.length;

const fit = (prompt: Prompt, contextLength: number, more: Partial<Room> = {}) =>
  fitPrompt(prompt, chat, [], {
    contextLength,
    maxTokens: Infinity,
    contextOverflow: 'truncate-middle',
    ...more,
  });
const overflow = expect.objectContaining({ code: 'context-overflow' }) as Error;

describe('a conversation', () => {
  test.each([1, 2, 5, 20])('of %i turns loses the oldest ones, as few as need be', (turns) => {
    const messages = talk(turns);
    const withoutTurns = (omitted: number): ChatMessage[] => [SYSTEM, ...messages.slice(1 + 2 * omitted)];
    const lengths = Array.from({ length: turns + 1 }, (_, omitted) => lengthOf(withoutTurns(omitted)));
    for (const contextLength of [
      ...lengths.map((length) => length + 1),
      ...lengths.map((length) => 2 * length),
    ]) {
      const most = contextLength - Math.floor(contextLength / 4);
      const enough = lengths.findIndex((length) => length <= most);
      // Where even the newest turn leaves less room than an answer is to have, it is kept with what room there is.
      const omittedTurns = enough < 0 ? turns : enough;
      const fitted = fit(messages, contextLength);
      expect(fitted).toMatchObject({ omittedTurns, omittedTokens: lengths[0]! - lengths[omittedTurns]! });
      expect(fitted.ids).toEqual(encodePrompt(withoutTurns(omittedTurns), chat, []).ids);
      // The conversation itself forgets nothing.
      expect(fitted.messages).toBe(messages);
    }
  });

  test('that fits loses nothing', () => {
    const messages = talk(5);
    const contextLength = Math.ceil((lengthOf(messages) * 4) / 3) + 1;
    expect(fit(messages, contextLength)).toMatchObject({ omittedTurns: 0, omittedTokens: 0 });
    // Nor for a short answer that fits behind it.
    expect(fit(messages, lengthOf(messages) + 3, { maxTokens: 3 })).toMatchObject({ omittedTurns: 0 });
    expect(fit(messages, lengthOf(messages) + 2, { maxTokens: 3 }).omittedTurns).toBeGreaterThan(0);
  });

  test('whose newest turn leaves less room than it should is kept as long as one token fits', () => {
    const newest = [SYSTEM, user(5)];
    expect(fit(talk(5), lengthOf(newest) + 1)).toMatchObject({ omittedTurns: 5 });
    expect(() => fit(talk(5), lengthOf(newest))).toThrow(overflow);
    expect(() => fit(talk(5), lengthOf(newest))).toThrow(/newest turn/);
    expect(() => fit([SYSTEM, user(0)], lengthOf([SYSTEM, user(0)]))).toThrow(overflow);
    expect(() => fit([SYSTEM], lengthOf([SYSTEM]))).toThrow(overflow);
  });

  test('keeps all of its newest turn, tools and answers included', () => {
    const newest: ChatMessage[] = [
      user(9),
      { role: 'assistant', content: null, tool_calls: [{ function: { name: 'f', arguments: '{}' } }] },
      { role: 'tool', content: 'result' },
    ];
    const messages = [...talk(4).slice(0, -1), ...newest];
    const fitted = fit(messages, lengthOf([SYSTEM, ...newest]) + 1);
    expect(fitted.ids).toEqual(encodePrompt([SYSTEM, ...newest], chat, []).ids);
    expect(fitted.omittedTurns).toBe(4);
  });

  test('is refused unless it may be shortened', () => {
    const messages = talk(5);
    const whole = lengthOf(messages);
    const refusing = { contextOverflow: 'error' } as const;
    expect(() => fit(messages, whole, refusing)).toThrow(overflow);
    expect(fit(messages, whole + 1, refusing)).toMatchObject({ omittedTurns: 0, omittedTokens: 0 });
  });
});

describe('ids and text', () => {
  const ids = Array.from({ length: 100 }, (_, i) => i);

  test('keep their first quarter and their end', () => {
    const fitted = fit({ tokenIds: ids }, 64);
    // Of 64 a quarter is for the answer, and of the 48 others a quarter is the beginning.
    expect(fitted.ids).toEqual([...ids.slice(0, 12), ...ids.slice(-36)]);
    expect(fitted).toMatchObject({ omittedTokens: 52, omittedTurns: 0 });
    expect(fit({ tokenIds: ids }, 64, { maxTokens: 4 }).ids).toHaveLength(60);
    expect(fit({ tokenIds: ids }, 64, { maxTokens: 0 }).ids).toHaveLength(63);
  });

  test('begin with the token that a text begins with', () => {
    const { ids: fitted } = fit('word '.repeat(200), 32);
    expect(fitted).toHaveLength(24);
    expect(fitted[0]).toBe(chat.tokenizer.bosId);
  });

  test.each([1, 2, 3, 4, 5])('fit a context of %i tokens if there is any room', (contextLength) => {
    if (contextLength === 1) expect(() => fit({ tokenIds: ids }, 1)).toThrow(overflow);
    else expect(fit({ tokenIds: ids }, contextLength).ids).toHaveLength(contextLength - 1);
  });
});
