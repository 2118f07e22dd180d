// What the soak says of memory: what grows is told from what goes up and down.
import { describe, expect, it } from 'vitest';
import { isBeginning } from '../../../tools/soak/actions';
import { parseSoakOptions } from '../../../tools/soak/options';
import { BOUNDS, LEAST_SAMPLES, trendsOf, type Metric, type Sample } from '../../../tools/soak/trend';

const MINUTE = 60;

/** A sample a minute, all metrics alike but for `metric`. */
function samples(metric: Metric, values: readonly number[]): Sample[] {
  return values.map((value, i) => ({
    at: i * MINUTE,
    heap: 0,
    rss: 0,
    gpuBytes: 0,
    gpuBuffers: 0,
    [metric]: value,
  }));
}

function trendOf(metric: Metric, values: readonly number[]): ReturnType<typeof trendsOf>[number] {
  return trendsOf(samples(metric, values)).find((each) => each.metric === metric)!;
}

describe('memory', () => {
  it.each(['heap', 'gpuBytes', 'gpuBuffers'] as const)(
    'that grows beyond its bound is told: %s',
    (metric) => {
      const bound = BOUNDS[metric]!;
      const grows = Array.from({ length: 40 }, (_, i) => (i * 2 * bound) / 40);
      expect(trendOf(metric, grows)).toMatchObject({ exceeded: true, bound });
      expect(
        trendOf(
          metric,
          grows.map((value) => value / 4),
        ).exceeded,
      ).toBe(false);
    },
  );

  it('that goes up and down is none that grows', () => {
    const waves = Array.from({ length: 40 }, (_, i) => (i % 4 === 0 ? 100 * BOUNDS.heap! : 5));
    expect(trendOf('heap', waves)).toMatchObject({ first: 5, last: 5, exceeded: false });
  });

  it('of the whole process has a slope and no bound', () => {
    const grows = Array.from({ length: 61 }, (_, i) => i * 1e9);
    expect(trendOf('rss', grows)).toMatchObject({ bound: undefined, exceeded: false });
    expect(trendOf('rss', grows).perHour).toBeCloseTo(60e9, -3);
  });

  it('of a few rounds says nothing: the first of them have no model yet', () => {
    const rounds = Array.from({ length: LEAST_SAMPLES }, (_, i) => (i < 2 ? 0 : 2 * BOUNDS.gpuBuffers!));
    expect(trendsOf(samples('gpuBuffers', rounds.slice(0, 7)))).toEqual([]);
    expect(trendOf('gpuBuffers', rounds)).toMatchObject({ exceeded: false });
  });
});

describe('an answer that was cut', () => {
  it('is the beginning of the whole one, and may end amid a character', () => {
    for (const text of ['', 'م', 'مر\uFFFD', 'مرحبا']) expect(isBeginning(text, 'مرحبا')).toBe(true);
    for (const text of ['ر', '\uFFFDم', 'مرحبا!']) expect(isBeginning(text, 'مرحبا')).toBe(false);
  });
});

describe('the command line', () => {
  it('takes hours or minutes', () => {
    expect(parseSoakOptions(['--hours', '8']).seconds).toBe(8 * 3600);
    expect(parseSoakOptions(['--minutes', '0.5', '--seed', '9'])).toMatchObject({ seconds: 30, seed: 9 });
    expect(parseSoakOptions([])).toMatchObject({ seconds: 120, control: undefined });
  });

  it.each([[['--hours', '1', '--minutes', '1']], [['--minutes', 'long']], [['--days', '1']]])(
    'is refused: %j',
    (args) => {
      expect(() => parseSoakOptions(args)).toThrow();
    },
  );
});
