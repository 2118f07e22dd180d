// What is left of a conversation that is taken back.
import { describe, expect, test } from 'vitest';
import { Conversation } from '../../../src/engine/conversation';

const user = (content: string) => ({ role: 'user', content });
const assistant = (content: string) => ({ role: 'assistant', content });

/** Two turns: [1 2 3] is answered by [4 5], and with [6 7] behind that by [8 9]. */
function talk(): Conversation {
  const conversation = new Conversation();
  conversation.keep({ ids: [1, 2, 3], messages: [user('a')] }, { text: 'b', tokenIds: [4, 5] });
  const messages = [user('a'), assistant('b'), user('c')];
  conversation.keep(
    { ids: [1, 2, 3, 4, 5, 6, 7], messages },
    { text: 'd', reasoning: 'why', tokenIds: [8, 9] },
  );
  return conversation;
}

describe('a conversation', () => {
  test('grows by answers, with their reasoning where templates expect it', () => {
    expect(talk().messages).toStrictEqual([
      user('a'),
      assistant('b'),
      user('c'),
      { role: 'assistant', content: 'd', reasoning_content: 'why' },
    ]);
  });

  test('keeps the calls of an answer that are whole, as templates know them', () => {
    const conversation = new Conversation();
    const toolCalls = [
      { index: 0, id: 'call_0', name: 'f', argumentsText: '{"a"' },
      { index: 0, argumentsText: ': 1}' },
      { index: 1, id: 'call_1', name: 'f', argumentsText: '{"a": ' },
    ];
    const messages = [user('a')];
    conversation.keep({ ids: [1, 2, 3], messages }, { text: '', toolCalls, tokenIds: [4, 5] });
    const called = { id: 'call_0', type: 'function', function: { name: 'f', arguments: { a: 1 } } };
    expect(conversation.messages).toStrictEqual([...messages, { ...assistant(''), tool_calls: [called] }]);
    expect(conversation.sequence).toEqual([1, 2, 3, 4, 5]);
    expect(conversation.marks).toEqual([
      { tokens: 3, messages: 1 },
      { tokens: 5, messages: 2 },
    ]);
  });

  test('is as it was after an answer that has not begun', () => {
    const conversation = talk();
    const before = structuredClone(new Conversation(conversation));
    conversation.keep({ ids: [7], messages: [user('x')] }, { text: '', tokenIds: [] });
    expect({ ...conversation }).toEqual({ ...before });
  });

  // By how much, the tokens that are left, and how many messages.
  test.each<[number | { turns: number }, number, number]>([
    [0, 9, 4],
    [1, 8, 3],
    [2, 7, 3],
    [3, 6, 2],
    [4, 5, 2],
    [5, 4, 1],
    [7, 2, 0],
    [9, 0, 0],
    [{ turns: 0 }, 9, 4],
    [{ turns: 1 }, 5, 2],
    [{ turns: 2 }, 0, 0],
  ])('taken back by %j has %i tokens and %i messages', (to, tokens, messages) => {
    const conversation = talk();
    conversation.rewind(to);
    expect(conversation.sequence).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9].slice(0, tokens));
    expect(conversation.messages).toEqual(talk().messages.slice(0, messages));
  });

  test('can be taken back step by step, and goes on from there', () => {
    const conversation = talk();
    conversation.rewind(2);
    conversation.keep(
      { ids: [1, 2, 3, 4, 5, 6, 7], messages: [user('a'), assistant('b'), user('c')] },
      { text: 'e', tokenIds: [10] },
    );
    expect(conversation.messages.at(-1)).toEqual(assistant('e'));
    conversation.rewind({ turns: 1 });
    expect(conversation).toMatchObject({ sequence: [1, 2, 3, 4, 5], messages: [user('a'), assistant('b')] });
  });

  test.each([10, { turns: 3 }])('cannot be taken back by %j, and is as it was then', (to) => {
    const conversation = talk();
    expect(() => conversation.rewind(to)).toThrow(expect.objectContaining({ code: 'invalid-argument' }));
    expect({ ...conversation }).toEqual({ ...talk() });
  });

  test('keeps its messages while raw text behind them is taken back', () => {
    const conversation = talk();
    conversation.keep(
      { ids: [1, 2, 3, 4, 5, 6, 7, 8, 9, 1], messages: undefined },
      { text: '', tokenIds: [2] },
    );
    conversation.rewind(2);
    expect(conversation.messages).toHaveLength(4);
    conversation.rewind(1);
    expect(conversation.messages).toHaveLength(3);
    // Another prompt altogether: none of the messages stands in it.
    conversation.keep({ ids: [30, 31], messages: undefined }, { text: '', tokenIds: [2] });
    conversation.rewind(3);
    expect(conversation.messages).toHaveLength(3);
  });

  test('is copied with all that it needs to be taken back', () => {
    const copy = new Conversation(talk());
    copy.rewind(1);
    expect(copy.messages).toHaveLength(3);
    expect(talk().messages).toHaveLength(4);
  });
});
