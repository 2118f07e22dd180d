// The tuner's choices, with a clock and a device that do what the test says.
import { describe, expect, it } from 'vitest';
import type { GpuContext } from '../../src/gpu/context';
import { fixedGrid } from '../../src/gpu/grid';
import { Tuner, type Tunable, type TuningRecord, type TuningStore } from '../../src/gpu/tuner';

/** A device on which time passes only when dispatches run. */
function fakeDevice() {
  let time = 0;
  let pending = 0;
  const pass = {
    setPipeline() {},
    setBindGroup() {},
    dispatchWorkgroups: (ms: number) => (pending += ms),
    end() {},
  };
  const gpu = {
    assertAlive() {},
    device: {
      adapterInfo: { vendor: 'v', architecture: 'a', device: 'd', description: 'x' },
      createCommandEncoder: () => ({ beginComputePass: () => pass, finish: () => ({}) }),
      queue: {
        submit() {
          time += pending;
          pending = 0;
        },
        onSubmittedWorkDone: async () => {},
      },
    },
  } as unknown as GpuContext;
  return { gpu, now: () => time, spend: (ms: number) => (time += ms) };
}

/** A kernel whose variant n takes `ms[n]`, is right if `right[n]`, and takes 10 ms to compile and check. */
function kernel(
  device: ReturnType<typeof fakeDevice>,
  ms: number[],
  right = ms.map(() => true),
): Tunable<number> {
  return {
    name: 'kernel',
    candidates: ms.map((_, i) => i),
    check: async (variant) => {
      device.spend(10);
      return right[variant]!;
    },
    work: async (variant) => ({
      dispatches: [
        {
          label: '',
          pipeline: {} as GPUComputePipeline,
          bindGroup: {} as GPUBindGroup,
          grid: fixedGrid(ms[variant]!),
        },
      ],
    }),
  };
}

function memoryStore(): TuningStore & { records: Record<string, TuningRecord> } {
  const store = {
    records: {} as Record<string, TuningRecord>,
    load: async () => structuredClone(store.records),
    save: async (records: Record<string, TuningRecord>) => {
      store.records = structuredClone(records);
    },
  };
  return store;
}

describe('the tuner', () => {
  it('takes the first variant as it is, wrong or not, if nothing is to be checked', async () => {
    const device = fakeDevice();
    const tuner = new Tuner(device.gpu, { now: device.now, unchecked: true });
    expect(await tuner.choose(kernel(device, [3, 1], [false, true]))).toBe(0);
    expect(tuner.report).toEqual({ chosen: { kernel: '0' }, rejected: [] });
    expect(device.now()).toBe(0);
  });

  it('picks the fastest variant', async () => {
    const device = fakeDevice();
    const tuner = new Tuner(device.gpu, { now: device.now });
    expect(await tuner.choose(kernel(device, [3, 2, 1, 4]))).toBe(2);
    expect(tuner.report.chosen).toEqual({ kernel: '2' });
  });

  it('never picks one that is wrong, however fast, and says which were', async () => {
    const device = fakeDevice();
    const tuner = new Tuner(device.gpu, { now: device.now });
    expect(await tuner.choose(kernel(device, [3, 1, 2], [true, false, true]))).toBe(2);
    expect(tuner.report.rejected).toEqual(['kernel: 1']);
  });

  it('goes on to the next where the likeliest is wrong, even without a budget', async () => {
    const device = fakeDevice();
    const tuner = new Tuner(device.gpu, { now: device.now, budgetMs: 0 });
    expect(await tuner.choose(kernel(device, [3, 2, 1], [false, true, true]))).toBe(1);
  });

  it('fails where none is right', async () => {
    const device = fakeDevice();
    const tuner = new Tuner(device.gpu, { now: device.now });
    const choice = tuner.choose(kernel(device, [1, 2], [false, false]));
    await expect(choice).rejects.toMatchObject({ code: 'kernel-check-failed' });
  });

  it('spends no more than its budget on alternatives', async () => {
    const device = fakeDevice();
    const tuner = new Tuner(device.gpu, { now: device.now, budgetMs: 300 });
    await tuner.choose(kernel(device, Array<number>(1000).fill(2)));
    // One check of 10 ms for the first; an alternative takes 10 ms and 8 runs of 2 ms, so the last may begin at 290 ms.
    expect(device.now()).toBeLessThanOrEqual(10 + 300 + 26);
  });

  it('tries no alternative where one alone would exceed the budget', async () => {
    const device = fakeDevice();
    const tuner = new Tuner(device.gpu, { now: device.now, budgetMs: 9 });
    expect(await tuner.choose(kernel(device, [3, 1]))).toBe(0);
  });

  it('remembers: a later load starts with the best so far and tries what is left', async () => {
    const store = memoryStore();
    const times = [4, 3, 2, 1];
    const picks: number[] = [];
    for (let load = 0; load < 4; load++) {
      const device = fakeDevice();
      // Room for one alternative a load: 10 ms to check, at most 8 runs of 4 ms to time.
      const tuner = new Tuner(device.gpu, { now: device.now, budgetMs: 12, store });
      picks.push(await tuner.choose(kernel(device, times)));
      await tuner.save();
    }
    expect(picks).toEqual([1, 2, 3, 3]);
  });

  it('checks again what it remembers, for drivers change', async () => {
    const store = memoryStore();
    const first = fakeDevice();
    const tuner = new Tuner(first.gpu, { now: first.now, store });
    expect(await tuner.choose(kernel(first, [2, 1]))).toBe(1);
    await tuner.save();
    const later = fakeDevice();
    const again = new Tuner(later.gpu, { now: later.now, store });
    expect(await again.choose(kernel(later, [2, 1], [true, false]))).toBe(0);
  });
});
