// The tuner's choices, with a clock and a device that do what the test says.
import { afterEach, describe, expect, it, vi } from 'vitest';
import { TernionError } from '../../../src/errors';
import type { Clock } from '../../../src/gpu/clock';
import type { GpuContext } from '../../../src/gpu/context';
import { fixedGrid } from '../../../src/gpu/grid';
import { Tuner, type Tunable } from '../../../src/gpu/tuner';
import type { TuningRecords, TuningStore } from '../../../src/gpu/tuning-memory';

/** A device on which time passes only when dispatches run. */
function fakeDevice(description = 'x') {
  let time = 0;
  const createCommandEncoder = () => {
    let work = 0;
    const pass = {
      setPipeline() {},
      setBindGroup() {},
      dispatchWorkgroups: (ms: number) => (work += ms),
      end() {},
    };
    return { beginComputePass: () => pass, finish: () => work };
  };
  const gpu = {
    assertAlive() {},
    capabilities: {},
    device: {
      adapterInfo: { vendor: 'v', architecture: 'a', device: 'd', description },
      features: new Set(['timestamp-query']),
      limits: {},
      createCommandEncoder,
      queue: {
        submit: (commands: readonly number[]) => {
          for (const work of commands) time += work;
        },
        onSubmittedWorkDone: async () => {},
      },
    },
  } as unknown as GpuContext;
  const clock: Clock = { now: () => time, stepMs: () => 0.001 };
  return { gpu, clock, now: () => time, spend: (ms: number) => (time += ms) };
}

/** What a check finds: true or false, or that the variant does not compile. */
type Finding = boolean | 'does not compile';

/** A kernel whose variant n takes `ms[n]` hundredths of a millisecond, is right if `right[n]`, and takes 10 ms to compile and check. */
function kernel(
  device: ReturnType<typeof fakeDevice>,
  ms: number[],
  right: Finding[] = ms.map(() => true),
): Tunable<number> & { checks: number[] } {
  const checks: number[] = [];
  return {
    name: 'kernel',
    checked: 'kernel check',
    candidates: ms.map((_, i) => i),
    checks,
    check: async (variant) => {
      device.spend(10);
      checks.push(variant);
      const found = right[variant]!;
      if (found === 'does not compile') throw new TernionError('internal', found);
      return found;
    },
    work: async (variant) => ({
      dispatches: [
        {
          label: '',
          pipeline: {} as GPUComputePipeline,
          bindGroup: {} as GPUBindGroup,
          grid: fixedGrid(ms[variant]! / 100),
        },
      ],
    }),
  };
}

/** A store that has what was saved, or `text`, as JSON. */
function memoryStore(text = '{}') {
  const store = {
    text,
    load: async () => JSON.parse(store.text) as TuningRecords,
    save: async (records: TuningRecords) => {
      store.text = JSON.stringify(records);
    },
  };
  return store;
}

interface LoadOptions {
  right?: Finding[];
  budgetMs?: number;
  description?: string;
  shaders?: string;
}

/** One load with a tunable kernel: which variant it picks, which it checks and which it rejects. */
async function load(
  store: TuningStore | undefined,
  ms: number[],
  { right, budgetMs, description, shaders }: LoadOptions = {},
) {
  const device = fakeDevice(description);
  const shadersHash = shaders === undefined ? undefined : async () => shaders;
  const tuner = new Tuner(device.gpu, { clock: device.clock, budgetMs, store, shadersHash });
  const tunable = kernel(device, ms, right);
  const picked = await tuner.choose(tunable);
  await tuner.save();
  return { picked, checked: tunable.checks, rejected: tuner.report.rejected, took: device.now() };
}

