// Readers that are slow, and sessions that share an engine: each gets its own answer.
import { describe, expect, test } from 'vitest';
import type { GenerateChunk } from '../../../src/engine/types';
import { collect } from '../../support/collect';
import {
  COUNT,
  STORY,
  goldenFor,
  idsOf,
  readChunks,
  readRest,
  textOf,
  useSessions,
} from '../../support/sessions';
import { sleep } from '../../support/wait';

const sessions = useSessions();
const { open, undisturbed } = sessions;

/** Most steps that may run before somebody wants their tokens. */
const MOST_AHEAD = 8;

describe('a slow reader', () => {
  test('gets everything, and few steps run ahead of it', async () => {
    const chunks: GenerateChunk[] = [];
    const reader = open().generate(STORY.messages).getReader();
    const before = sessions.watched.counts.submits;
    for (let i = 1; i <= 5; i++) {
      chunks.push(...(await readChunks(reader, 1)));
      await sleep(120);
      // One submit was the prompt's.
      expect(sessions.watched.counts.submits - before).toBeLessThanOrEqual(1 + i + MOST_AHEAD);
    }
    await sleep(300);
    expect(sessions.watched.counts.submits - before).toBeLessThanOrEqual(1 + 5 + MOST_AHEAD);
    chunks.push(...(await readRest(reader)));
    expect(textOf(chunks)).toBe(sessions.story.text);
  });

  test('that never reads costs nothing', async () => {
    const { submits, buffersMade } = sessions.watched.counts;
    const stream = open().generate(STORY.messages);
    await sleep(50);
    expect(sessions.watched.counts).toMatchObject({ submits, buffersMade });
    await stream.cancel();
  });

  // Tokens become likelier each time they come, so that forgetting how often they came would show.
  const sampling = { temperature: 1, seed: 3, frequencyPenalty: -3, maxTokens: 40 };

  test.each([{}, sampling])('does not block other sessions, and goes on as if alone: %j', async (options) => {
    const [slow, quick] = [open(), open()];
    const alone = await undisturbed(STORY.messages, options);
    const reader = slow.generate(STORY.messages, options).getReader();
    const chunks = await readChunks(reader, 6);
    expect((await collect(quick.generate(COUNT.messages))).tokenIds).toEqual(COUNT.greedy);
    chunks.push(...(await readChunks(reader, 6)));
    // Logits are a request like any other.
    const { vocabularySize } = sessions.watched.engine.info;
    expect(await sessions.watched.engine.nextLogits(COUNT.promptIds)).toHaveLength(vocabularySize);
    chunks.push(...(await readRest(reader)));
    expect(idsOf(chunks)).toEqual(alone.tokenIds);
    expect(textOf(chunks)).toBe(alone.text);
  });
});

describe('several sessions', () => {
  test('that are read in turns all get their own answers', async () => {
    const goldens = [COUNT, goldenFor('Say hello in Japanese.'), goldenFor('Spell planet.')];
    const readers = goldens.map(({ messages }) => open().generate(messages).getReader());
    const ids: number[][] = goldens.map(() => []);
    const running = new Set(readers.keys());
    while (running.size > 0) {
      for (const i of running) {
        const { value, done } = await readers[i]!.read();
        if (done) running.delete(i);
        else ids[i]!.push(...value.tokenIds);
      }
    }
    expect(ids).toEqual(goldens.map(({ greedy }) => greedy));
  });

  test('are served in the order in which they asked', async () => {
    const order: number[] = [];
    const answers = await Promise.all(
      [0, 1, 2].map(async (i) => {
        const chunks: GenerateChunk[] = [];
        for await (const chunk of open().generate(COUNT.messages)) {
          order.push(i);
          chunks.push(chunk);
        }
        return textOf(chunks);
      }),
    );
    expect(answers).toEqual([COUNT.text, COUNT.text, COUNT.text]);
    expect(order).toEqual(order.toSorted((a, b) => a - b));
  });

  test('keep the requests of one session in order, each seeing what was said before', async () => {
    const session = open();
    const texts = ['My name is Ravi.', 'What is the capital of Japan?', 'What is my name?'];
    const answers = await Promise.all(texts.map((text) => collect(session.send(text))));
    expect(answers.at(-1)!.text).toBe('Your name is Ravi.');
  });
});
