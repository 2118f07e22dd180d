// One engine, one model after the other: never two at once on the GPU, and nothing of the first in the second.
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { EngineHost, loadHosted } from '../../src/engine/engine-host';
import type { LocalLoadOptions } from '../../src/plan/load-options';
import { probeCapabilities } from '../../src/gpu/capabilities';
import { GpuContext } from '../../src/gpu/context';
import { collect } from '../support/collect';
import { requestDevice } from '../support/dawn';
import { expectFailure } from '../support/expect-failure';
import { heapMeter } from '../support/heap';
import { TINY, watch, type Watch } from '../support/watched-engine';

const bytesOf = (path: string): Uint8Array => readFileSync(new URL(`../../${path}`, import.meta.url));
const tiny = bytesOf(TINY);
const llama = bytesOf('test/fixtures/random-llama-i2_s.gguf');
const COUNT = [{ role: 'user', content: 'Count from 3 to 9.' }];

interface Loaded {
  engine: EngineHost;
  counts: Watch;
  device: GPUDevice;
  options: LocalLoadOptions;
}

/** An engine with the embedded model, on a device whose buffers are counted. */
async function load(): Promise<Loaded> {
  const device = await requestDevice();
  const counts = watch({ device });
  const options = { device, tuning: false, contextLength: 128 };
  return { engine: await loadHosted(tiny, options), counts, device, options };
}

test('a second model takes the place of the first: the engine is its own, and what was on the GPU is gone', async () => {
  const { engine, counts, options } = await load();
  const first = engine.info;
  await engine.load(llama, options);
  expect(engine.info).toMatchObject({ architecture: 'llama', gpuBytes: counts.liveBytes });
  expect(engine.info.name).not.toBe(first.name);
  await expect(engine.nextLogits([1, 2])).resolves.toHaveLength(engine.info.vocabularySize);

  await engine.load(tiny, options);
  expect(engine.info.gpuBytes).toBe(first.gpuBytes);
  const { text } = await collect(engine.createSession().generate(COUNT));
  expect(text).toBe('3, 4, 5, 6, 7, 8, 9');
  await engine.dispose();
  expect(counts.liveBytes).toBe(0);
  expect(engine.info.gpuBytes).toBe(0);
});

test('at no moment are both on the GPU', async () => {
  const { engine, counts, device, options } = await load();
  await collect(engine.createSession().generate(COUNT));
  counts.mostBytes = counts.liveBytes;
  let atFirstBuffer: number | undefined;
  const createBuffer = device.createBuffer.bind(device);
  device.createBuffer = (descriptor) => {
    atFirstBuffer ??= counts.liveBytes;
    return createBuffer(descriptor);
  };
  await engine.load(tiny, options);
  // What there was is gone before anything is made: model, session, and what checked kernels behind the first answer.
  expect(atFirstBuffer).toBe(0);
  // How much there is at once beside one model depends on what comes first while its bytes do: what they pass through (staged rows),
  // or what kernels are checked with. Another model would be as much as this one.
  expect(counts.mostBytes).toBeLessThan(2 * engine.info.gpuBytes);
  await engine.dispose();
});

test('what the first had compiled serves the second', async () => {
  const { engine, device } = await load();
  let compiled = 0;
  const compile = device.createComputePipelineAsync.bind(device);
  device.createComputePipelineAsync = (descriptor) => {
    compiled++;
    return compile(descriptor);
  };
  await engine.load(tiny, { tuning: false, contextLength: 128 });
  // It was loaded with the same kernels, on the same device.
  expect(compiled).toBe(0);
  await engine.nextLogits([1]);
  expect(compiled).toBeGreaterThan(0);
  expect((await collect(engine.createSession().generate(COUNT))).text).toBe('3, 4, 5, 6, 7, 8, 9');
  await engine.dispose();
});

test('a device keeps nothing of the contexts that were on it', async () => {
  const device = await requestDevice();
  const capabilities = await probeCapabilities(device);
  const gone = Array.from({ length: 3 }, () => {
    const context = new GpuContext(device, capabilities);
    context.destroy();
    return new WeakRef(context);
  });
  const collectGarbage = heapMeter();
  for (let i = 0; i < 10 && gone.some((each) => each.deref()); i++) {
    // What is looked at through a WeakRef stays until the end of the job.
    await new Promise((resolve) => setImmediate(resolve));
    collectGarbage();
  }
  expect(gone.map((each) => each.deref() === undefined)).toEqual([true, true, true]);
});

describe('sessions of the model before', () => {
  test('end: an answer under way with `abort`, later use with `disposed`', async () => {
    const { engine, options } = await load();
    const session = engine.createSession();
    const reader = session.generate(COUNT).getReader();
    await reader.read();
    const [rest] = await Promise.all([reader.read(), engine.load(llama, options)]);
    let last = rest;
    while (!last.done && !last.value.finishReason) last = await reader.read();
    expect(last.value?.finishReason).toBe('abort');
    await expectFailure(collect(session.generate(COUNT)), 'disposed');
    await session.dispose();
    await engine.dispose();
  });
});

describe('a load that fails', () => {
  test('leaves no model and nothing on the GPU, and another may follow', async () => {
    const { engine, counts, options } = await load();
    await expectFailure(engine.load(tiny.subarray(0, 100_000), options), 'corrupt-file');
    expect(counts.liveBytes).toBe(0);
    expect(engine.info.gpuBytes).toBe(0);
    await expectFailure(engine.tokenize('Hello'), 'disposed');
    expect(() => engine.createSession()).toThrowError(expect.objectContaining({ code: 'disposed' }));
    await engine.load(tiny, options);
    expect((await collect(engine.createSession().generate(COUNT))).finishReason).toBe('stop');
    await engine.dispose();
  });

  test('of the first model rejects, and leaves nothing', async () => {
    const device = await requestDevice();
    const counts = watch({ device });
    await expectFailure(loadHosted(tiny.subarray(0, 100_000), { device }), 'corrupt-file');
    expect(counts.liveBytes).toBe(0);
  });
});

test('a load whose signal has fired already leaves the model where it is', async () => {
  const { engine, options } = await load();
  await expectFailure(engine.load(llama, { ...options, signal: AbortSignal.abort() }), 'aborted');
  expect(await engine.detokenize(await engine.tokenize('Hello'))).toBe('Hello');
  await engine.dispose();
});

test('loads take turns, and the last one stays', async () => {
  const { engine, counts, options } = await load();
  const loads = [engine.load(llama, options), engine.load(tiny, options), engine.load(llama, options)];
  await Promise.all(loads);
  expect(engine.info).toMatchObject({ architecture: 'llama', gpuBytes: counts.liveBytes });
  await engine.dispose();
  expect(counts.liveBytes).toBe(0);
});

test('dispose ends a load that is under way', async () => {
  const { engine, counts, options } = await load();
  let begun = (): void => {};
  const beginning = new Promise<void>((resolve) => (begun = resolve));
  const loading = expectFailure(engine.load(llama, { ...options, onProgress: begun }), 'disposed');
  const waiting = expectFailure(engine.load(tiny, options), 'disposed');
  await beginning;
  await engine.dispose();
  await Promise.all([loading, waiting]);
  expect(counts.liveBytes).toBe(0);
  await expectFailure(engine.load(tiny, options), 'disposed');
});
