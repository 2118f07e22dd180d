// Disposing of sessions and engines, and what they hold of the GPU's memory.
import { describe, expect, test } from 'vitest';
import { collect } from '../../support/collect';
import { expectFailure } from '../../support/expect-failure';
import { CHUNK, COUNT, LONG, STORY, readChunks, readRest, useSessions } from '../../support/sessions';
import { sleep } from '../../support/wait';
import { loadWatched } from '../../support/watched-engine';

const sessions = useSessions();
const { open } = sessions;

describe('disposal', () => {
  test('of a session ends its stream with an abort, and frees its cache', async () => {
    const before = sessions.watched.counts.liveBytes;
    const session = sessions.watched.engine.createSession();
    const reader = session.generate(STORY.messages).getReader();
    const chunks = await readChunks(reader, 3);
    expect(sessions.watched.counts.liveBytes).toBeGreaterThan(before);
    const disposing = session.dispose();
    chunks.push(...(await readRest(reader)));
    await disposing;
    expect(chunks.at(-1)!.finishReason).toBe('abort');
    expect(sessions.watched.counts.liveBytes).toBe(before);
  });

  test('of a session does not wait for a reader who has gone away', { timeout: 120_000 }, async () => {
    const before = sessions.watched.counts.liveBytes;
    const session = sessions.watched.engine.createSession();
    const reader = session.generate(STORY.messages).getReader();
    await readChunks(reader, 3);
    await session.dispose();
    expect(sessions.watched.counts.liveBytes).toBe(before);
    expect((await readRest(reader)).at(-1)?.finishReason).toBe('abort');
  });

  test('of a session is final', async () => {
    const session = sessions.watched.engine.createSession();
    await collect(session.generate(COUNT.messages, { maxTokens: 1 }));
    await session.dispose();
    await session.dispose();
    await expectFailure(collect(session.send('Hello')), 'disposed');
    await expectFailure(collect(session.generate('Hello')), 'disposed');
  });

  test('of an engine ends all streams and leaves nothing on the GPU', async () => {
    const { engine, gpu, counts } = await loadWatched({ contextLength: CHUNK });
    const [reading, waiting, idle] = [0, 1, 2].map(() => engine.createSession());
    await collect(idle!.generate(COUNT.messages));
    const reader = reading!.generate(STORY.messages).getReader();
    await readChunks(reader, 3);
    const queued = collect(waiting!.generate(COUNT.messages));
    await sleep(1);
    const disposing = engine.dispose();
    expect((await readRest(reader)).at(-1)!.finishReason).toBe('abort');
    expect((await queued).finishReason).toBe('abort');
    await disposing;
    expect(gpu.bytes).toBe(0);
    expect(gpu.bufferCount).toBe(0);
    expect(counts.liveBytes).toBe(0);

    // And it is final.
    await engine.dispose();
    await expectFailure(collect(idle!.send('Hello')), 'disposed');
    await expectFailure(engine.tokenize('Hello'), 'disposed');
    await expectFailure(engine.detokenize([1]), 'disposed');
    await expectFailure(engine.nextLogits([1]), 'disposed');
    expect(() => engine.createSession()).toThrow('disposed');
  });
});

describe('GPU memory', () => {
  test('is what info says, with caches and without', async () => {
    const { engine, counts } = sessions.watched;
    expect(engine.info.gpuBytes).toBe(counts.liveBytes);
    const before = counts.liveBytes;
    const session = engine.createSession();
    await collect(session.generate(COUNT.messages, { maxTokens: 2 }));
    expect(engine.info.gpuBytes).toBe(counts.liveBytes);
    // Keys and values: 4 layers, 2 KV heads of 64, 1024 positions.
    const bytes = engine.info.codePaths.kvCache === 'f16' ? 2 : 4;
    expect(counts.liveBytes - before).toBe(4 * 2 * 2 * 64 * 1024 * bytes);
    await session.dispose();
    expect(counts.liveBytes).toBe(before);
  });

  test('does not grow from answer to answer', async () => {
    const session = open();
    const all = async (): Promise<void> => {
      await collect(session.generate(COUNT.messages));
      await collect(session.generate(STORY.messages, { temperature: 1, maxTokens: 20 }));
      await collect(session.generate(STORY.messages, { repetitionPenalty: 1.1, maxTokens: 20 }));
      await session.generate(COUNT.messages).cancel();
    };
    await all();
    const { buffersMade } = sessions.watched.counts;
    for (let i = 0; i < 3; i++) await all();
    expect(sessions.watched.counts.buffersMade).toBe(buffersMade);
  });

  test('is given back after logits were asked for', async () => {
    await sessions.watched.engine.nextLogits(COUNT.promptIds);
    const { liveBytes } = sessions.watched.counts;
    for (let i = 0; i < 3; i++) await sessions.watched.engine.nextLogits(LONG.slice(0, 200));
    expect(sessions.watched.counts.liveBytes).toBe(liveBytes);
  });
});
