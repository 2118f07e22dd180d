// How a download is going: bytes, rate and time left, over all files of a model.

/** Bytes of a download. */
export interface DownloadProgress {
  loaded: number;
  /** 0 while unknown. */
  total: number;
  /** Bytes a second over the last seconds; 0 until there is something to measure. */
  bytesPerSecond: number;
  /** Seconds left at this rate; absent while it cannot be told. */
  secondsLeft?: number;
}

const REPORT_MS = 100;
const WINDOW_MS = 4000;

/** Adds up the files of a model and reports, at most ten times a second, and the last of what came soon after it came. */
export class ProgressMeter {
  readonly #files: { loaded: number; total: number }[] = [];
  /** Bytes received so far, at several times of the last seconds. */
  #samples: { at: number; received: number }[] = [];
  #received = 0;
  #lastReport = -Infinity;
  /** Reports what came too soon after the last report, if nothing else does before. */
  #later: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly report: (progress: DownloadProgress) => void) {}

  /** Adds a file of `total` bytes (0: unknown), `loaded` of which are here already. */
  file(total: number, loaded: number): FileProgress {
    const file = { total, loaded };
    this.#files.push(file);
    this.#tell();
    return {
      received: (bytes) => {
        file.loaded = Math.min(file.total || Infinity, file.loaded + bytes);
        this.#received += bytes;
        this.#tell();
      },
      set: (state) => {
        this.#received += Math.max(0, state.loaded - file.loaded);
        Object.assign(file, state);
        this.#tell();
      },
      done: () => {
        file.loaded = file.total = Math.max(file.total, file.loaded);
        this.#tell(true);
      },
      remove: () => void this.#files.splice(this.#files.indexOf(file), 1),
    };
  }

  #tell(atOnce = false): void {
    const now = performance.now();
    const wait = this.#lastReport + REPORT_MS - now;
    if (!atOnce && wait > 0) {
      this.#later ??= setTimeout(() => this.#tell(true), wait);
      return;
    }
    clearTimeout(this.#later);
    this.#later = undefined;
    this.#lastReport = now;
    const { loaded, total } = this.#sum();
    const bytesPerSecond = this.#rate(now);
    const secondsLeft = (total - loaded) / bytesPerSecond;
    const known = total > 0 && Number.isFinite(secondsLeft);
    this.report({ loaded, total, bytesPerSecond, ...(known && { secondsLeft }) });
  }

  #sum(): { loaded: number; total: number } {
    const known = this.#files.every(({ total }) => total > 0);
    const loaded = this.#files.reduce((sum, file) => sum + file.loaded, 0);
    return { loaded, total: known ? this.#files.reduce((sum, { total }) => sum + total, 0) : 0 };
  }

  #rate(now: number): number {
    this.#samples.push({ at: now, received: this.#received });
    // The oldest sample is the last that is at least a window old.
    while (this.#samples.length > 2 && this.#samples[1]!.at < now - WINDOW_MS) this.#samples.shift();
    const { at, received } = this.#samples[0]!;
    return now > at ? ((this.#received - received) / (now - at)) * 1000 : 0;
  }
}

/** The progress of one file, as part of that of the model. */
export interface FileProgress {
  /** Adds bytes that came over the network. */
  received(bytes: number): void;
  /** Replaces what is known of the file, for example by what the tab says that downloads it. */
  set(state: { loaded: number; total: number }): void;
  /** Reports at once that all of the file is here. */
  done(): void;
  /** Leaves the file out of the sum from now on. */
  remove(): void;
}
