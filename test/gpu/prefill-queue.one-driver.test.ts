// A long prompt keeps two chunks in flight, so the GPU has the next one when one is done; an abort submits no more of them.
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { GpuContext } from '../../src/gpu/context';
import type { Transformer } from '../../src/inference/transformer';
import { openContext } from '../support/engine';
import { expectFailure } from '../support/expect-failure';
import { PinnedModel } from '../support/pinned-model';
import { sleep, until } from '../support/wait';

const CHUNK = 8;
/** Five chunks, the last of them not full. */
const IDS = Array.from({ length: 4 * CHUNK + 3 }, (_, i) => i + 5);

describe('a prompt of five chunks', () => {
  let gpu: GpuContext;
  let model: PinnedModel;
  let transformer: Transformer;
  /** Chunks submitted so far. */
  let submits = 0;
  /** Ends the waits for submitted work, the oldest first, once the GPU is done with it. */
  const waits: (() => void)[] = [];
  /** Gives the queue its own methods back. */
  let restore = (): void => {};

  beforeAll(async () => {
    gpu = await openContext();
    model = await PinnedModel.load(gpu, 'public/models/ternion-tiny-i2_s.gguf', {});
    transformer = await model.with({ prefillTokens: CHUNK });
  });
  afterAll(() => {
    gpu.destroy();
    gpu.device.destroy();
  });
  afterEach(() => {
    restore();
    for (const end of waits.splice(0)) end();
    submits = 0;
  });

  /** Begins to evaluate the prompt; from now on its waits last until `waits` are ended. */
  async function begin(signal?: AbortSignal) {
    const cache = await model.cache(transformer);
    const pass = await transformer.forwardPass(cache);
    const { queue } = gpu.device;
    const submit = queue.submit.bind(queue);
    const workDone = queue.onSubmittedWorkDone.bind(queue);
    queue.submit = (commands) => (submits++, submit(commands));
    queue.onSubmittedWorkDone = async () => {
      await new Promise<void>((resolve) => waits.push(resolve));
      return workDone();
    };
    restore = () => Object.assign(queue, { submit, onSubmittedWorkDone: workDone });
    const ended = transformer.prefill(cache, pass, IDS, 0, signal);
    // What it rejects with is looked at later.
    ended.catch(() => {});
    return { cache, ended };
  }

  it('submits two, and another one whenever the oldest is done', async () => {
    const { cache, ended } = await begin();
    for (const count of [2, 3, 4]) {
      await until(() => submits === count);
      await sleep(20);
      expect(submits).toBe(count);
      waits.shift()?.();
    }
    await ended;
    expect(submits).toBe(5);
    expect(cache.tokenIds).toEqual(IDS);
    cache.destroy();
  });

  it('submits none after an abort, and counts the two that it has as there', async () => {
    const control = new AbortController();
    const { cache, ended } = await begin(control.signal);
    await until(() => submits === 2);
    control.abort();
    waits.shift()?.();
    await expectFailure(ended, 'aborted');
    expect(submits).toBe(2);
    expect(cache.tokenIds).toEqual(IDS.slice(0, 2 * CHUNK));
    cache.destroy();
  });

  it('evaluates to the logits of a prompt in one chunk', async () => {
    const whole = await model.with({ prefillTokens: 128 });
    expect(await model.logits(transformer, IDS)).toEqual(await model.logits(whole, IDS));
  });
});
