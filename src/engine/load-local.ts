// From a source to an engine on a device, in this thread; and onto another device again, where that one is lost.

import { TernionError, untilAborted } from '../errors';
import { Fingerprint } from '../files/fingerprint';
import type { ModelFiles } from '../files/model-files';
import { probeCapabilities } from '../gpu/capabilities';
import { GpuContext } from '../gpu/context';
import type { DeviceSupply } from '../gpu/device-supply';
import { shaderLog } from '../gpu/shader-log';
import { storeInMemory, type TuningRecords, type TuningStore } from '../gpu/tuning-memory';
import { architectures } from '../model/architectures';
import { openModel } from '../model/open-model';
import { LoadClock } from '../plan/load-clock';
import type { LocalLoadOptions, PhaseProgress } from '../plan/load-options';
import { LoadMeter } from '../plan/load-progress';
import { defaultMemoryBudget } from '../plan/memory-budget';
import { jsonFile } from '../storage/cache/json-file';
import type { ModelSource, OpenedSource } from '../storage/sources/model-source';
import { openSource } from '../storage/sources/open-source';
import { keepStreaming } from '../storage/sources/spool';
import { LocalEngine, type EngineOptions } from './engine';
import type { Reloader } from './residence';
import { Resident } from './resident';

/** What is left to say about a load when it is known where devices come from. */
export type DeviceLoadOptions = Omit<LocalLoadOptions, 'device' | 'gpu'> & Pick<EngineOptions, 'grammars'>;

/**
 * Loads the model at `source` onto a device of `devices`, which stay the caller's. Rejects with a `TernionError`; nothing is
 * left on the GPU then.
 */
export async function loadLocal(
  source: ModelSource,
  devices: DeviceSupply,
  options: DeviceLoadOptions = {},
): Promise<LocalEngine> {
  const { signal, onProgress } = options;
  const meter = new LoadMeter();
  const onPhase = (progress: PhaseProgress): void => onProgress?.(meter.next(progress));
  const onDownload: OnDownload = (progress) => onPhase({ phase: 'download', ...progress });
  const kept = await keepStreaming(source, onDownload, signal);
  return new ModelLoader(kept, devices, options).loadEngine(onPhase, onDownload);
}

/** The error of a source that has become another model since it was loaded. */
class SourceChanged extends TernionError {
  constructor() {
    super('corrupt-file', 'The source has changed: it is not the model that was loaded.');
  }
}

/** Hears how a download is going. */
type OnDownload = (progress: Omit<PhaseProgress, 'phase'>) => void;

/** What becomes of open files on a device. */
type Load<T> = (gpu: GpuContext, files: ModelFiles, opened: OpenedSource, clock: LoadClock) => Promise<T>;

/** A source that can be read more than once, and the devices that its model comes to. */
class ModelLoader implements Reloader {
  /** What the first load has read. */
  #fingerprint: string | undefined;
  /** Where there is no other, one that spares checks when the model comes to another device. */
  readonly #tuningStore: TuningStore;

  constructor(
    private readonly source: ModelSource,
    private readonly devices: DeviceSupply,
    private readonly options: DeviceLoadOptions,
  ) {
    this.#tuningStore =
      options.tuningStore ?? jsonFile<TuningRecords>('ternion-tuning.json') ?? storeInMemory();
  }

  get renewable(): boolean {
    return this.devices.renewable;
  }

  async loadEngine(
    onProgress: (progress: PhaseProgress) => void,
    onDownload: OnDownload,
  ): Promise<LocalEngine> {
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
    const engine = await this.#load(load, (made) => made.dispose(), options.signal, onDownload);
    engine.fingerprint = this.#fingerprint ?? '';
    return engine;
  }

  load(before: Resident, signal: AbortSignal): Promise<Resident> {
    const { tuning = true } = this.options;
    const tuner = { budgetMs: tuning ? undefined : 0, store: this.#tuningStore };
    const load: Load<Resident> = async (gpu, files, _opened, clock) => {
      const model = await openModel(files, architectures, signal);
      clock.lap('open');
      return Resident.load(gpu, model, before.placementOn(gpu), { signal, tuner, clock, behind: true });
    };
    return this.#load(load, (resident) => resident.destroy(), signal);
  }

  discard(): void {
    this.devices.discard();
  }

  release(): void {
    this.devices.release();
  }

  /** Opens the source and loads from it. What that gives is handed out only when its bytes are known to be the right ones. */
  async #load<T>(
    load: Load<T>,
    undo: (loaded: T) => Promise<void>,
    signal: AbortSignal | undefined,
    onProgress?: OnDownload,
  ): Promise<T> {
    const clock = new LoadClock();
    const device = await untilAborted(this.devices.get(), signal);
    clock.lap('device');
    const opened = await openSource(this.source, { ...this.options, signal, onProgress });
    try {
      const log = shaderLog(this.options.debug);
      const pipelines = this.devices.pipelines(device);
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
