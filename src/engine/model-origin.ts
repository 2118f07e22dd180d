// What a load begins with: a device, and files that are open.

import { untilAborted } from '../errors';
import type { DeviceSupply } from '../gpu/device-supply';
import { LoadClock } from '../plan/load-clock';
import type { LocalLoadOptions, PhaseProgress } from '../plan/load-options';
import type { ModelSource, OpenedSource } from '../storage/sources/model-source';
import { openSource } from '../storage/sources/open-source';
import type { EngineOptions } from './engine';

/** What is left to say about a load when it is known where devices come from. */
export type DeviceLoadOptions = Omit<LocalLoadOptions, 'device' | 'gpu'> & Pick<EngineOptions, 'grammars'>;

/** Hears how a download is going. */
export type OnDownload = (progress: Omit<PhaseProgress, 'phase'>) => void;

/** What a load begins with. Whoever has it closes the files. */
export interface Opening {
  device: GPUDevice;
  opened: OpenedSource;
  /** Runs since the device was asked for. */
  clock: LoadClock;
}

/** A source that can be read more than once, and the devices that its model comes to. */
export class ModelOrigin {
  constructor(
    private readonly source: ModelSource,
    readonly devices: DeviceSupply,
    private readonly options: DeviceLoadOptions,
  ) {}

  /** Gets a device and opens the files, in this order: what cannot run is not downloaded. */
  async open(signal: AbortSignal | undefined, onProgress?: OnDownload): Promise<Opening> {
    const clock = new LoadClock();
    const device = await untilAborted(this.devices.get(), signal);
    clock.lap('device');
    const opened = await openSource(this.source, { ...this.options, signal, onProgress });
    return { device, opened, clock };
  }
}
