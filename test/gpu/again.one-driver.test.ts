// Loading and disposing again and again leaves nothing behind: no object, no growing heap, no memory of the GPU.
import { readFileSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { queryObjects } from 'node:v8';
import { describe, expect, test } from 'vitest';
import { LocalEngine } from '../../src/engine/engine';
import { EngineHost, loadHosted } from '../../src/engine/engine-host';
import { LocalSession } from '../../src/engine/session';
import { GpuContext } from '../../src/gpu/context';
import { KvCache } from '../../src/inference/kv-cache';
import { Transformer } from '../../src/inference/transformer';
import type { LocalLoadOptions } from '../../src/plan/load-options';
import { Tokenizer } from '../../src/tokenizer';
import { collect } from '../support/collect';
import { defaultDriver, requestDevice } from '../support/dawn';
import { openContext } from '../support/engine';
import { heapMeter } from '../support/heap';
import { until } from '../support/wait';
import { TINY, watch } from '../support/watched-engine';

const MIB = 1 << 20;
const tiny = readFileSync(new URL(`../../${TINY}`, import.meta.url));
const PROMPT = [{ role: 'user', content: 'Count from 3 to 9.' }];
const meter = heapMeter();

/** Bytes of the heap after garbage collection, and after what a collection only sets going: freeing what Dawn's objects own. */
async function heap(): Promise<number> {
  for (let i = 0; i < 3; i++) {
    meter();
    await setImmediate();
  }
  return meter();
}

/** What a load makes: one object or many for each model. */
const OWN = { EngineHost, LocalEngine, LocalSession, Transformer, Tokenizer, KvCache, GpuContext };
/** Dawn's own. Of each, V8 keeps one that it has made to see what the others are like. */
const DAWN = { GPUBuffer, GPUComputePipeline, GPUBindGroup, GPUShaderModule };

/** How many objects of each kind there are, of all that a load makes, once there is nothing more to collect. */
async function survivors(): Promise<Record<string, number>> {
  await heap();
  const kinds = Object.entries({ ...OWN, ...DAWN });
  return Object.fromEntries(kinds.map(([name, kind]) => [name, Number(queryObjects(kind))]));
}

const NONE = Object.fromEntries(Object.keys(OWN).map((name) => [name, 0]));

/** Waits for what a load leaves for later: until then it has more to make, and is held by what it waits for. */
async function completed<T extends Pick<EngineHost, 'info'>>(engine: T): Promise<T> {
  await until(() => Object.keys(engine.info.kernels.chosen).some((name) => name.startsWith('prefillMatmul')));
  // What it was done with goes with the next turns.
  await setImmediate();
  return engine;
}

/** Loads a model and has an answer. */
async function answerOnce(options: LocalLoadOptions): Promise<EngineHost> {
  const engine = await loadHosted(tiny, { tuning: false, contextLength: 64, ...options });
  await collect(engine.createSession().generate(PROMPT, { maxTokens: 3 }));
  return engine;
}

/** What a page does with a model: loads it, has an answer and lets go of it. */
async function useOnce(options: LocalLoadOptions): Promise<void> {
  const engine = await completed(await answerOnce(options));
  await engine.dispose();
}

/** As {@link useOnce}, but lets go of it while kernels are still being compiled that the answer did without. */
async function useShortly(options: LocalLoadOptions): Promise<void> {
  await (await answerOnce(options)).dispose();
}

describe('on a device that stays', () => {
  test('no object of a model is left', async () => {
    const device = await requestDevice();
    await useOnce({ device });
    const once = await survivors();
    expect(once).toMatchObject(NONE);
    for (let i = 0; i < 3; i++) await useOnce({ device });
    expect(await survivors()).toEqual(once);
    device.destroy();
  });

  test('no object of a model is left that goes amid what its load has left for later', async () => {
    const device = await requestDevice();
    await useShortly({ device });
    expect(await survivors()).toMatchObject(NONE);
    device.destroy();
  });

  test('an engine that loads again has the objects of one model', async () => {
    const device = await requestDevice();
    const options = { device, tuning: false, contextLength: 64 };
    const engine = await completed(await loadHosted(tiny, options));
    const once = await survivors();
    expect(once).toMatchObject({ EngineHost: 1, LocalEngine: 1, GpuContext: 1, Tokenizer: 1 });
    for (let i = 0; i < 2; i++) {
      await engine.load(tiny, options);
      await completed(engine);
    }
    expect(await survivors()).toEqual(once);
    await engine.dispose();
    device.destroy();
  });

  test('neither the heap grows nor what is on the GPU', async () => {
    const device = await requestDevice();
    const counts = watch({ device });
    // V8 compiles and learns in the first cycles.
    for (let i = 0; i < 10; i++) await useOnce({ device });
    const early = await heap();
    for (let i = 0; i < 14; i++) await useOnce({ device });
    const late = await heap();
    expect(counts.liveBytes).toBe(0);
    // A model that stays known takes 0.2 MB, which would be three times as much.
    expect(late - early).toBeLessThan(MIB);
    device.destroy();
  });
});

test('on devices that go with their engines no object of a model is left', async () => {
  let once: Record<string, number> | undefined;
  for (let i = 0; i < 3; i++) {
    const device = await requestDevice();
    await useOnce({ device });
    device.destroy();
    once ??= await survivors();
  }
  expect(once).toMatchObject(NONE);
  expect(await survivors()).toEqual(once);
});

const notHere = defaultDriver() === 'system' ? ' (its memory is not counted as that of this process)' : '';

test.skipIf(notHere)(`the driver has the memory back once a context is destroyed${notHere}`, async () => {
  const gpu = await openContext();
  const size = 256 * MIB;
  const before = process.memoryUsage.rss();
  const buffer = gpu.createBuffer('large', size);
  const encoder = gpu.device.createCommandEncoder();
  encoder.clearBuffer(buffer);
  gpu.device.queue.submit([encoder.finish()]);
  await gpu.device.queue.onSubmittedWorkDone();
  expect(process.memoryUsage.rss() - before).toBeGreaterThan(size / 2);
  gpu.destroy();
  // No submit after that: an engine that has no model any more has nothing to submit. Threads of the driver may take a moment;
  // where the memory never comes back, the watchdog says so.
  while (process.memoryUsage.rss() - before >= size / 2) {
    await gpu.device.queue.onSubmittedWorkDone();
    await setImmediate();
  }
  gpu.device.destroy();
});
