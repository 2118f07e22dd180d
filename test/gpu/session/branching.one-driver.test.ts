// Sessions that are copied, taken back, saved and restored: each goes on as a fresh one with the same tokens would.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { LocalEngine } from '../../../src/engine/engine';
import type { LocalSession } from '../../../src/engine/session';
import type { PlainGenerateOptions } from '../../../src/engine/types';
import { collect } from '../../support/collect';
import type { FixtureOptions } from '../../support/engine';
import { expectFailure } from '../../support/expect-failure';
import { loadLosable, type Losable } from '../../support/losable';
import { COUNT, goldenFor, LONG, readChunks, readRest, STORY, useSessions } from '../../support/sessions';
import { loadWatched } from '../../support/watched-engine';

const sessions = useSessions();
const { open } = sessions;

/** Prompts of several lengths, within a chunk and over several, drawn with seeds. */
const BEGINNINGS: [prompt: number[], options: PlainGenerateOptions][] = [
  [COUNT.promptIds, { maxTokens: 1 }],
  [STORY.promptIds, { maxTokens: 30, temperature: 1, seed: 1 }],
  [LONG.slice(0, 128), { maxTokens: 7, temperature: 1.4, seed: 2 }],
  [LONG.slice(0, 300), { maxTokens: 12, temperature: 0.8, seed: 3 }],
];
const NEXT: PlainGenerateOptions = { maxTokens: 12 };

/** The ids that follow `ids` in a session of their own. */
async function freshly(engine: LocalEngine, ids: readonly number[]): Promise<number[]> {
  await using session = engine.createSession();
  return (await collect(session.generate({ tokenIds: ids }, NEXT))).tokenIds;
}

/** The session goes on from `ids` as a fresh one does, and has all but the last of them in its cache. */
async function expectToGoOn(
  engine: LocalEngine,
  session: LocalSession,
  ids: readonly number[],
  cached = ids.length - 1,
): Promise<void> {
  const answer = await collect(session.generate({ tokenIds: ids }, NEXT));
  expect(answer.tokenIds).toEqual(await freshly(engine, ids));
  expect(answer.usage!.cachedTokens).toBe(cached);
}

describe.each<[string, FixtureOptions]>([
  ['f16', {}],
  ['f32', { variants: { cacheFormat: 'f32' } }],
  ['int8', { kvCache: 'int8' }],
])('with keys and values in %s', (format, options) => {
  let engine: LocalEngine;
  beforeAll(async () => {
    ({ engine } = await loadWatched({ contextLength: 512, ...options }));
    // The format that memory allows comes before the one that is pinned.
    if (format !== 'f32') expect(engine.info.codePaths.kvCache).toBe(format);
  });
  afterAll(() => engine.dispose());

  test.each(BEGINNINGS)('a copy, what was taken back and what was saved go on (%#)', async (ids, how) => {
    await using session = engine.createSession();
    const answer = await collect(session.generate({ tokenIds: ids }, how));
    const all = [...ids, ...answer.tokenIds];
    await using fork = await session.fork();
    const blob = await session.save();
    await using restored = await engine.restoreSession(blob);
    expect(fork.tokenIds).toEqual(session.tokenIds);
    expect(restored.tokenIds).toEqual(session.tokenIds);
    await expectToGoOn(engine, fork, all);
    await expectToGoOn(engine, restored, all);
    // None of them has touched the other.
    expect(session.tokenIds).toEqual(all.slice(0, -1));
    await session.rewind(answer.tokenIds.length + 3);
    expect(session.tokenIds).toEqual(ids.slice(0, -3));
    const shorter = ids.slice(0, -3);
    await expectToGoOn(engine, session, shorter);
    await session.rewind(0);
  });
});

