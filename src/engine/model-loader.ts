// Brings a model whose files are open onto a device; and onto another device again, where that one is lost.

import { TernionError } from '../errors';
import { Fingerprint } from '../files/fingerprint';
import type { ModelFiles } from '../files/model-files';
import { probeCapabilities } from '../gpu/capabilities';
import { GpuContext } from '../gpu/context';
import { shaderLog } from '../gpu/shader-log';
import { storeInMemory, type TuningRecords, type TuningStore } from '../gpu/tuning-memory';
import { architectures } from '../model/architectures';
import { openModel } from '../model/open-model';
import type { LoadClock } from '../plan/load-clock';
import type { PhaseProgress } from '../plan/load-options';
import { defaultMemoryBudget } from '../plan/memory-budget';
import { jsonFile } from '../storage/cache/json-file';
import type { OpenedSource } from '../storage/sources/model-source';
import { LocalEngine } from './engine';
import type { DeviceLoadOptions, ModelOrigin, Opening } from './model-origin';
import type { Reloader } from './residence';
import { Resident } from './resident';

/** The error of a source that has become another model since it was loaded. */
class SourceChanged extends TernionError {
  constructor() {
    super('corrupt-file', 'The source has changed: it is not the model that was loaded.');
  }
}

/** What becomes of open files on a device. */
type Load<T> = (gpu: GpuContext, files: ModelFiles, opened: OpenedSource, clock: LoadClock) => Promise<T>;

/** Loads the model of an origin, as often as devices are lost. */
export class ModelLoader implements Reloader {
  /** What the first load has read. */
  #fingerprint: string | undefined;
  /** Where there is no other, one that spares checks when the model comes to another device. */
  readonly #tuningStore: TuningStore;

  constructor(
    private readonly origin: ModelOrigin,
    private readonly options: DeviceLoadOptions,
  ) {
    this.#tuningStore =
      options.tuningStore ?? jsonFile<TuningRecords>('ternion-tuning.json') ?? storeInMemory();
  }

  get renewable(): boolean {
    return this.origin.devices.renewable;
  }

  /** The engine of a model that was opened, which this closes. */
  async loadEngine(opening: Opening, onProgress: (progress: PhaseProgress) => void): Promise<LocalEngine> {
    const { options } = this;
    const memoryBudget = options.memoryBudget ?? defaultMemoryBudget();
    const engineOptions = { ...options, onProgress, memoryBudget, tuningStore: this.#tuningStore };
    const load: Load<LocalEngine> = async (gpu, files, opened, clock) => {
      const engine = await LocalEngine.load(
        gpu,
        files,
        { ...engineOptions, clock, behind: true },
        undefined,
        this,
      );
      engine.source = opened.info;
      return engine;
    };
    const engine = await this.#load(opening, load, (made) => made.dispose(), options.signal);
    engine.fingerprint = this.#fingerprint ?? '';
    return engine;
  }

  async load(before: Resident, signal: AbortSignal): Promise<Resident> {
    const { tuning = true } = this.options;
    const tuner = { budgetMs: tuning ? undefined : 0, store: this.#tuningStore };
    const load: Load<Resident> = async (gpu, files, _opened, clock) => {
      const model = await openModel(files, architectures, signal);
      clock.lap('open');
      return Resident.load(gpu, model, before.placementOn(gpu), { signal, tuner, clock, behind: true });
    };
    return this.#load(await this.origin.open(signal), load, (resident) => resident.destroy(), signal);
  }

  discard(): void {
    this.origin.devices.discard();
  }

  release(): void {
    this.origin.devices.release();
  }

  /** Loads from what was opened. What that gives is handed out only when its bytes are known to be the right ones. */
  async #load<T>(
    { device, opened, clock }: Opening,
    load: Load<T>,
    undo: (loaded: T) => Promise<void>,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    try {
      const log = shaderLog(this.options.debug);
      const pipelines = this.origin.devices.pipelines(device);
      const gpu = new GpuContext(device, await probeCapabilities(device), log, pipelines);
      const fingerprint = new Fingerprint(opened.files);
      const loaded = await load(gpu, fingerprint.files, opened, clock);
      try {
        await opened.finish(signal);
        this.#fingerprint ??= fingerprint.value;
        if (fingerprint.value !== this.#fingerprint) throw new SourceChanged();
      } catch (error) {
        await undo(loaded);
        throw error;
      }
      await opened.close();
      return loaded;
    } catch (error) {
      // Another model is a model: what the cache has of it stays.
      await opened.close(error instanceof SourceChanged ? undefined : error);
      throw error;
    }
  }
}
