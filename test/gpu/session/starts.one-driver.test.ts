// A session that begins with a conversation answers as one in which it was said.
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { LocalEngine } from '../../../src/engine/engine';
import { collect } from '../../support/collect';
import { expectFailure } from '../../support/expect-failure';
import type { GoldenPrompt } from '../../support/golden';
import { loadWatched } from '../../support/watched-engine';

const prompts = JSON.parse(
  readFileSync(new URL('../../fixtures/prompts.json', import.meta.url), 'utf8'),
) as GoldenPrompt[];
const conversations = prompts.filter(({ messages }) => messages.length > 1);

let engine: LocalEngine;
beforeAll(async () => {
  ({ engine } = await loadWatched());
});
afterAll(() => engine.dispose());

test.each(conversations.map((golden) => [golden.messages.length, golden] as const))(
  'the golden answer to the last of %i messages comes where the others were there from the start',
  async (_count, { messages, promptIds, greedy }) => {
    const question = messages.at(-1)!.content;
    await using session = engine.createSession(messages.slice(0, -1));
    expect(session.tokenIds).toEqual([]);
    const answer = await collect(session.send(question, { maxTokens: greedy.length }));
    expect(answer.tokenIds).toEqual(greedy);
    expect(answer.usage).toMatchObject({ promptTokens: promptIds.length, cachedTokens: 0 });
    expect(session.messages.slice(0, -1)).toEqual(messages);
  },
);

test('what does not fit the context is said by the first answer, or left out', async () => {
  const long = Array.from({ length: 60 }, (_, i) => [
    { role: 'user', content: `Count from ${i} to 9.` },
    { role: 'assistant', content: '3, 4, 5, 6, 7, 8, 9.' },
  ]).flat();
  await using session = engine.createSession(long);
  await expectFailure(collect(session.send('Say hello.')), 'context-overflow');
  const shortened = { contextOverflow: 'truncate-middle', maxTokens: 4 } as const;
  const { usage } = await collect(session.send('Say hello.', shortened));
  expect(usage?.omittedTurns).toBeGreaterThan(0);
  expect(session.messages).toHaveLength(long.length + 2);
});