describe('a conversation', () => {
  const turns = ['My name is Ravi.', 'What is the capital of Japan?', 'What is my name?'];

  test('goes two ways from a copy, each with its own messages', async () => {
    const session = open();
    await collect(session.send(turns[0]!));
    const fork = await session.fork();
    const [one, other] = await Promise.all([collect(session.send(turns[1]!)), collect(fork.send(turns[2]!))]);
    expect([one.text, other.text]).toEqual(['The capital of Japan is Tokyo.', 'Your name is Ravi.']);
    expect(session.messages.map(({ content }) => content)).toContain(turns[1]);
    expect(fork.messages.map(({ content }) => content)).toEqual([
      turns[0],
      'Nice to meet you, Ravi!',
      turns[2],
      other.text,
    ]);
    await session.dispose();
    // The copy has keys and values of its own.
    expect((await collect(fork.send(turns[2]!))).text).toBe('Your name is Ravi.');
    await fork.dispose();
  });

  test('is taken back by turns, and by tokens with the messages that go with them', async () => {
    const session = open();
    for (const turn of turns) await collect(session.send(turn));
    const { length } = session.tokenIds;
    await session.rewind({ turns: 2 });
    expect(session.messages).toHaveLength(2);
    expect(session.tokenIds.length).toBeLessThan(length);
    const again = await collect(session.send(turns[2]!));
    expect(again.text).toBe('Your name is Ravi.');
    expect(again.usage!.cachedTokens).toBeGreaterThan(10);
    // The answer alone: its question stays, and is answered the same.
    await session.rewind(again.usage!.completionTokens);
    expect(session.messages.at(-1)).toEqual({ role: 'user', content: turns[2] });
    expect((await session.complete([...session.messages])).tokenIds).toEqual(again.tokenIds);
    // A token more than the answer takes the question, too.
    await session.rewind(again.usage!.completionTokens + 1);
    expect(session.messages).toHaveLength(2);
    await expectFailure(session.rewind({ turns: 2 }), 'invalid-argument', /2 turns .* there are 1/);
    await expectFailure(session.rewind(10_000), 'invalid-argument', /10000 tokens/);
    await session.rewind({ turns: 1 });
    expect([session.messages, session.tokenIds]).toEqual([[], []]);
    expect((await collect(session.send('Count from 3 to 9.'))).tokenIds).toEqual(COUNT.greedy);
  });

  test('is saved with its messages, and evaluates nothing again that was saved', async () => {
    const session = open();
    for (const turn of turns.slice(0, 2)) await collect(session.send(turn));
    const restored = await sessions.watched.engine.restoreSession(await session.save());
    expect(restored.messages).toEqual(session.messages);
    const [here, there] = [await collect(session.send(turns[2]!)), await collect(restored.send(turns[2]!))];
    expect(there.tokenIds).toEqual(here.tokenIds);
    expect(there.usage!.cachedTokens).toBe(here.usage!.cachedTokens);
    await restored.rewind({ turns: 1 });
    expect(restored.messages).toHaveLength(4);
    await restored.dispose();
  });

  test('is copied and taken back behind the answer that is under way', async () => {
    const session = open();
    const reader = session.generate(STORY.messages).getReader();
    await readChunks(reader, 2);
    const [forking, rewinding] = [session.fork(), session.rewind(5)];
    const rest = await readRest(reader);
    const { promptTokens, completionTokens } = rest.at(-1)!.usage!;
    const fork = await forking;
    expect(fork.messages.at(-1)).toMatchObject({ role: 'assistant' });
    await rewinding;
    expect(session.tokenIds).toHaveLength(promptTokens + completionTokens - 5);
    await fork.dispose();
  });

  test('that was disposed of can do none of it', async () => {
    const session = open();
    const reader = session.generate(STORY.messages).getReader();
    await readChunks(reader, 2);
    const waiting = session.fork();
    await Promise.all([expectFailure(waiting, 'disposed'), session.dispose()]);
    for (const call of [session.fork(), session.rewind(1), session.save()])
      await expectFailure(call, 'disposed');
  });

  test('of nothing is copied and saved as that', async () => {
    const session = open();
    const fork = await session.fork();
    const restored = await sessions.watched.engine.restoreSession(await session.save());
    for (const each of [fork, restored]) {
      expect([each.messages, each.tokenIds]).toEqual([[], []]);
      expect((await collect(each.generate(COUNT.messages))).tokenIds).toEqual(COUNT.greedy);
      await each.dispose();
    }
  });
});

describe('what was saved', () => {
  test('goes on in an engine that keeps keys in another way, or less of them, from its tokens alone', async () => {
    const session = open();
    await collect(session.send('My name is Ravi.'));
    const blob = await session.save();
    const other = await loadWatched({ kvCache: 'int8', contextLength: 512 });
    const restored = await other.engine.restoreSession(blob);
    expect(restored.tokenIds).toEqual([]);
    const answer = await collect(restored.send('What is my name?'));
    expect(answer.text).toBe('Your name is Ravi.');
    expect(answer.usage!.cachedTokens).toBe(0);
    await other.engine.dispose();
    const short = await loadWatched({ contextLength: 16 });
    const cut = await short.engine.restoreSession(blob);
    expect(cut.tokenIds).toEqual(session.tokenIds.slice(0, 16));
    await short.engine.dispose();
  });

  test('is refused where another model is', async () => {
    const blob = await open().save();
    const { engine } = await loadWatched();
    engine.fingerprint = 'another';
    await expectFailure(engine.restoreSession(blob), 'invalid-argument', /another model: its fingerprint/);
    await engine.dispose();
    await expectFailure(engine.restoreSession(blob), 'disposed');
  });
});

