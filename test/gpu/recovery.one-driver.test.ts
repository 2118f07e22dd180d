// A device that is lost: the model comes onto another one, and whatever was under way gives what it would have given.
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { PlainGenerateOptions, Prompt } from '../../src/engine/types';
import { loadHosted } from '../../src/engine/engine-host';
import { collect, type Collected } from '../support/collect';
import { requestDevice } from '../support/dawn';
import { expectFailure } from '../support/expect-failure';
import { putTogether, takeApart } from '../support/gguf-rewriter';
import { loadLosable, tinyBytes, type Losable } from '../support/losable';
import { COUNT, goldenFor, idsOf, LONG, readChunks, readRest, STORY, textOf } from '../support/sessions';
import { smallModel } from '../support/small-model';
import { until } from '../support/wait';

/** Tokens are drawn, and become likelier each time they come: forgetting the seed, the step or how often they came would show. */
const SAMPLING = { temperature: 1, seed: 3, frequencyPenalty: -1, repetitionPenalty: 1.1, maxTokens: 40 };

let losable: Losable;
beforeAll(async () => {
  losable = await loadLosable({ contextLength: 1024 });
});
afterEach(() => void losable.statuses.splice(0));
afterAll(() => losable.engine.dispose());

async function answer(prompt: Prompt, options?: PlainGenerateOptions): Promise<Collected> {
  await using session = losable.engine.createSession();
  return await collect(session.generate(prompt, options));
}

describe('an answer is the same as if nothing had happened', () => {
  const lossesAfter: [string, number[]][] = [
    ['once amid it', [5]],
    ['twice amid it', [1, 20]],
    ['right before its end', [STORY.greedy.length - 1]],
  ];

  test.each(lossesAfter)('where the device is lost %s', async (_times, counts) => {
    const alone = await answer(STORY.messages);
    const session = losable.engine.createSession();
    const reader = session.generate(STORY.messages).getReader();
    const chunks = [];
    for (const count of counts) {
      chunks.push(...(await readChunks(reader, count - chunks.length)));
      await losable.lose();
    }
    chunks.push(...(await readRest(reader)));
    expect(idsOf(chunks)).toEqual(alone.tokenIds);
    expect(textOf(chunks)).toBe(alone.text);
    expect(losable.statuses).toEqual(counts.flatMap(() => ['recovering', 'ready']));
    const { promptTokens, completionTokens } = alone.usage!;
    expect(chunks.at(-1)).toMatchObject({
      finishReason: 'stop',
      usage: { promptTokens, completionTokens, cachedTokens: 0 },
    });
    // The next turn finds in the cache what it would have found.
    expect(session.tokenIds).toEqual(
      [...STORY.promptIds, ...alone.tokenIds].slice(0, session.tokenIds.length),
    );
    expect(session.tokenIds.length).toBeGreaterThanOrEqual(STORY.promptIds.length + completionTokens - 1);
    await session.dispose();
  });

  test('where it is lost with a read pending and steps in flight', async () => {
    const session = losable.engine.createSession();
    const reader = session.generate(STORY.messages).getReader();
    const chunks = await readChunks(reader, 3);
    losable.loseAtSubmit(7);
    chunks.push(...(await readRest(reader)));
    expect(idsOf(chunks)).toEqual((await answer(STORY.messages)).tokenIds);
    expect(losable.statuses).toEqual(['recovering', 'ready']);
    await session.dispose();
  });

  test('where it is lost amid a long prompt, and amid it again', async () => {
    const alone = await answer({ tokenIds: LONG });
    // The prompt has eight chunks.
    losable.loseAtSubmit(3);
    const session = losable.engine.createSession();
    const answering = collect(session.generate({ tokenIds: LONG }));
    await until(() => losable.statuses.includes('ready'));
    losable.loseAtSubmit(3);
    expect((await answering).tokenIds).toEqual(alone.tokenIds);
    expect(losable.statuses).toEqual(['recovering', 'ready', 'recovering', 'ready']);
    await session.dispose();
  });

  test('where tokens are drawn, with penalties', async () => {
    const alone = await answer(STORY.messages, SAMPLING);
    const session = losable.engine.createSession();
    const reader = session.generate(STORY.messages, SAMPLING).getReader();
    const chunks = await readChunks(reader, 11);
    await losable.lose();
    chunks.push(...(await readChunks(reader, 9)));
    await losable.lose();
    chunks.push(...(await readRest(reader)));
    expect(idsOf(chunks)).toEqual(alone.tokenIds);
    expect(textOf(chunks)).toBe(alone.text);
    await session.dispose();
  });

  test('where others wait for the same device', async () => {
    const goldens = [COUNT, goldenFor('Say hello in Japanese.'), goldenFor('Spell planet.')];
    const sessions = goldens.map(() => losable.engine.createSession());
    const answers = sessions.map((session, i) => collect(session.generate(goldens[i]!.messages)));
    losable.loseAtSubmit(3);
    expect((await Promise.all(answers)).map(({ tokenIds }) => tokenIds)).toEqual(
      goldens.map(({ greedy }) => greedy),
    );
    for (const session of sessions) await session.dispose();
  });
});

