// Loads one model at a time: a load that begins ends the one before it, and the model that is there stays until the next one is.

import { listModels, loadModel } from '../src/index';
import type { Engine, LoadProgress } from '../src/index';
import { urlOf } from '../src/storage/http/address';
import { LoadView, pausedText } from './load-view';
import { announce } from './reader';
import { BUILT_IN, type Source } from './source';

/** A model that is loaded, and where it came from. */
export interface LoadedModel {
  source: Source;
  engine: Engine;
}

/** What the rest of the page does about loads. */
export interface LoaderEvents {
  /** A load begins, pauses or ends. */
  changed: () => void;
  /** This model is there, in the place of the one before it, which is disposed of then. */
  loaded: (model: LoadedModel) => void;
  /** Cancelling is no failure. */
  failed: (error: unknown, source: Source) => void;
  cancelled: (source: Source) => void;
}

/** A load that is under way or paused. */
interface Load {
  source: Source;
  control: AbortController;
  /** What its signal says: it is to be taken up again, or not. */
  paused: boolean;
  /** How far its download was, the last time that was told. */
  download?: Pick<LoadProgress, 'loaded' | 'total' | 'bytesPerSecond'>;
}

export class Loader {
  readonly #view = new LoadView();
  #current: LoadedModel | undefined;
  #load: Load | undefined;

  constructor(private readonly events: LoaderEvents) {}

  /** The model that is there. */
  get current(): LoadedModel | undefined {
    return this.#current;
  }

  async load(source: Source): Promise<void> {
    this.#load?.control.abort();
    const load: Load = { source, control: new AbortController(), paused: false };
    this.#load = load;
    const fetched = typeof source.model === 'string' && source.model !== BUILT_IN.model;
    this.#view.start(source.name, { pause: fetched, cancel: fetched || this.#current !== undefined });
    announce(`Loading ${source.name}.`);
    this.events.changed();
    try {
      const engine = await this.#open(load);
      // A load that was paused amid its last step may have ended well all the same.
      load.paused = false;
      if (this.#load === load) await this.#replace({ source, engine });
      else await engine.dispose();
    } catch (error) {
      if (this.#load === load && !load.paused) this.#failed(load, error);
    } finally {
      if (this.#load === load && !load.paused) this.#end();
    }
  }

  /** Ends the load that is under way or paused, if there is one. What came of it is not wanted. */
  cancel(): void {
    const load = this.#load;
    if (!load) return;
    if (!load.paused) return load.control.abort();
    this.#end();
    this.#cancelled(load.source);
  }

  /** Ends a download for now, or takes it up again: the next load goes on from what is kept of it. */
  pauseOrResume(): void {
    const load = this.#load;
    if (!load) return;
    if (load.paused) return void this.load(load.source);
    load.paused = true;
    load.control.abort();
    this.#view.pause(`Paused ${load.source.name}.`);
    void this.#sayPaused(load);
    this.events.changed();
  }

  /** Says how much of a load that was paused is here: nothing where the browser keeps no files, or has no room. */
  async #sayPaused(load: Load): Promise<void> {
    const kept = await listModels().catch(() => []);
    const { name, model } = load.source;
    const isKept = typeof model === 'string' && kept.some(({ url }) => url === urlOf(model));
    if (this.#load !== load || !load.paused) return;
    const text = pausedText(name, isKept, load.download);
    this.#view.pause(text);
    announce(text);
  }

  #open(load: Load): Promise<Engine> {
    const { model, sha256 } = load.source;
    return loadModel(model, {
      ...(sha256 && { sha256 }),
      signal: load.control.signal,
      onProgress: (progress) => {
        if (this.#load !== load || load.paused) return;
        if (progress.phase === 'download') load.download = progress;
        this.#view.update(progress, load.download?.bytesPerSecond);
      },
    });
  }

  async #replace(model: LoadedModel): Promise<void> {
    const previous = this.#current?.engine;
    this.#current = model;
    this.events.loaded(model);
    announce(`${model.engine.info.name} is ready.`);
    // It may be gone already: a lost GPU is one reason to load again.
    await previous?.dispose().catch(() => undefined);
  }

  #failed({ source, control }: Load, error: unknown): void {
    if (control.signal.aborted) this.#cancelled(source);
    else this.events.failed(error, source);
  }

  #cancelled(source: Source): void {
    announce('Loading was cancelled.');
    this.events.cancelled(source);
  }

  #end(): void {
    this.#load = undefined;
    this.#view.end(this.#current !== undefined);
    this.events.changed();
  }
}