describe('the tuner', () => {
  it('takes the first variant as it is, wrong or not, if nothing is to be checked', async () => {
    const device = fakeDevice();
    const tuner = new Tuner(device.gpu, { clock: device.clock, unchecked: true });
    expect(await tuner.choose(kernel(device, [3, 1], [false, true]))).toBe(0);
    expect(tuner.report).toEqual({ chosen: { kernel: '0' }, rejected: [], races: [] });
    expect(device.now()).toBe(0);
  });

  it('picks the fastest variant', async () => {
    const device = fakeDevice();
    const tuner = new Tuner(device.gpu, { clock: device.clock });
    expect(await tuner.choose(kernel(device, [3, 2, 1, 4]))).toBe(2);
    expect(tuner.report.chosen).toEqual({ kernel: '2' });
  });

  it('says what it measured, and what it could not decide', async () => {
    const device = fakeDevice();
    const tuner = new Tuner(device.gpu, { clock: device.clock });
    await tuner.choose(kernel(device, [3, 2, 4]));
    const none = new Tuner(device.gpu, { clock: device.clock, budgetMs: 15 });
    await none.choose(kernel(device, [3, 2]));
    // Without noise every pair has the same ratio.
    expect(tuner.report.races).toMatchObject([
      { kernel: 'kernel', variant: '1', against: '0', verdict: 'faster' },
      { kernel: 'kernel', variant: '2', against: '1', verdict: 'not-faster' },
    ]);
    const [first, second] = tuner.report.races;
    expect(first?.ratio).toBeCloseTo(2 / 3, 6);
    expect(second?.ratio).toBeCloseTo(4 / 2, 6);
    for (const { pairs, spread, ms, againstMs, ratio } of tuner.report.races) {
      expect(pairs).toBeGreaterThan(2);
      expect(spread).toBeCloseTo(0, 6);
      expect((ms ?? 0) / (againstMs ?? 0)).toBeCloseTo(ratio, 6);
    }
    expect(none.report.races).toMatchObject([{ variant: '1', verdict: 'undecided' }]);
  });

  it('never picks one that is wrong, however fast, and says which were', async () => {
    const device = fakeDevice();
    const tuner = new Tuner(device.gpu, { clock: device.clock });
    expect(await tuner.choose(kernel(device, [3, 1, 2], [true, false, true]))).toBe(2);
    expect(tuner.report.rejected).toEqual(['kernel: 1']);
  });

  it('goes on to the next where the likeliest is wrong, even without a budget', async () => {
    const device = fakeDevice();
    const tuner = new Tuner(device.gpu, { clock: device.clock, budgetMs: 0 });
    expect(await tuner.choose(kernel(device, [3, 2, 1], [false, true, true]))).toBe(1);
  });

  it('fails where none is right', async () => {
    const device = fakeDevice();
    const tuner = new Tuner(device.gpu, { clock: device.clock });
    const choice = tuner.choose(kernel(device, [1, 2], [false, false]));
    await expect(choice).rejects.toMatchObject({ code: 'kernel-check-failed' });
  });

  it('spends no more than its budget on alternatives', async () => {
    const device = fakeDevice();
    const tuner = new Tuner(device.gpu, { clock: device.clock, budgetMs: 300 });
    await tuner.choose(kernel(device, Array<number>(1000).fill(2)));
    // One check of 10 ms for the first is not counted. Without noise, all that is begun is foreseen but the very first runs.
    expect(device.now()).toBeLessThanOrEqual(10 + 300 + 5);
  });

  it('tries no alternative where one alone would exceed the budget', async () => {
    const device = fakeDevice();
    const tuner = new Tuner(device.gpu, { clock: device.clock, budgetMs: 9 });
    expect(await tuner.choose(kernel(device, [3, 1]))).toBe(0);
  });
});