test('a device that is lost while nobody uses it is replaced at the next call, and conversations go on', async () => {
  const session = losable.engine.createSession();
  await collect(session.send('My name is Ravi.'));
  const { gpuBytes } = losable.engine.info;
  const { devices } = losable;
  await losable.lose();
  expect(losable.statuses).toEqual([]);
  expect(losable.engine.info.gpuBytes).toBe(0);
  expect(session.tokenIds).toEqual([]);
  // What needs no device asks for none.
  expect(await losable.engine.detokenize(await losable.engine.tokenize('Hello'))).toBe('Hello');
  expect(losable.devices).toBe(devices);
  expect((await collect(session.send('What is my name?'))).text).toBe('Your name is Ravi.');
  expect(losable.statuses).toEqual(['recovering', 'ready']);
  expect(losable.devices).toBe(devices + 1);
  expect(losable.engine.info.gpuBytes).toBe(gpuBytes);
  await session.dispose();
});

describe('other calls are made again', () => {
  test('nextLogits', async () => {
    const alone = await losable.engine.nextLogits(LONG);
    losable.loseAtSubmit(2);
    expect(await losable.engine.nextLogits(LONG)).toEqual(alone);
    expect(losable.statuses).toEqual(['recovering', 'ready']);
  });

  test('profile', async () => {
    losable.loseAtSubmit(2);
    const profile = await losable.engine.profile({ repeats: 3 });
    expect(losable.statuses).toEqual(['recovering', 'ready']);
    if (profile) expect(profile).toMatchObject({ tokens: 1, context: 0 });
  });

  test('embed', async () => {
    const { bytes } = await smallModel({
      architecture: 'qwen3',
      width: 256,
      ffnWidth: 256,
      heads: 4,
      kvHeads: 2,
      headDim: 64,
      encoding: 'Q2_0',
      embeds: true,
    });
    // Given as a stream, which can be read only once: it is kept.
    const embedding = await loadLosable({}, new Response(bytes));
    const texts = ['One.', 'Another one.', 'And a third.'];
    const alone = await embedding.engine.embed(texts);
    embedding.loseAtSubmit(3);
    expect(await embedding.engine.embed(texts)).toEqual(alone);
    expect(embedding.statuses).toEqual(['recovering', 'ready']);
    await embedding.engine.dispose();
  });
});

describe('the tries are bounded', () => {
  test('a device that is lost at every token is replaced three times, and then the answer fails', async () => {
    const session = losable.engine.createSession();
    const reader = session.generate(STORY.messages).getReader();
    const { devices } = losable;
    const chunks = [];
    for (let i = 0; i < 4; i++) {
      chunks.push(...(await readChunks(reader, 1)));
      await losable.lose();
    }
    await expectFailure(readRest(reader), 'device-lost', /4 times in a row/);
    expect(losable.devices).toBe(devices + 3);
    expect(losable.statuses.at(-1)).toBe('lost');
    // What was given is kept, and the next call has tries of its own.
    expect(session.messages.at(-1)).toEqual({ role: 'assistant', content: textOf(chunks) });
    expect((await answer(COUNT.messages)).tokenIds).toEqual(COUNT.greedy);
    await session.dispose();
  });

  test('a device that is lost now and then is replaced each time', async () => {
    const session = losable.engine.createSession();
    const reader = session.generate(STORY.messages).getReader();
    // Four times within two answers, with some dozens of tokens between.
    for (const count of [33, 33]) {
      await readChunks(reader, count);
      await losable.lose();
    }
    await readRest(reader);
    const again = session.generate(STORY.messages).getReader();
    for (const count of [33, 33]) {
      await readChunks(again, count);
      await losable.lose();
    }
    await readRest(again);
    await session.dispose();
  });
});

