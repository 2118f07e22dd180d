// How long prompts and answers may be, what arguments are refused, and logits for their own sake.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { GenerateOptions, Prompt } from '../../../src/engine/types';
import { collect } from '../../support/collect';
import { expectFailure } from '../../support/expect-failure';
import { COUNT, LONG, STORY, goldenFor, useSessions } from '../../support/sessions';
import { loadWatched, type WatchedEngine } from '../../support/watched-engine';

const sessions = useSessions();
const { open, undisturbed } = sessions;

describe('length', () => {
  let small: WatchedEngine;
  const CONTEXT = 64;
  beforeAll(async () => {
    small = await loadWatched({ contextLength: CONTEXT });
  });
  afterAll(() => small.engine.dispose());

  const ids = (count: number) => ({ tokenIds: LONG.slice(0, count) });

  test('maxTokens 0 evaluates the prompt and gives no token', async () => {
    const session = open();
    const answer = await collect(session.generate(COUNT.messages, { maxTokens: 0 }));
    expect(answer).toMatchObject({ text: '', tokenIds: [], finishReason: 'length' });
    expect(answer.usage).toMatchObject({ promptTokens: COUNT.promptIds.length, completionTokens: 0 });
    const next = await collect(session.generate(COUNT.messages));
    expect(next.usage!.cachedTokens).toBe(COUNT.promptIds.length - 1);
    expect(next.tokenIds).toEqual(COUNT.greedy);
  });

  test.each([1, 2, 9])('maxTokens %i gives that many', async (maxTokens) => {
    const answer = await collect(open().generate(COUNT.messages, { maxTokens }));
    expect(answer.tokenIds).toEqual(COUNT.greedy.slice(0, maxTokens));
    expect(answer.finishReason).toBe('length');
  });

  test('an answer ends where the context is full', async () => {
    const session = small.engine.createSession();
    const answer = await collect(session.generate(STORY.messages));
    expect(answer.finishReason).toBe('length');
    expect(answer.usage!.promptTokens + answer.usage!.completionTokens).toBe(CONTEXT);
    expect(answer.tokenIds).toEqual(sessions.story.tokenIds.slice(0, answer.tokenIds.length));
    await session.dispose();
  });

  test('a prompt that leaves room for one token gets one', async () => {
    const session = small.engine.createSession();
    const answer = await collect(session.generate(ids(CONTEXT - 1)));
    expect(answer.tokenIds).toHaveLength(1);
    expect(answer.tokenIds).toEqual((await undisturbed(ids(CONTEXT - 1), { maxTokens: 1 })).tokenIds);
    await session.dispose();
  });

  test('logits can be had for as many tokens as the context has, and no more', async () => {
    const { vocabularySize } = small.engine.info;
    const logits = await small.engine.nextLogits(LONG.slice(0, CONTEXT));
    expect(logits).toHaveLength(vocabularySize);
    expect(logits.every((logit) => Number.isFinite(logit))).toBe(true);
    await expectFailure(small.engine.nextLogits(LONG.slice(0, CONTEXT + 1)), 'context-overflow');
  });

  test.each([CONTEXT, CONTEXT + 1, 900])('a prompt of %i tokens does not fit 64', async (count) => {
    const session = small.engine.createSession();
    await expectFailure(collect(session.generate(ids(count))), 'context-overflow', String(count));
    // The session is none the worse.
    expect((await collect(session.generate(COUNT.messages))).tokenIds).toEqual(COUNT.greedy);
    await session.dispose();
  });
});

describe('wrong arguments', () => {
  const wrongOptions: [string, GenerateOptions][] = [
    ['maxTokens', { maxTokens: -1 }],
    ['maxTokens', { maxTokens: 1.5 }],
    ['maxTokens', { maxTokens: NaN }],
    ['temperature', { temperature: NaN }],
    ['temperature', { temperature: -0.1 }],
    ['temperature', { temperature: Infinity }],
    ['topK', { topK: -1 }],
    ['topK', { topK: 0.5 }],
    ['topP', { topP: 2 }],
    ['topP', { topP: -0.1 }],
    ['minP', { minP: 1.1 }],
    ['repetitionPenalty', { repetitionPenalty: 0 }],
    ['frequencyPenalty', { frequencyPenalty: NaN }],
    ['presencePenalty', { presencePenalty: Infinity }],
    ['seed', { seed: 0.5 }],
    ['stop', { stop: '' }],
    ['stop', { stop: ['fine', ''] }],
    ['logitBias', { logitBias: { 1536: 1 } }],
    ['logitBias', { logitBias: { 3: NaN } }],
    ['logitBias', { logitBias: { x: 1 } as Record<number, number> }],
  ];
  test.each(wrongOptions)('%s: %j is refused by name', async (name, options) => {
    await expectFailure(collect(open().generate('Hello', options)), 'invalid-argument', name);
  });

  const wrongPrompts: [string, unknown][] = [
    ['an empty text', ''],
    ['no messages', []],
    ['no ids', { tokenIds: [] }],
    ['no ids, typed', { tokenIds: new Uint32Array() }],
    ['an id beyond the vocabulary', { tokenIds: [1, 1536] }],
    ['a negative id', { tokenIds: [-1] }],
    ['a broken id', { tokenIds: [1.5] }],
    ['an id that is no number', { tokenIds: [NaN] }],
    ['ids that are no list', { tokenIds: 7 }],
    ['a message without content', [{ role: 'user' }]],
    ['a message that is none', [null]],
    ['nothing', undefined],
    ['null', null],
    ['a number', 7],
  ];
  test.each(wrongPrompts)('%s as a prompt is refused', async (_name, prompt) => {
    await expectFailure(collect(open().generate(prompt as Prompt)), 'invalid-argument');
  });

  test('an empty text to send is refused', async () => {
    await expectFailure(collect(open().send('')), 'invalid-argument');
  });

  test('leave the session as it was, and touch no GPU', async () => {
    const session = open();
    await collect(session.send('My name is Ravi.'));
    const { submits } = sessions.watched.counts;
    const before = [...session.messages];
    await expectFailure(collect(session.send('Hello', { topP: 2 })), 'invalid-argument');
    await expectFailure(collect(session.generate([])), 'invalid-argument');
    expect(sessions.watched.counts.submits).toBe(submits);
    expect(session.messages).toEqual(before);
    expect((await collect(session.send('What is my name?'))).text).toBe('Your name is Ravi.');
  });
});

describe('nextLogits', () => {
  test('has its largest where the greedy answer begins', async () => {
    for (const golden of [COUNT, goldenFor('Spell planet.')]) {
      const logits = await sessions.watched.engine.nextLogits(golden.promptIds);
      expect(logits.indexOf(Math.max(...logits))).toBe(golden.greedy[0]);
    }
  });

  test.each([[[]], [[1536]], [[-1]], [[0.5]], [undefined as unknown as number[]]])(
    'refuses %j',
    async (ids) => {
      await expectFailure(sessions.watched.engine.nextLogits(ids), 'invalid-argument');
    },
  );
});
