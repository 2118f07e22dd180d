// What tokens add to an answer: text, reasoning, and why it ended.
import { describe, expect, test } from 'vitest';
import { Answer, type AnswerPiece } from '../../../src/engine/answer';
import { append, wholeAnswer, wholeCalls } from '../../../src/engine/whole-answer';
import type { GenerateChunk, ToolCallPiece, Usage } from '../../../src/engine/types';
import { ChatFormat, Tokenizer } from '../../../src/tokenizer';
import { tinySpec } from '../../support/tiny-tokenizer';
import { toolCallStream } from '../../../src/tokenizer/tool-calls';
import { jinjaTemplate } from '../../support/templates';

const USAGE: Usage = {
  promptTokens: 1,
  cachedTokens: 0,
  forcedTokens: 0,
  completionTokens: 2,
  queueMs: 0,
  prefillMs: 0,
  decodeMs: 0,
  tokensPerSecond: 0,
  timeToFirstTokenMs: 0,
  omittedTokens: 0,
  omittedTurns: 0,
};

/** The small vocabulary with two control tokens in it, 1000 and 1001, that stand around reasoning. */
function formatWithMarks(): ChatFormat {
  const { tokens, tokenTypes, ...spec } = tinySpec();
  const marks = ['[THINK]', '[/THINK]'];
  const tokenizer = new Tokenizer({
    ...spec,
    tokens: tokens.map((text, id) => marks[id - 1000] ?? text),
    tokenTypes: Array.from(tokenTypes, (type, id) => (marks[id - 1000] === undefined ? type : 3)),
  });
  return new ChatFormat(tokenizer, jinjaTemplate('{{ "[THINK]" }}{{ messages[0].content }}'));
}

const format = formatWithMarks();
const { tokenizer } = format;

/** What an answer of these tokens comes to. */
function answered(ids: readonly number[], stop: string[] = [], isChat = true) {
  const answer = new Answer(format, { stop }, isChat ? { reasoning: format.reasoning } : {});
  let [text, reasoning] = ['', ''];
  const tokenIds: number[] = [];
  for (const token of ids) {
    if (answer.stopReason !== undefined) break;
    const piece = answer.push({ token });
    text += piece.text;
    reasoning += piece.reasoning ?? '';
    tokenIds.push(...piece.tokenIds);
  }
  const { stopReason } = answer;
  const last = answer.flush();
  return { text: text + last.text, reasoning: reasoning + (last.reasoning ?? ''), tokenIds, stopReason };
}

const ids = (text: string): number[] => tokenizer.encode(text);

describe('an answer', () => {
  test('has reasoning between control tokens apart, and all ids', () => {
    const all = [1000, ...ids('Two.\n'), 1001, ...ids('\nThree.')];
    expect(answered(all)).toEqual({
      text: 'Three.',
      reasoning: 'Two.',
      tokenIds: all,
      stopReason: undefined,
    });
    // Raw text is continued as what it is.
    expect(answered(all, [], false)).toMatchObject({ text: 'Two.\n\nThree.', reasoning: '' });
  });

  test('speaks of control tokens as ever once it does not reason', () => {
    expect(answered([...ids('a'), 1000, ...ids('b'), 1001])).toMatchObject({ text: 'ab', reasoning: '' });
  });

  test('ends at a stop string in what it says, and not in its reasoning', () => {
    const all = [1000, ...ids('one stop two'), 1001, ...ids('three stop four')];
    const answer = answered(all, ['stop']);
    expect(answer).toMatchObject({ text: 'three ', reasoning: 'one stop two', stopReason: 'stop' });
    expect(answer.tokenIds.length).toBeLessThan(all.length);
  });

  test('says with which token it ended', () => {
    const [end] = [...format.endIds] as [number];
    expect(answered([...ids('a'), end, ...ids('b')])).toEqual({
      text: 'a',
      reasoning: '',
      tokenIds: [...ids('a'), end],
      stopReason: end,
    });
  });
});

