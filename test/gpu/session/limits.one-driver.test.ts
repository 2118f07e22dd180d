// How long prompts and answers may be, what arguments are refused, and logits for their own sake.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CheckedSession } from '../../../src/boundary/checked-engine';
import { optional, text } from '../../../src/boundary/read';
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

  test('a conversation goes on for ever where its oldest turns may be left out', async () => {
    const session = small.engine.createSession();
    const system = { role: 'system', content: 'Be brief.' };
    await session.complete([system, { role: 'user', content: 'My name is Ravi.' }]);
    const options = { contextOverflow: 'truncate-middle', maxTokens: 12 } as const;
    for (let turn = 0; turn < 6; turn++) await collect(session.send(`What is ${turn} + 4?`, options));
    const { messages } = session;
    expect(messages).toHaveLength(15);
    const answer = await collect(session.send('Spell planet.', options));
    const { promptTokens, omittedTokens, omittedTurns } = answer.usage!;
    expect(omittedTurns).toBeGreaterThan(0);
    expect(promptTokens).toBeLessThanOrEqual(CONTEXT - 12);
    // What was left out is exactly what is missing, and the rest is evaluated as if there never was any more.
    const all = [...messages, { role: 'user', content: 'Spell planet.' }];
    const kept = [system, ...all.slice(1 + 2 * omittedTurns)];
    const [whole, fresh] = [
      await undisturbed(all, { maxTokens: 1 }),
      await undisturbed(kept, { maxTokens: 12 }),
    ];
    expect(promptTokens + omittedTokens).toBe(whole.usage!.promptTokens);
    expect(promptTokens).toBe(fresh.usage!.promptTokens);
    expect(answer.tokenIds).toEqual(fresh.tokenIds);
    // By default it is an error, and changes nothing.
    await expectFailure(collect(session.send('Who are you?')), 'context-overflow');
    expect(session.messages).toHaveLength(17);
    await session.dispose();
  });

  test('ids that do not fit are evaluated without their middle', async () => {
    const session = small.engine.createSession();
    const options = { contextOverflow: 'truncate-middle', maxTokens: 4 } as const;
    const { usage, tokenIds } = await collect(session.generate(ids(200), options));
    expect(usage).toMatchObject({ promptTokens: 60, omittedTokens: 140, omittedTurns: 0 });
    const kept = [...LONG.slice(0, 15), ...LONG.slice(155, 200)];
    expect(tokenIds).toEqual((await undisturbed({ tokenIds: kept }, { maxTokens: 4 })).tokenIds);
    await session.dispose();
  });

  test('logits can be had for as many tokens as the context has', async () => {
    const { vocabularySize } = small.engine.info;
    const logits = await small.engine.nextLogits(LONG.slice(0, CONTEXT));
    expect(logits).toHaveLength(vocabularySize);
    expect(logits.every((logit) => Number.isFinite(logit))).toBe(true);
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
  test('leave the session as it was, and touch no GPU', async () => {
    const { engine, counts } = sessions.watched;
    const session = new CheckedSession(open(), engine.info, { chatTemplate: optional(text()) });
    await collect(session.send('My name is Ravi.'));
    const { submits } = counts;
    const before = [...session.messages];
    await expectFailure(collect(session.send('Hello', { topP: 2 })), 'invalid-argument', 'topP');
    await expectFailure(collect(session.generate([])), 'invalid-argument');
    const tooMany = { tokenIds: new Uint16Array(engine.info.contextLength + 1) };
    await expectFailure(collect(session.generate(tooMany)), 'context-overflow');
    expect(counts.submits).toBe(submits);
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
});
