// How far a load is: one fraction that only grows, whatever its phases say, and is 1 exactly at the end.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { LoadProgress, PhaseProgress } from '../../../src/plan/load-options';
import { heard, LoadMeter, SteadyFraction } from '../../../src/plan/load-progress';
import { samples } from '../../support/effort';
import { sleep } from '../../support/wait';

const phase = fc.record({
  phase: fc.constantFrom<PhaseProgress['phase']>('download', 'upload', 'compile'),
  loaded: fc.oneof(fc.nat(100), fc.nat(3e9)),
  // Sizes that are unknown, become known, change, and are less than what has come.
  total: fc.oneof(fc.constant(0), fc.nat(100), fc.nat(3e9)),
});

/** What a caller hears of loads whose phases say this; after each list the load begins anew, as in another worker. */
async function toldOf(loads: readonly (readonly PhaseProgress[])[]): Promise<LoadProgress[]> {
  const told: LoadProgress[] = [];
  await heard(
    (progress) => told.push(progress),
    async (hear) => {
      for (const phases of loads) {
        const meter = new LoadMeter();
        for (const each of phases) hear?.(meter.next(each));
      }
    },
  );
  return told;
}

function expectSteady(told: readonly LoadProgress[]): void {
  const fractions = told.map(({ fraction }) => fraction);
  expect(fractions).toEqual(fractions.toSorted((a, b) => a - b));
  expect(fractions.every((fraction) => fraction >= 0)).toBe(true);
  expect(fractions.filter((fraction) => fraction >= 1)).toEqual([1]);
  expect(told.at(-1)).toMatchObject({ fraction: 1, text: 'Ready' });
}

describe('whatever phases say', () => {
  test('the fraction never goes back, and is 1 once, at the end; amounts are those of the phase', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(phase, { maxLength: 30 }), { maxLength: 3 }), async (loads) => {
        const told = await toldOf(loads);
        expectSteady(told);
        expect(told.slice(0, -1)).toMatchObject(loads.flat());
        expect(told.every(({ text }) => text.length > 0)).toBe(true);
      }),
      { numRuns: samples(300) },
    );
  });

  test('a fraction that is followed to its end is told to its end, wherever it began', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0, max: 1, noNaN: true })), (raw) => {
        const steady = new SteadyFraction();
        let before = 0;
        for (const each of raw) {
          const told = steady.next(each);
          expect(told).toBeGreaterThanOrEqual(before);
          expect(told).toBeLessThanOrEqual(1);
          before = told;
        }
        expect(steady.next(1)).toBe(1);
      }),
      { numRuns: samples(300) },
    );
  });
});

const MB = 1e6;
const download = (loaded: number, total: number, secondsLeft?: number): PhaseProgress => {
  return { phase: 'download', loaded, total, ...(secondsLeft !== undefined && { secondsLeft }) };
};
const upload = (loaded: number, total: number): PhaseProgress => ({ phase: 'upload', loaded, total });
const compile = (loaded: number, total = 0): PhaseProgress => ({ phase: 'compile', loaded, total });

/** A whole load of a model of that size, in ten pieces, with 22 pipelines. */
function wholeLoad(bytes: number, isCached: boolean): PhaseProgress[] {
  const tenths = Array.from({ length: 11 }, (_, i) => (i * bytes) / 10);
  return [
    ...tenths.flatMap((loaded) => [
      ...(isCached ? [] : [download(loaded, bytes)]),
      upload(Math.max(0, loaded - bytes / 10), bytes),
    ]),
    upload(bytes, bytes),
    ...Array.from({ length: 23 }, (_, i) => compile(i)),
    compile(22, 22),
  ];
}

/** The fraction when the compilation begins. */
async function beforeCompilation(phases: readonly PhaseProgress[]): Promise<number> {
  const told = await toldOf([phases]);
  return told.find((progress) => progress.phase === 'compile')?.fraction ?? NaN;
}