describe('what is remembered', () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  it('a later load starts with the best so far and tries what is left', async () => {
    const store = memoryStore();
    const times = [4, 3, 2, 1];
    const picks: number[] = [];
    // Room for one alternative a load: 10 ms to check, and six pairs of 7 ms, with some for latency.
    for (let i = 0; i < 4; i++) picks.push((await load(store, times, { budgetMs: 68 })).picked);
    expect(picks).toEqual([1, 2, 3, 3]);
  });

  it('what was right is not checked again', async () => {
    const store = memoryStore();
    expect(await load(store, [2, 1])).toMatchObject({ picked: 1, checked: [0, 1] });
    expect(await load(store, [2, 1])).toEqual({ picked: 1, checked: [], rejected: [], took: 0 });
  });

  it('an alternative is expected to take what the first one took when it was checked', async () => {
    const store = memoryStore();
    await load(store, [2, 1], { budgetMs: 0 });
    expect(await load(store, [2, 1], { budgetMs: 9 })).toMatchObject({ picked: 0, checked: [] });
    expect(await load(store, [2, 1], { budgetMs: 10 })).toMatchObject({ checked: [1] });
  });

  it('what a load has no time to decide, the next ones do, with what was measured before', async () => {
    const store = memoryStore();
    const picks: number[] = [];
    // After its check, time for a pair or two each: no load alone has the six that a verdict takes.
    for (let i = 0; i < 20; i++) picks.push((await load(store, [2, 1], { budgetMs: 30 })).picked);
    expect(picks[0]).toBe(0);
    expect(picks[19]).toBe(1);
    expect(picks).toEqual([...picks].sort());
  });

  it('what cannot be told apart from the first does not come before it later', async () => {
    const store = memoryStore();
    for (let i = 0; i < 3; i++) {
      expect(await load(store, [100, 99], { budgetMs: 5000 })).toMatchObject({ picked: 0 });
    }
  });

  it('what was wrong stays rejected and is named each time', async () => {
    const store = memoryStore();
    const right = [false, true];
    const first = await load(store, [2, 1], { right });
    expect(first).toMatchObject({ picked: 1, rejected: ['kernel: 0'] });
    // Even if a check would now say otherwise.
    expect(await load(store, [2, 1])).toMatchObject({ picked: 1, checked: [], rejected: ['kernel: 0'] });
  });

  it('what did not run is tried again', async () => {
    const store = memoryStore();
    const failing = await load(store, [2, 1], { right: ['does not compile', true], budgetMs: 0 });
    expect(failing).toMatchObject({ picked: 1, rejected: ['kernel: 0'] });
    expect(await load(store, [2, 1], { budgetMs: 0 })).toMatchObject({
      picked: 0,
      checked: [0],
      rejected: [],
    });
  });

  it('a load that fails remembers nothing, and none fails by what is remembered alone', async () => {
    const store = memoryStore();
    await expect(load(store, [1], { right: [false] })).rejects.toMatchObject({ code: 'kernel-check-failed' });
    expect(store.text).toBe('{}');
    await load(store, [2, 1], { right: [false, true], budgetMs: 0 });
    // The one that is known to be right is no candidate here.
    const again = await load(store, [2], { budgetMs: 0 });
    expect(again).toMatchObject({ picked: 0, checked: [0], rejected: [] });
  });

  it('is not of other shaders', async () => {
    const store = memoryStore();
    await load(store, [2, 1]);
    expect(await load(store, [2, 1], { shaders: 'changed' })).toMatchObject({ checked: [0, 1] });
    expect(await load(store, [2, 1])).toMatchObject({ checked: [] });
  });

  it('another adapter knows nothing of it', async () => {
    const store = memoryStore();
    await load(store, [2, 1]);
    expect(await load(store, [2, 1], { description: 'y' })).toMatchObject({ checked: [0, 1] });
    expect(await load(store, [2, 1])).toMatchObject({ checked: [] });
  });

  it('is forgotten after thirty days, and when the clock says nothing sensible', async () => {
    const day = 24 * 3600e3;
    vi.useFakeTimers({ toFake: ['Date'], now: 100 * day });
    const store = memoryStore();
    await load(store, [2, 1]);
    for (const [days, checked] of [
      [129, []],
      [131, [0, 1]],
      [130, [0, 1]],
    ] as const) {
      vi.setSystemTime(days * day);
      expect(await load(store, [2, 1]), `day ${days}`).toMatchObject({ checked });
    }
  });

  it('a store that is damaged or fails is an empty one', async () => {
    const sound = memoryStore();
    await load(sound, [2, 1]);
    const damages: [string | RegExp, string][] = [
      [/^.*$/, '[1, 2]'],
      [/^.*$/, 'null'],
      [/.$/, ''],
      [/"right":true/, '"right":"true"'],
      [/"right":true/, '"right":1'],
      [/"ms":10/, '"ms":-10'],
      [/"ms":10/, '"ms":null'],
      [/"checks":{/, '"checks":[],"x":{'],
      [/"times":/, '"time":'],
      [/"trials":{/, '"trials":[],"x":{'],
      [/"trials":{"kernel":{/, '"trials":{"kernel":{"1":{"against":"0","stage":0,"ratios":[null]}'],
      [/"since":\d+/, '"since":"now"'],
    ];
    for (const [pattern, replacement] of damages) {
      const store = memoryStore(sound.text.replace(pattern, replacement));
      expect(store.text).not.toBe(sound.text);
      expect(await load(store, [2, 1]), store.text).toMatchObject({ picked: 1, checked: [0, 1] });
    }
    const failing = {
      load: () => Promise.reject(new Error('no')),
      save: () => Promise.reject(new Error('no')),
    };
    expect(await load(failing, [2, 1])).toMatchObject({ picked: 1 });
  });

  it('nothing is written where nothing is new', async () => {
    const store = memoryStore();
    await load(store, [2, 1]);
    store.save = () => Promise.reject(new Error('written'));
    const save = vi.spyOn(store, 'save');
    await load(store, [2, 1]);
    expect(save).not.toHaveBeenCalled();
  });
});
