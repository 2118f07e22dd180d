// Answers that begin with given tokens: they go on as if these had been sampled.
import { describe, expect, test } from 'vitest';
import type { PlainGenerateOptions } from '../../../src/engine/types';
import { collect } from '../../support/collect';
import { expectFailure } from '../../support/expect-failure';
import { COUNT, STORY, useSessions } from '../../support/sessions';

const sessions = useSessions();
const { open } = sessions;

const GREEDY: PlainGenerateOptions = {};
const DRAWN: PlainGenerateOptions = {
  temperature: 1.2,
  seed: 7,
  repetitionPenalty: 1.1,
  presencePenalty: 0.5,
};

describe('an answer that begins with given tokens', () => {
  test.each([
    ['the likeliest', GREEDY],
    ['drawn by a seed, with penalties', DRAWN],
  ])('goes on as the answer did that they are of (%s)', async (_name, options) => {
    const whole = await sessions.undisturbed(STORY.messages, { ...options, maxTokens: 40 });
    for (const length of [1, 17, 39]) {
      const beginsWith = whole.tokenIds.slice(0, length);
      const again = await sessions.undisturbed(STORY.messages, { ...options, maxTokens: 40, beginsWith });
      expect(again.tokenIds).toEqual(whole.tokenIds);
      expect(again.text).toBe(whole.text);
      expect(again.chunks[0]?.tokenIds).toEqual(beginsWith);
    }
  });

  test('is kept whole, and counted whole', async () => {
    const session = open();
    const beginsWith = COUNT.greedy.slice(0, 4);
    const { text, usage } = await collect(session.generate(COUNT.messages, { beginsWith }));
    expect(text).toBe(COUNT.text);
    expect(session.messages.at(-1)).toEqual({ role: 'assistant', content: COUNT.text });
    expect(usage).toMatchObject({
      promptTokens: COUNT.promptIds.length,
      completionTokens: COUNT.greedy.length,
    });
  });

  test('finds in a fork what was evaluated of prompt and beginning, and counts that of the prompt', async () => {
    const session = open();
    await collect(session.generate(COUNT.messages));
    const fork = await session.fork();
    const beginsWith = [...COUNT.greedy.slice(0, 3), COUNT.greedy[0] ?? 0];
    const { tokenIds, usage } = await collect(fork.generate(COUNT.messages, { beginsWith }));
    expect(tokenIds.slice(0, 4)).toEqual(beginsWith);
    expect(usage?.cachedTokens).toBe(COUNT.promptIds.length);
    expect(session.messages.at(-1)?.content).toBe(COUNT.text);
    await fork.dispose();
  });

  test('has log-probabilities for what was sampled', async () => {
    const beginsWith = COUNT.greedy.slice(0, 4);
    const { chunks } = await sessions.undisturbed(COUNT.messages, { beginsWith, logprobs: 2 });
    expect(chunks[0]?.logprobs).toBeUndefined();
    const sampled = chunks.flatMap(({ logprobs = [] }) => logprobs.map(({ tokenId }) => tokenId));
    expect(sampled).toEqual(COUNT.greedy.slice(4));
  });

  test('ends with one of them that ends answers, or when it is as long as it may be', async () => {
    const ended = await sessions.undisturbed(COUNT.messages, { beginsWith: [...COUNT.greedy, 5] });
    expect(ended.tokenIds).toEqual(COUNT.greedy);
    expect(ended.finishReason).toBe('stop');
    const cut = await sessions.undisturbed(COUNT.messages, {
      beginsWith: COUNT.greedy.slice(0, 3),
      maxTokens: 2,
    });
    expect(cut.tokenIds).toEqual(COUNT.greedy.slice(0, 3));
    expect(cut.finishReason).toBe('length');
  });

  test('must fit the context with its prompt', async () => {
    const { contextLength } = sessions.watched.engine.info;
    const beginsWith = Array<number>(contextLength - COUNT.promptIds.length).fill(COUNT.greedy[0] ?? 0);
    await expectFailure(collect(open().generate(COUNT.messages, { beginsWith })), 'context-overflow');
  });
});