describe('where devices come and go', () => {
  let losable: Losable;
  beforeAll(async () => {
    losable = await loadLosable({ contextLength: 512 });
  });
  afterAll(() => losable.engine.dispose());
  const golden = goldenFor('Spell planet.');

  test('a suspended engine copies, takes back and saves what was said, and stays suspended', async () => {
    const { engine } = losable;
    await using session = engine.createSession();
    await collect(session.send('My name is Ravi.'));
    const withKeys = await session.save();
    await engine.suspend();
    await using fork = await session.fork();
    const blob = await session.save();
    expect(blob.size).toBeLessThan(withKeys.size);
    await using spare = await session.fork();
    await spare.rewind({ turns: 1 });
    expect(spare.messages).toEqual([]);
    expect(engine.info.gpuBytes).toBe(0);
    // Without keys nothing needs the GPU; with them the engine wakes.
    await using plain = await engine.restoreSession(blob);
    expect(engine.info.gpuBytes).toBe(0);
    await using restored = await engine.restoreSession(withKeys);
    expect(engine.info.gpuBytes).toBeGreaterThan(0);
    expect(restored.tokenIds.length).toBeGreaterThan(10);
    for (const each of [fork, plain, restored])
      expect((await collect(each.send('What is my name?'))).text).toBe('Your name is Ravi.');
  });

  test('a device that is lost meanwhile costs the keys, and no more', async () => {
    const { engine } = losable;
    await using session = engine.createSession();
    await collect(session.generate(golden.messages));
    const blob = await session.save();
    const { tokenIds } = session;
    losable.loseAtSubmit(1);
    await using fork = await session.fork();
    expect(fork.tokenIds).toEqual([]);
    expect((await collect(fork.generate(golden.messages))).tokenIds).toEqual(golden.greedy);
    expect(fork.messages).toEqual(session.messages);
    await losable.lose();
    await using restored = await engine.restoreSession(blob);
    expect(restored.tokenIds).toEqual(tokenIds);
    const again = await collect(restored.generate(golden.messages));
    expect(again.tokenIds).toEqual(golden.greedy);
    expect(again.usage!.cachedTokens).toBe(golden.promptIds.length - 1);
  });

  test('an answer with log-probabilities goes on with them on another device', async () => {
    const { engine, devices } = losable;
    await engine.resume();
    await using session = engine.createSession();
    losable.loseAtSubmit(12);
    const answer = await collect(session.generate(STORY.messages, { logprobs: 1, maxTokens: 30 }));
    expect(losable.devices).toBe(devices + 1);
    expect(answer.tokenIds).toHaveLength(30);
    for (const { tokenIds, logprobs } of answer.chunks) {
      expect(logprobs!.map(({ tokenId }) => tokenId)).toEqual(tokenIds);
      for (const { logprob, alternatives } of logprobs!) expect(alternatives[0]!.logprob).toBe(logprob);
    }
  });

  test('a copy that there is no room for is refused, and nothing of it is left', async () => {
    const { engine } = losable;
    await using session = engine.createSession();
    await collect(session.generate(golden.messages));
    const { device } = losable;
    const { gpuBytes } = engine.info;
    const createBuffer = device.createBuffer.bind(device);
    device.createBuffer = (descriptor) =>
      /^(keys|values) /.test(descriptor.label ?? '')
        ? createBuffer({ ...descriptor, size: device.limits.maxBufferSize * 2 })
        : createBuffer(descriptor);
    const blob = await session.save();
    await expectFailure(session.fork(), 'out-of-memory', /KV cache of 512 tokens/);
    await expectFailure(engine.restoreSession(blob), 'out-of-memory');
    device.createBuffer = createBuffer;
    expect(engine.info.gpuBytes).toBe(gpuBytes);
    expect((await collect(session.generate(golden.messages))).tokenIds).toEqual(golden.greedy);
  });
});
