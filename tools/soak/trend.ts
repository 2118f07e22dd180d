// Whether memory grows: samples over time, their slope, and the bounds between the first quarter and the last.

/** The memory of a moment in which no session is open. All in bytes, but for buffers, which are counted. */
export interface Sample {
  /** Seconds since the soak began. */
  at: number;
  /** The heap of JavaScript and its buffers, after collecting garbage. */
  heap: number;
  /** All of the process, the driver's included. */
  rss: number;
  /** GPU buffers that were made and not destroyed, by the device's own count. */
  gpuBytes: number;
  gpuBuffers: number;
}

/** What is measured of a sample. */
export type Metric = Exclude<keyof Sample, 'at'>;

/**
 * The most that a metric's median may be larger in the last quarter of a soak than in the first. The heap's covers what the
 * runtime compiles and caches in its first minutes. RSS has no bound: software drivers keep memory of devices that are gone.
 */
export const BOUNDS: Readonly<Partial<Record<Metric, number>>> = {
  heap: 16 << 20,
  gpuBytes: 1 << 20,
  gpuBuffers: 32,
};

/** How a metric went. */
export interface Trend {
  metric: Metric;
  /** Medians of the first quarter and of the last. */
  first: number;
  last: number;
  /** The least-squares line through all samples, per hour. */
  perHour: number;
  /** Undefined where there is none. */
  bound: number | undefined;
  exceeded: boolean;
}

const METRICS: readonly Metric[] = ['heap', 'rss', 'gpuBytes', 'gpuBuffers'];

/**
 * Samples of which something can be said. A soak's last process may have few rounds, more or fewer as the machine is busy, and its
 * first ones have no model yet: what it loads later is nothing that grows.
 */
export const LEAST_SAMPLES = 40;

/** The trends of at least {@link LEAST_SAMPLES}; none of fewer. */
export function trendsOf(samples: readonly Sample[]): Trend[] {
  if (samples.length < LEAST_SAMPLES) return [];
  const quarter = Math.floor(samples.length / 4);
  return METRICS.map((metric) => {
    const values = samples.map((sample) => sample[metric]);
    const first = median(values.slice(0, quarter));
    const last = median(values.slice(-quarter));
    const bound = BOUNDS[metric];
    const times = samples.map(({ at }) => at / 3600);
    return {
      metric,
      first,
      last,
      perHour: slope(times, values),
      bound,
      exceeded: last - first > (bound ?? Infinity),
    };
  });
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)]!;
}

/** The slope of the line that is nearest to the points, by least squares; 0 if all are at one time. */
function slope(xs: readonly number[], ys: readonly number[]): number {
  const mean = (of: readonly number[]): number => of.reduce((sum, each) => sum + each, 0) / of.length;
  const [x, y] = [mean(xs), mean(ys)];
  const across = xs.reduce((sum, each) => sum + (each - x) ** 2, 0);
  return across === 0 ? 0 : xs.reduce((sum, each, i) => sum + (each - x) * (ys[i]! - y), 0) / across;
}
