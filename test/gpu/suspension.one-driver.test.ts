// An engine that gives the GPU back and takes it again, and a KV cache that there is no room for.
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { loadHosted } from '../../src/engine/engine-host';
import { collect } from '../support/collect';
import { requestDevice } from '../support/dawn';
import { expectFailure } from '../support/expect-failure';
import { loadLosable, tinyBytes, type Losable } from '../support/losable';
import { COUNT, goldenFor, idsOf, LONG, readChunks, readRest, STORY } from '../support/sessions';
import { until } from '../support/wait';
import { watch } from '../support/watched-engine';

let losable: Losable;
beforeAll(async () => {
  losable = await loadLosable({ contextLength: 1024 });
});
afterEach(() => void losable.statuses.splice(0));
afterAll(() => losable.engine.dispose());

describe('a suspended engine', () => {
  test('has nothing on the GPU, and its conversations go on with the next call', async () => {
    const { engine, statuses } = losable;
    await using session = engine.createSession();
    await collect(session.send('My name is Ravi.'));
    const { gpuBytes } = engine.info;
    await engine.suspend();
    expect(engine.info.gpuBytes).toBe(0);
    expect(losable.counts.liveBytes).toBe(0);
    expect(session.tokenIds).toEqual([]);
    // What needs no GPU brings nothing back.
    expect(await engine.detokenize(await engine.tokenize('Hello'))).toBe('Hello');
    expect(statuses).toEqual(['suspended']);
    expect((await collect(session.send('What is my name?'))).text).toBe('Your name is Ravi.');
    expect(statuses).toEqual(['suspended', 'recovering', 'ready']);
    // Variants that are known need less room than those that are to be chosen from.
    expect(engine.info.gpuBytes).toBeGreaterThan(gpuBytes * 0.9);
    expect(engine.info.gpuBytes).toBeLessThanOrEqual(gpuBytes);
  });

  test('resumes when it is told to, on the device that it was given, which is there', async () => {
    const { engine, statuses, devices } = losable;
    const logits = await engine.nextLogits(COUNT.promptIds);
    await engine.suspend();
    await engine.suspend();
    await engine.resume();
    await engine.resume();
    expect(statuses).toEqual(['suspended', 'recovering', 'ready']);
    expect(losable.devices).toBe(devices);
    expect(await engine.nextLogits(COUNT.promptIds)).toEqual(logits);
  });

  test('whose device is lost meanwhile resumes on another', async () => {
    const { engine, devices } = losable;
    await engine.suspend();
    await losable.lose();
    await engine.resume();
    expect(losable.devices).toBe(devices + 1);
    await using session = engine.createSession();
    expect((await collect(session.generate(COUNT.messages))).tokenIds).toEqual(COUNT.greedy);
  });

  test('on a device that was given as such resumes there', async () => {
    const device = await requestDevice();
    const counts = watch({ device });
    const engine = await loadHosted(tinyBytes(), { device, tuning: false, contextLength: 64 });
    await engine.suspend();
    expect(counts.liveBytes).toBe(0);
    const { tokenIds } = await collect(engine.createSession().generate(COUNT.messages));
    expect(tokenIds).toEqual(COUNT.greedy);
    await engine.dispose();
    expect(counts.liveBytes).toBe(0);
  });

  test('can be disposed of, with an answer that waits', async () => {
    const ending = await loadLosable({ contextLength: 64 });
    const reader = ending.engine.createSession().generate(STORY.messages).getReader();
    await readChunks(reader, 2);
    await ending.engine.suspend();
    const rest = readRest(reader);
    await ending.engine.dispose();
    expect((await rest).at(-1)).toMatchObject({ finishReason: 'abort' });
    await expectFailure(ending.engine.resume(), 'disposed');
    await expectFailure(ending.engine.suspend(), 'disposed');
  });
});