describe('a whole answer', () => {
  const streamOf = (...chunks: GenerateChunk[]): ReadableStream<GenerateChunk> =>
    new ReadableStream({
      start(controller) {
        for (const chunk of chunks) controller.enqueue(chunk);
        controller.close();
      },
    });
  const logprob = (tokenId: number) => ({ tokenId, text: `${tokenId}`, logprob: -1, alternatives: [] });

  test('is its chunks put together', async () => {
    const answer = await wholeAnswer(
      streamOf(
        { text: '', reasoning: 'x', tokenIds: [1], logprobs: [logprob(1)] },
        { text: 'a', tokenIds: [2, 3], logprobs: [logprob(2), logprob(3)] },
        { text: 'b', tokenIds: [], finishReason: 'stop', usage: USAGE },
      ),
    );
    expect(answer).toStrictEqual({
      text: 'ab',
      reasoning: 'x',
      tokenIds: [1, 2, 3],
      logprobs: [1, 2, 3].map(logprob),
      finishReason: 'stop',
      usage: USAGE,
    });
  });

  test('has the calls that are whole', async () => {
    const piece = (toolCalls: ToolCallPiece[]): GenerateChunk => ({ text: '', tokenIds: [1], toolCalls });
    const chunks: GenerateChunk[] = [
      piece([{ index: 0, id: 'a', name: 'f', argumentsText: '' }]),
      piece([{ index: 0, argumentsText: '{"x": ' }]),
      piece([
        { index: 0, argumentsText: '1}' },
        { index: 1, id: 'b', name: 'g', argumentsText: '{"y"' },
      ]),
      { text: '', tokenIds: [2], finishReason: 'length', usage: USAGE },
    ];
    const answer = await wholeAnswer(streamOf(...chunks));
    expect(answer.toolCalls).toEqual([{ id: 'a', name: 'f', arguments: { x: 1 } }]);
  });

  test('has no fields for what is not there', async () => {
    const answer = await wholeAnswer(
      streamOf({ text: 'a', tokenIds: [2], finishReason: 'length', usage: USAGE }),
    );
    expect(answer).toStrictEqual({ text: 'a', tokenIds: [2], finishReason: 'length', usage: USAGE });
  });

  test('fails as its stream does', async () => {
    const failing = new ReadableStream<GenerateChunk>({
      start: (controller) => controller.error(new Error('broken')),
    });
    await expect(wholeAnswer(failing)).rejects.toThrow('broken');
    await expect(wholeAnswer(streamOf({ text: 'a', tokenIds: [2] }))).rejects.toThrow(/last chunk/);
  });
});

describe('an answer that may call tools', () => {
  /** What such an answer comes to, with what the reader was given of calls. */
  function called(
    all: readonly number[],
    { stop = [], reasoning }: { stop?: string[]; reasoning?: boolean } = {},
  ) {
    const calls = toolCallStream('hermes', ['weather']);
    const parts = { calls, callIdPrefix: 'call_7', ...(reasoning && { reasoning: format.reasoning }) };
    const answer = new Answer(format, { stop }, parts);
    const given: AnswerPiece = { text: '', tokenIds: [] };
    for (const token of all) if (answer.stopReason === undefined) append(given, answer.push({ token }));
    append(given, { ...answer.flush(), tokenIds: [] });
    return { ...given, calls: answer.calls, stopReason: answer.stopReason };
  }
  const call = (args: string): string =>
    `<tool_call>\n{"name": "weather", "arguments": ${args}}\n</tool_call>`;

  test('has its calls apart from its text, with ids, arguments as they come, and all tokens', () => {
    const all = ids(`Well. ${call('{"city": "Rome"}')}\n${call('{"city": "Oslo"}')}`);
    const { text, toolCalls = [], tokenIds, calls } = called(all);
    expect(text.trim()).toBe('Well.');
    expect(tokenIds).toEqual(all);
    const first = toolCalls.filter(({ index }) => index === 0);
    expect(first[0]).toMatchObject({ id: 'call_7_0', name: 'weather' });
    expect(first.length).toBeGreaterThan(2);
    expect(first.slice(1).every(({ id, name }) => id === undefined && name === undefined)).toBe(true);
    expect(first.map(({ argumentsText }) => argumentsText).join('')).toBe('{"city": "Rome"}');
    expect(calls).toEqual([
      { id: 'call_7_0', name: 'weather', arguments: { city: 'Rome' } },
      { id: 'call_7_1', name: 'weather', arguments: { city: 'Oslo' } },
    ]);
    expect(wholeCalls(toolCalls)).toEqual(calls);
  });

  test('that was cut has no call that is not whole', () => {
    const { toolCalls = [], calls, text } = called(ids(call('{"city": "Rome"}')).slice(0, -16));
    expect(text).toBe('');
    expect(toolCalls.length).toBeGreaterThan(0);
    expect(calls).toEqual([]);
    expect(wholeCalls(toolCalls)).toEqual([]);
  });

  test('may reason first, about calls too', () => {
    const all = [1000, ...ids(`I call ${call('{}')}.`), 1001, ...ids(`\n${call('{"city": "Rome"}')}`)];
    const { reasoning, text, calls } = called(all, { reasoning: true });
    expect(reasoning).toBe(`I call ${call('{}')}.`);
    expect(text).toBe('');
    expect(calls.map(({ arguments: args }) => args)).toEqual([{ city: 'Rome' }]);
  });

  test('ends at a stop string behind a call, and keeps the call', () => {
    const { calls, text, stopReason } = called(ids(`${call('{}')} and so on`), { stop: ['so'] });
    expect(stopReason).toBe('so');
    expect(calls).toHaveLength(1);
    expect(text.trim()).toBe('and');
  });

  test('has what is no call as text', () => {
    const { text, toolCalls } = called(ids('<tool_call>{"name": "other", "arguments": {}}</tool_call>'));
    expect(text).toContain('"other"');
    expect(toolCalls).toBeUndefined();
  });

  test('counts the tokens that were forced', () => {
    const answer = new Answer(format, { stop: [] });
    for (const token of ids('one two')) answer.push({ token, forced: true });
    answer.push({ token: ids('x')[0] ?? 0 });
    expect(answer.forcedTokens).toBe(ids('one two').length);
  });
});