describe('where there is no device for a moment', () => {
  test('it is asked for again', async () => {
    await losable.lose();
    losable.refuse(2);
    expect((await answer(COUNT.messages)).tokenIds).toEqual(COUNT.greedy);
    expect(losable.statuses).toEqual(['recovering', 'ready']);
  });

  test('for longer, the call fails, and the next one asks again', async () => {
    await losable.lose();
    losable.refuse(3);
    await expectFailure(losable.engine.nextLogits([1]), 'device-lost', /function that gives the device/);
    expect(losable.statuses).toEqual(['recovering', 'lost']);
    expect((await answer(COUNT.messages)).tokenIds).toEqual(COUNT.greedy);
  });
});

describe('what cannot be healed is the typed error', () => {
  /** The model with an embedding that is another one: the last bit of each byte is. */
  const changed = async (bytes: Uint8Array): Promise<Uint8Array> => {
    const model = await takeApart(bytes);
    const tensors = model.tensors.map((tensor) =>
      tensor.name === 'token_embd.weight'
        ? { ...tensor, bytes: tensor.bytes.map((byte) => byte ^ 1) }
        : tensor,
    );
    return putTogether({ ...model, tensors });
  };
  const changes: [string, RegExp, (bytes: Uint8Array) => Promise<Uint8Array>][] = [
    ['is gone', /could not be brought/, async (bytes) => new Uint8Array(bytes.length)],
    ['has become another model', /not the model that was loaded/, changed],
  ];

  test.each(changes)('a source that %s', async (_what, words, change) => {
    const bytes = putTogether(await takeApart(tinyBytes()));
    const broken = await loadLosable({ contextLength: 64 }, bytes);
    const session = broken.engine.createSession();
    const reader = session.generate(STORY.messages).getReader();
    await readChunks(reader, 2);
    const before = bytes.slice();
    bytes.set(await change(before));
    await broken.lose();
    await expectFailure(readRest(reader), 'device-lost', words);
    expect(broken.statuses).toEqual(['recovering', 'lost']);
    expect(broken.counts.liveBytes).toBe(0);
    await expectFailure(broken.engine.nextLogits([1]), 'device-lost');
    // It is not given up for good.
    bytes.set(before);
    expect((await collect(session.generate(COUNT.messages))).tokenIds).toEqual(COUNT.greedy);
    await broken.engine.dispose();
    expect(broken.counts.liveBytes).toBe(0);
  });

  test('a device that was given as such: there is no other', async () => {
    const device = await requestDevice();
    const engine = await loadHosted(tinyBytes(), { device, tuning: false, contextLength: 64 });
    const reader = engine.createSession().generate(STORY.messages).getReader();
    await readChunks(reader, 2);
    device.destroy();
    await expectFailure(readRest(reader), 'device-lost');
    await expectFailure(engine.nextLogits([1]), 'device-lost');
    await engine.dispose();
  });
});

describe('while the model comes back', () => {
  test('an abort ends the answer, with what was given, and the next call tries again', async () => {
    const control = new AbortController();
    const session = losable.engine.createSession();
    const reader = session.generate(STORY.messages, { signal: control.signal }).getReader();
    const chunks = await readChunks(reader, 3);
    await losable.lose();
    const rest = readRest(reader);
    await until(() => losable.statuses.length > 0);
    control.abort();
    chunks.push(...(await rest));
    expect(chunks.at(-1)).toMatchObject({ finishReason: 'abort', usage: { completionTokens: 3 } });
    expect(losable.statuses).toEqual(['recovering', 'lost']);
    expect((await collect(session.generate(COUNT.messages))).tokenIds).toEqual(COUNT.greedy);
    await session.dispose();
  });

  test('disposing of the engine ends it', async () => {
    const ending = await loadLosable({ contextLength: 64 });
    const reader = ending.engine.createSession().generate(STORY.messages).getReader();
    await readChunks(reader, 2);
    await ending.lose();
    const logits = expectFailure(ending.engine.nextLogits([1]), 'disposed');
    const rest = readRest(reader);
    await until(() => ending.statuses.length > 0);
    await ending.engine.dispose();
    expect((await rest).at(-1)).toMatchObject({ finishReason: 'abort' });
    await logits;
    expect(ending.counts.liveBytes).toBe(0);
  });
});
