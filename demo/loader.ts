// Loads one model at a time: a load that begins ends the one before it, and the model that is there stays until the next one is.

import { loadModel } from '../src/index';
import type { Engine } from '../src/index';
import { LoadView } from './load-view';
import { announce } from './reader';
import type { Source } from './source';

/** A model that is loaded, and where it came from. */
export interface LoadedModel {
  source: Source;
  engine: Engine;
}

/** What the rest of the page does about loads. */
export interface LoaderEvents {
  /** A load begins or ends. */
  changed: () => void;
  /** This model is there, in the place of the one before it, which is disposed of then. */
  loaded: (model: LoadedModel) => void;
  failed: (error: unknown, source: Source) => void;
}

export class Loader {
  readonly #view = new LoadView();
  #current: LoadedModel | undefined;
  /** Ends the load that is under way. */
  #loading: AbortController | undefined;

  constructor(private readonly events: LoaderEvents) {}

  /** The model that is there. */
  get current(): LoadedModel | undefined {
    return this.#current;
  }

  async load(source: Source): Promise<void> {
    this.#loading?.abort();
    const control = new AbortController();
    this.#loading = control;
    this.#view.start(source.name, this.#current !== undefined);
    announce(`Loading ${source.name}.`);
    this.events.changed();
    try {
      const engine = await loadModel(source.model, {
        ...(source.sha256 && { sha256: source.sha256 }),
        signal: control.signal,
        onProgress: (progress) => {
          if (this.#loading === control) this.#view.update(progress);
        },
      });
      if (this.#loading === control) await this.#replace({ source, engine });
      else await engine.dispose();
    } catch (error) {
      if (this.#loading === control) this.events.failed(error, source);
    } finally {
      if (this.#loading === control) {
        this.#loading = undefined;
        this.#view.end(this.#current !== undefined);
        this.events.changed();
      }
    }
  }

  /** Ends the load that is under way, if there is one. */
  cancel(): void {
    this.#loading?.abort();
  }

  async #replace(model: LoadedModel): Promise<void> {
    const previous = this.#current?.engine;
    this.#current = model;
    this.events.loaded(model);
    announce(`${model.engine.info.name} is ready.`);
    // It may be gone already: a lost GPU is one reason to load again.
    await previous?.dispose().catch(() => undefined);
  }
}