describe('an answer under way', () => {
  test('that is being read waits, and goes on with resume as if nothing had happened', async () => {
    const { engine, statuses } = losable;
    await using session = engine.createSession();
    await using alone = engine.createSession();
    const { tokenIds } = await collect(alone.generate(STORY.messages));
    const ids: number[] = [];
    const reader = session.generate(STORY.messages).getReader();
    const reading = (async (): Promise<void> => {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        ids.push(...value.tokenIds);
      }
    })();
    await until(() => ids.length >= 5);
    await engine.suspend();
    expect(engine.info.gpuBytes).toBe(0);
    const given = ids.length;
    expect(given).toBeLessThan(tokenIds.length);
    await new Promise((resolve) => setImmediate(resolve));
    expect(ids).toHaveLength(given);
    await engine.resume();
    await reading;
    expect(ids).toEqual(tokenIds);
    expect(statuses).toEqual(['suspended', 'recovering', 'ready']);
  });

  test('waits amid its prompt too; a call that comes later wakes both', async () => {
    const { engine } = losable;
    await using session = engine.createSession();
    await using alone = engine.createSession();
    const { tokenIds } = await collect(alone.generate({ tokenIds: LONG }));
    const reader = session.generate({ tokenIds: LONG }).getReader();
    const { submits } = losable.counts;
    const first = readChunks(reader, 1);
    await until(() => losable.counts.submits >= submits + 2);
    await engine.suspend();
    // It ended between two of the eight chunks.
    expect(losable.counts.submits).toBeLessThan(submits + 8);
    await using other = engine.createSession();
    const answer = collect(other.generate(STORY.messages, { maxTokens: 3 }));
    const chunks = [...(await first), ...(await readRest(reader))];
    expect(idsOf(chunks)).toEqual(tokenIds);
    expect((await answer).tokenIds).toEqual(STORY.greedy.slice(0, 3));
  });

  test('whose reader is away does not keep the GPU', async () => {
    const { engine } = losable;
    await using session = engine.createSession();
    const reader = session.generate(COUNT.messages).getReader();
    const chunks = await readChunks(reader, 3);
    await engine.suspend();
    await engine.resume();
    chunks.push(...(await readRest(reader)));
    expect(idsOf(chunks)).toEqual(COUNT.greedy);
  });
});

test('a call that comes while the engine is about to be suspended keeps it awake', async () => {
  const { engine, statuses } = losable;
  await engine.resume();
  statuses.splice(0);
  await using session = engine.createSession();
  const { submits } = losable.counts;
  const logits = engine.nextLogits(LONG);
  await until(() => losable.counts.submits > submits);
  const suspended = engine.suspend();
  const answer = collect(session.generate(COUNT.messages));
  expect((await answer).tokenIds).toEqual(COUNT.greedy);
  await suspended;
  await logits;
  expect(statuses).toEqual([]);
});

test('a KV cache that cannot be made fails its answer; the others, and the engine, go on', async () => {
  const { engine } = losable;
  await engine.resume();
  const { device } = losable;
  const golden = goldenFor('Spell planet.');
  await using session = engine.createSession();
  await using refused = engine.createSession();
  const reader = session.generate(STORY.messages).getReader();
  const chunks = await readChunks(reader, 4);
  const bytes = engine.info.gpuBytes;
  // A device without room for another cache: its buffers are errors, as Dawn makes them where memory ends.
  const createBuffer = device.createBuffer.bind(device);
  let refusals = 0;
  device.createBuffer = (descriptor) => {
    if (!/^(keys|values) /.test(descriptor.label ?? '')) return createBuffer(descriptor);
    refusals++;
    return createBuffer({ ...descriptor, size: device.limits.maxBufferSize * 2 });
  };
  await expectFailure(collect(refused.generate(golden.messages)), 'out-of-memory', /KV cache of 1024 tokens/);
  await expectFailure(engine.nextLogits([1, 2]), 'out-of-memory', /KV cache of 2 tokens/);
  expect(refusals).toBeGreaterThan(0);
  expect(engine.info.gpuBytes).toBe(bytes);
  chunks.push(...(await readRest(reader)));
  expect(idsOf(chunks).slice(0, STORY.sure)).toEqual(STORY.greedy.slice(0, STORY.sure));
  device.createBuffer = createBuffer;
  // With room again, the same session answers.
  expect((await collect(refused.generate(golden.messages))).tokenIds).toEqual(golden.greedy);
  expect(losable.statuses).toEqual([]);
});
