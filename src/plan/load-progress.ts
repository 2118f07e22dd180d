// How far a whole load is, from how far each of its phases is: one number that only grows, and a sentence to show.

import type { LoadProgress, PhaseProgress } from './load-options';

/** What a load is expected to take, s: it decides only how much of the whole each phase is. */
const EXPECTED = {
  /** Of a download: the first answer, and bytes at 10 MB/s. */
  request: 0.3,
  downloadByte: 1e-7,
  /** Bytes read from the cache and brought onto the GPU, at 500 MB/s. */
  uploadByte: 2e-9,
  /** All kernels: most of the load of a small model. */
  compile: 5,
} as const;

/**
 * Pipelines of a load, about: how many there are is known when all are there. The embedded model has 21 on SwiftShader and 22 on
 * lavapipe; where variants are tuned there are more.
 */
const USUAL_PIPELINES = 24;
/** What is taken for the size of a download that does not say its own, bytes. */
const USUAL_BYTES = 5e8;
/** All that can be said of a load that has not ended: what it still has to do may be the check of a hash. */
const NEARLY_ALL = 0.99;

/**
 * A fraction that never goes back. Where what it follows does (because a size becomes known, a download begins anew, or another
 * worker does), it stays, and goes on from there as that comes nearer to the end.
 */
export class SteadyFraction {
  #followed = 0;
  #told = 0;

  /** What is told when the fraction that it follows is `raw`, 0 to 1. It is 1 exactly when that is. */
  next(raw: number): number {
    if (raw >= 1) this.#told = 1;
    else if (raw > this.#followed)
      this.#told += ((1 - this.#told) * (raw - this.#followed)) / (1 - this.#followed);
    this.#followed = Math.min(raw, 1);
    return this.#told;
  }
}

/** Follows one load through its phases, of which `download` and `upload` go on at the same time, and any may be missing. */
export class LoadMeter {
  readonly #steady = new SteadyFraction();
  #download: PhaseProgress | undefined;
  /** Bytes that were here before. */
  #kept = 0;
  #upload: PhaseProgress | undefined;
  #compile: PhaseProgress | undefined;

  /** What is told of the load when one of its phases is so far. The fraction is below 1: the end is for those to tell who know it. */
  next(progress: PhaseProgress): LoadProgress {
    this.#note(progress);
    const fraction = this.#steady.next(NEARLY_ALL * this.#raw());
    return { ...progress, fraction, text: this.#text() };
  }

  #note(progress: PhaseProgress): void {
    if (progress.phase === 'upload') this.#upload = progress;
    else if (progress.phase === 'compile') this.#compile = progress;
    else {
      if (!this.#download) this.#kept = progress.loaded;
      this.#download = progress;
    }
  }

  /** The expected seconds that are over, of all. */
  #raw(): number {
    const parts = [this.#downloading(), this.#uploading(), this.#compiling()];
    const all = parts.reduce((sum, { seconds }) => sum + seconds, 0);
    return parts.reduce((sum, { seconds, done }) => sum + seconds * done, 0) / all;
  }

  #downloading(): Part {
    if (!this.#download) return NOTHING;
    const { loaded, total } = this.#download;
    const bytes = Math.max(0, (total > 0 ? total : USUAL_BYTES) - this.#kept);
    const came = Math.max(0, loaded - this.#kept);
    const done = total > 0 ? share(came, bytes) : came / (came + USUAL_BYTES);
    return { seconds: EXPECTED.request + bytes * EXPECTED.downloadByte, done: this.#compile ? 1 : done };
  }

  #uploading(): Part {
    const { loaded = 0, total = 0 } = this.#upload ?? {};
    const bytes = total > 0 ? total : (this.#download?.total ?? 0);
    return { seconds: bytes * EXPECTED.uploadByte, done: this.#compile ? 1 : share(loaded, bytes) };
  }

  #compiling(): Part {
    const { loaded = 0, total = 0 } = this.#compile ?? {};
    const expected = total > 0 ? total : Math.max(USUAL_PIPELINES, loaded + 2);
    return { seconds: EXPECTED.compile, done: share(loaded, expected) };
  }

  #text(): string {
    const download = this.#download;
    if (this.#compile) return `Preparing the GPU: ${amount(this.#compile, String)} programs`;
    if (download && !isOver(download)) {
      const { secondsLeft } = download;
      const left = secondsLeft === undefined ? '' : `, ${durationText(secondsLeft)} left`;
      return `Downloading ${amount(download, bytesText)}${left}`;
    }
    return this.#upload ? `Loading ${amount(this.#upload, bytesText)}` : 'Loading';
  }
}

/**
 * Has `load` load, and tells `onProgress` how far it is: never back, whatever comes, and 1 once, when all is done. What comes behind
 * the end, of an engine in another thread, is not told.
 */
export async function heard<T>(
  onProgress: ((progress: LoadProgress) => void) | undefined,
  load: (onProgress: ((progress: LoadProgress) => void) | undefined) => Promise<T>,
): Promise<T> {
  if (!onProgress) return load(undefined);
  const steady = new SteadyFraction();
  let isOver = false;
  let last: PhaseProgress = { phase: 'compile', loaded: 0, total: 0 };
  const hear = (progress: LoadProgress): void => {
    if (isOver) return;
    last = progress;
    onProgress({ ...progress, fraction: steady.next(Math.min(progress.fraction, NEARLY_ALL)) });
  };
  try {
    const loaded = await load(hear);
    const { phase, loaded: count, total } = last;
    // Before the caller goes on, and apart from the load: what a listener throws must not cost what was loaded.
    queueMicrotask(() => onProgress({ phase, loaded: count, total, fraction: 1, text: 'Ready' }));
    return loaded;
  } finally {
    isOver = true;
  }
}

/** A phase as a part of the whole: what it takes, s, and how much of that is over. */
interface Part {
  seconds: number;
  done: number;
}

const NOTHING: Part = { seconds: 0, done: 0 };

function share(loaded: number, total: number): number {
  return total > 0 ? Math.min(1, loaded / total) : 0;
}

function isOver({ loaded, total }: PhaseProgress): boolean {
  return total > 0 && loaded >= total;
}

function amount({ loaded, total }: PhaseProgress, show: (count: number) => string): string {
  return total > 0 ? `${show(loaded)} of ${show(total)}` : show(loaded);
}

/** Bytes with a unit, to three digits: `1.44 MB`. */
export function bytesText(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  const power = bytes < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(bytes) / 3));
  const value = bytes / 1000 ** power;
  return `${value >= 100 || power === 0 ? Math.round(value) : value.toPrecision(3)} ${units[power]}`;
}

/** Seconds, in minutes where there are many. */
function durationText(seconds: number): string {
  return seconds < 100 ? `${Math.ceil(seconds)} s` : `${Math.ceil(seconds / 60)} min`;
}
