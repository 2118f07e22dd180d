// A signal ends a load in whatever stage it is: the load rejects with `aborted`, and nothing is left on the GPU.
import { readFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { loadLocal } from '../../src/engine/load-local';
import type { DeviceLoadOptions } from '../../src/engine/model-origin';
import { DeviceSupply } from '../../src/gpu/device-supply';
import type { LoadProgress } from '../../src/plan/load-options';
import type { ModelSource } from '../../src/storage/sources/model-source';
import { requestDevice } from '../support/dawn';
import { FaultServer } from '../support/fault-server';
import { expectFailure } from '../support/expect-failure';
import { sleep, until } from '../support/wait';
import { TINY, watch, type Watch } from '../support/watched-engine';

const model = readFileSync(new URL(`../../${TINY}`, import.meta.url));

let device: GPUDevice;
let counts: Watch;
let controller: AbortController;
beforeEach(async () => {
  device = await requestDevice();
  counts = watch({ device });
  controller = new AbortController();
});

/** Loads, and expects that the signal ends it. An error that nobody handles would fail the file. */
async function expectAborted(source: ModelSource, options: DeviceLoadOptions = {}): Promise<void> {
  const load = loadLocal(source, new DeviceSupply(device), { signal: controller.signal, ...options });
  await expectFailure(load, 'aborted');
  expect(counts.liveBytes).toBe(0);
  // What could not be stopped, such as a compilation, ends by itself and leaves nothing either.
  await device.queue.onSubmittedWorkDone();
  await sleep(300);
  expect(counts.liveBytes).toBe(0);
  device.destroy();
}

describe('while a server is silent', () => {
  let server: FaultServer;
  beforeAll(async () => {
    server = await FaultServer.start({ '/model.gguf': { bytes: model, etag: '"1"' } });
  });
  afterAll(() => server.close());

  test('in the first request of the header', async () => {
    server.fault = () => ({ stallAfter: 0 });
    void until(() => server.active > 0).then(() => controller.abort());
    await expectAborted(`${server.origin}/model.gguf`);
    expect(counts.buffersMade).toBe(0);
  });

  test('amid the tensors', async () => {
    // The header has some 46 kB; the first piece of 1 MiB brings it and tensors behind it.
    server.fault = ({ range }) => (range && range[0] > 0 ? { stallAfter: 1000 } : undefined);
    const onProgress = ({ phase, loaded }: LoadProgress): void => {
      if (phase === 'upload' && loaded > 0) setTimeout(() => controller.abort(), 50);
    };
    await expectAborted(`${server.origin}/model.gguf`, { onProgress });
    expect(counts.buffersMade).toBeGreaterThan(0);
  });
});

describe('on the GPU', () => {
  /** Aborts at the `nth` time that `method` of `object` is called. Kernels are compiled and checked from the first bytes on. */
  function atCall<Name extends string>(
    object: Record<Name, (...args: never[]) => unknown>,
    method: Name,
    nth: number,
  ): () => number {
    let calls = 0;
    const original = object[method].bind(object);
    object[method] = (...args) => {
      if (++calls === nth) controller.abort();
      return original(...args);
    };
    return () => calls;
  }

  // A whole load compiles 18 before the model is there (counted on lavapipe and SwiftShader).
  test.each([1, 2, 7, 12, 18])('as pipeline %i begins to compile', async (nth) => {
    const calls = atCall(device as never, 'createComputePipelineAsync', nth);
    await expectAborted(model, { tuning: false });
    expect(calls()).toBeGreaterThanOrEqual(nth);
  });

  test('when a pipeline of those for generations never comes', async () => {
    const compile = device.createComputePipelineAsync.bind(device);
    device.createComputePipelineAsync = (descriptor) => {
      if (descriptor.label !== 'embed') return compile(descriptor);
      setTimeout(() => controller.abort(), 50);
      return new Promise(() => {});
    };
    await expectAborted(model, { tuning: false });
  });

  // A whole load submits 21 times: rows on their way once, else checks (counted on the same).
  test.each([1, 2, 10, 21])('as work is submitted for the %i. time', async (nth) => {
    const calls = atCall(device.queue as never, 'submit', nth);
    await expectAborted(model);
    expect(calls()).toBeGreaterThanOrEqual(nth);
    // The copy of what the check has in hand, and two empty submits, with which the memory goes back, of each who lets go of it.
    expect(calls()).toBeLessThanOrEqual(nth + 5);
  });
});

test('while the file is hashed', async () => {
  let compiled = false;
  let reads = 0;
  /** A file that is picked: whoever reads it asks for slices. */
  class WatchedBlob extends Blob {
    override slice(...range: Parameters<Blob['slice']>): Blob {
      if (compiled && ++reads === 1) controller.abort();
      return super.slice(...range);
    }
  }
  const sha256 = createHash('sha256').update(model).digest('hex');
  const onProgress = ({ phase, loaded }: LoadProgress): void => {
    compiled ||= phase === 'compile' && loaded > 0;
  };
  await expectAborted(new WatchedBlob([model]), { sha256, onProgress, tuning: false });
  // One piece of 1 MiB; the file has more.
  expect(reads).toBe(1);
});
