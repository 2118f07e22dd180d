// Stopping an answer, by its reader or by a signal: it ends within a step, and the session is none the worse.
import { describe, expect, test, vi } from 'vitest';
import type { LocalSession } from '../../../src/engine/session';
import { collect } from '../../support/collect';
import type { GoldenPrompt } from '../../support/golden';
import {
  CHUNK,
  COUNT,
  LONG,
  STORY,
  idsOf,
  readChunks,
  readRest,
  textOf,
  useSessions,
} from '../../support/sessions';
import { sleep, until } from '../../support/wait';
import { loadWatched } from '../../support/watched-engine';

const sessions = useSessions();
const { open, undisturbed } = sessions;

describe('stopping', () => {
  /** After a stop at `submits`: one step more may have been on its way; then all is quiet. */
  async function expectQuiet(submits: number): Promise<void> {
    await sleep(60);
    expect(sessions.watched.counts.submits).toBeLessThanOrEqual(submits + 1);
  }

  /** The session still has what it had evaluated, and answers as if nothing had been. */
  async function expectSound(session: LocalSession, golden: GoldenPrompt, cached: number): Promise<void> {
    const next = await collect(session.generate(golden.messages, { maxTokens: 12 }));
    expect(next.usage!.cachedTokens).toBe(cached);
    const whole = golden === STORY ? sessions.story.tokenIds : golden.greedy;
    expect(next.tokenIds).toEqual(whole.slice(0, 12));
  }

  test('cancelling the reader in an answer stops within a step and keeps the cache', async () => {
    const session = open();
    const reader = session.generate(STORY.messages).getReader();
    const read = idsOf(await readChunks(reader, 5));
    const { submits } = sessions.watched.counts;
    await reader.cancel();
    await expectQuiet(submits);
    expect(session.tokenIds.slice(0, STORY.promptIds.length + 5)).toEqual([...STORY.promptIds, ...read]);
    await expectSound(session, STORY, STORY.promptIds.length - 1);
  });

  test('cancelling while a read is waiting ends that read', async () => {
    const session = open();
    const reader = session.generate(STORY.messages).getReader();
    await readChunks(reader, 2);
    const waiting = reader.read();
    const { submits } = sessions.watched.counts;
    await reader.cancel();
    expect((await waiting).done).toBe(true);
    await expectQuiet(submits);
    await expectSound(session, STORY, STORY.promptIds.length - 1);
  });

  test('breaking out of a loop is a cancel', async () => {
    const session = open();
    let chunks = 0;
    for await (const { tokenIds } of session.generate(STORY.messages)) {
      if ((chunks += tokenIds.length) === 4) break;
    }
    await expectQuiet(sessions.watched.counts.submits);
    await expectSound(session, STORY, STORY.promptIds.length - 1);
  });

  test('cancelling before the first read evaluates nothing', async () => {
    const session = open();
    const { submits } = sessions.watched.counts;
    await session.generate(STORY.messages).cancel();
    await sleep(20);
    expect(sessions.watched.counts.submits).toBe(submits);
    await expectSound(session, COUNT, 0);
  });

  test('what was read of a stopped answer is the answer, for the conversation', async () => {
    const session = open();
    const reader = session.send('Count from 3 to 9.').getReader();
    const text = textOf(await readChunks(reader, 4));
    await reader.cancel();
    expect(session.messages.at(-1)).toEqual({ role: 'assistant', content: text });
    expect((await collect(session.send('Spell planet.'))).text).toBe('p-l-a-n-e-t');
  });

  test('cancelling in a long prompt stops within a chunk and keeps what was evaluated', async () => {
    const session = open();
    const before = sessions.watched.counts.submits;
    const reader = session.generate({ tokenIds: LONG }).getReader();
    const reading = reader.read();
    await until(() => sessions.watched.counts.submits >= before + 2);
    const { submits } = sessions.watched.counts;
    await reader.cancel();
    expect((await reading).done).toBe(true);
    await expectQuiet(submits);
    const cached = session.tokenIds.length;
    expect(cached % CHUNK).toBe(0);
    expect(cached).toBeGreaterThanOrEqual(2 * CHUNK);
    expect(cached).toBeLessThan(LONG.length);
    const next = await collect(session.generate({ tokenIds: LONG }, { maxTokens: 12 }));
    expect(next.usage).toMatchObject({ promptTokens: LONG.length, cachedTokens: cached });
    expect(next.tokenIds).toEqual((await undisturbed({ tokenIds: LONG }, { maxTokens: 12 })).tokenIds);
  });

  describe('by a signal', () => {
    test('that has fired already gives one chunk and evaluates nothing', async () => {
      const session = open();
      const { submits } = sessions.watched.counts;
      const answer = await collect(session.send('Hello', { signal: AbortSignal.abort() }));
      expect(answer).toMatchObject({ text: '', tokenIds: [], finishReason: 'abort' });
      expect(answer.chunks).toHaveLength(1);
      expect(answer.usage).toMatchObject({ completionTokens: 0 });
      expect(sessions.watched.counts.submits).toBe(submits);
      await expectSound(session, COUNT, 0);
    });

    test('in an answer ends it within a step', async () => {
      const session = open();
      const controller = new AbortController();
      const reader = session.generate(STORY.messages, { signal: controller.signal }).getReader();
      const chunks = await readChunks(reader, 5);
      const { submits } = sessions.watched.counts;
      controller.abort();
      chunks.push(...(await readRest(reader)));
      await expectQuiet(submits);
      expect(idsOf(chunks).length).toBeLessThanOrEqual(6);
      expect(await sessions.watched.engine.detokenize(idsOf(chunks))).toBe(textOf(chunks));
      expect(chunks.at(-1)).toMatchObject({
        finishReason: 'abort',
        usage: { promptTokens: STORY.promptIds.length, completionTokens: idsOf(chunks).length },
      });
      await expectSound(session, STORY, STORY.promptIds.length - 1);
    });

    test('gives text that was held back for a stop string', async () => {
      const controller = new AbortController();
      const options = { signal: controller.signal, stop: ', 42' };
      const reader = open().send('Count from 3 to 9.', options).getReader();
      const chunks = await readChunks(reader, 3);
      expect(textOf(chunks)).toBe('3');
      controller.abort();
      chunks.push(...(await readRest(reader)));
      expect(textOf(chunks)).toBe(await sessions.watched.engine.detokenize(idsOf(chunks)));
      expect(textOf(chunks)).toMatch(/^3, /);
    });

    test('in a long prompt ends it within a chunk', async () => {
      const session = open();
      const controller = new AbortController();
      const before = sessions.watched.counts.submits;
      const answering = collect(session.generate({ tokenIds: LONG }, { signal: controller.signal }));
      await until(() => sessions.watched.counts.submits >= before + 2);
      const { submits } = sessions.watched.counts;
      controller.abort();
      const answer = await answering;
      await expectQuiet(submits);
      expect(answer).toMatchObject({ text: '', tokenIds: [], finishReason: 'abort' });
      expect(answer.usage!.promptTokens).toBe(LONG.length);
      const cached = session.tokenIds.length;
      expect(cached).toBeGreaterThanOrEqual(2 * CHUNK);
      const next = await collect(session.generate({ tokenIds: LONG }, { maxTokens: 1 }));
      expect(next.usage!.cachedTokens).toBe(cached);
    });

    test('ends a request that waits for another session', async () => {
      const [holder, waiter] = [open(), open()];
      const reader = holder.generate(STORY.messages).getReader();
      const read = await readChunks(reader, 1);
      const controller = new AbortController();
      const waiting = collect(waiter.generate(COUNT.messages, { signal: controller.signal }));
      controller.abort();
      expect(await waiting).toMatchObject({ text: '', tokenIds: [], finishReason: 'abort' });
      const rest = await readRest(reader);
      expect(textOf([...read, ...rest])).toBe(sessions.story.text);
      await expectSound(waiter, COUNT, 0);
    });

    test('ends a request that waits for another one of its session', async () => {
      const session = open();
      const reader = session.generate(COUNT.messages).getReader();
      const read = await readChunks(reader, 1);
      const controller = new AbortController();
      const waiting = collect(session.generate(STORY.messages, { signal: controller.signal }));
      controller.abort();
      expect(await waiting).toMatchObject({ text: '', tokenIds: [], finishReason: 'abort' });
      expect(textOf([...read, ...(await readRest(reader))])).toBe(COUNT.text);
    });
  });
});

test('a signal that outlives many generations is not listened to for ever', async () => {
  const { engine } = await loadWatched();
  const { signal } = new AbortController();
  // What listens to any signal, as those that are made of this one keep what listens to them too.
  const added = vi.spyOn(EventTarget.prototype, 'addEventListener');
  const removed = vi.spyOn(EventTarget.prototype, 'removeEventListener');
  const listening = (): number => {
    const gone = new Set(removed.mock.calls.map(([, listener]) => listener));
    const stays = added.mock.calls.filter(
      ([, listener], i) => added.mock.contexts[i] instanceof AbortSignal && !gone.has(listener),
    );
    return stays.length;
  };
  const session = engine.createSession();
  const reader = session.send('Spell planet.', { signal }).getReader();
  await reader.read();
  expect(listening()).toBeGreaterThan(0);
  await reader.cancel();
  for (let i = 0; i < 3; i++) await collect(session.send('Spell planet.', { signal, maxTokens: 2 }));
  await session.send('Spell planet.', { signal }).cancel();
  expect(listening()).toBe(0);
  vi.restoreAllMocks();
  await engine.dispose();
});