describe('a part of the whole is as large as the time that it takes', () => {
  test('most of a small model is compilation, most of a large download is not', async () => {
    expect(await beforeCompilation(wholeLoad(1.4 * MB, false))).toBeLessThan(0.2);
    expect(await beforeCompilation(wholeLoad(1200 * MB, false))).toBeGreaterThan(0.8);
  });

  test('of one that is cached it is compilation again', async () => {
    expect(await beforeCompilation(wholeLoad(1200 * MB, true))).toBeLessThan(0.5);
    // One whose bytes are all here, and which says so.
    const here = [download(1200 * MB, 1200 * MB), ...wholeLoad(1200 * MB, true)];
    expect(await beforeCompilation(here)).toBeLessThan(0.5);
  });

  test('a download that goes on where it broke off counts what is still to come', async () => {
    const told = await toldOf([[download(600 * MB, 1200 * MB), download(900 * MB, 1200 * MB)]]);
    expect(told[0]!.fraction).toBeLessThan(0.05);
    expect(told[1]!.fraction).toBeGreaterThan(0.4);
  });

  test('every pipeline and every piece moves it, also where no size is known', async () => {
    const unknown = [1, 2, 3].map((each) => download(each * MB, 0));
    for (const phases of [unknown, wholeLoad(1.4 * MB, false).filter(({ phase }) => phase === 'compile')]) {
      const fractions = (await toldOf([phases])).map(({ fraction }) => fraction).slice(0, phases.length);
      expect(new Set(fractions).size).toBe(fractions.length);
    }
  });

  test('a load that begins anew goes on from where the first one was', async () => {
    const half = wholeLoad(100 * MB, false).slice(0, 12);
    const told = await toldOf([half, wholeLoad(100 * MB, false)]);
    expectSteady(told);
    const again = told.slice(half.length, -1).map(({ fraction }) => fraction);
    expect(again[0]).toBe(told[half.length - 1]!.fraction);
    expect(again.at(-1)).toBeGreaterThan(0.95);
  });
});

test('the text says what goes on', async () => {
  const phases = [
    download(12.5 * MB, 1200 * MB, 39.2),
    upload(1 * MB, 1200 * MB),
    download(13 * MB, 0),
    download(1200 * MB, 1200 * MB),
    upload(600 * MB, 1200 * MB),
    download(12.5 * MB, 1200 * MB, 4000),
    compile(7),
    compile(43, 43),
  ];
  expect((await toldOf([phases])).map(({ text }) => text)).toEqual([
    'Downloading 12.5 MB of 1.20 GB, 40 s left',
    'Downloading 12.5 MB of 1.20 GB, 40 s left',
    'Downloading 13.0 MB',
    'Loading 1.00 MB of 1.20 GB',
    'Loading 600 MB of 1.20 GB',
    'Downloading 12.5 MB of 1.20 GB, 67 min left',
    'Preparing the GPU: 7 programs',
    'Preparing the GPU: 43 of 43 programs',
    'Ready',
  ]);
});

describe('the end', () => {
  test('is told before the caller goes on, and once although more comes', async () => {
    const order: string[] = [];
    let late: ((progress: LoadProgress) => void) | undefined;
    await heard(
      ({ fraction }) => order.push(`${fraction}`),
      async (hear) => void (late = hear),
    );
    order.push('loaded');
    late?.(new LoadMeter().next(compile(3)));
    await sleep(5);
    expect(order).toEqual(['1', 'loaded']);
  });

  test('is not told of a load that fails', async () => {
    const told: LoadProgress[] = [];
    const failure = new Error('no');
    const loading = heard(
      (progress) => told.push(progress),
      async (hear) => {
        hear?.(new LoadMeter().next(download(1, 2)));
        throw failure;
      },
    );
    await expect(loading).rejects.toBe(failure);
    await sleep(5);
    expect(told).toHaveLength(1);
    expect(told[0]!.fraction).toBeLessThan(1);
  });
});
