// An engine under Node whose device can be lost at any moment; it gets another one then.
import { readFileSync } from 'node:fs';
import { loadHosted, type EngineHost } from '../../src/engine/engine-host';
import type { EngineStatus, LocalLoadOptions } from '../../src/plan/load-options';
import type { ModelSource } from '../../src/storage/sources/model-source';
import { requestDevice } from './dawn';
import { TINY, watch, type Watch } from './watched-engine';

/** The embedded model; each call gives a copy of its own. */
export const tinyBytes = (): Uint8Array<ArrayBuffer> =>
  new Uint8Array(readFileSync(new URL(`../../${TINY}`, import.meta.url)));

export interface Losable {
  engine: EngineHost;
  /** What the engine has said of where its model is, since the last look. */
  statuses: EngineStatus[];
  /** How many devices the engine was given. */
  readonly devices: number;
  /** The device that the engine was given last. */
  readonly device: GPUDevice;
  /** Counts of that device. */
  readonly counts: Watch;
  /** Loses the device now; resolves when it is known to be lost. */
  lose: () => Promise<void>;
  /** Loses the device right behind its `count`th submit from now; one made meanwhile counts on. */
  loseAtSubmit: (count: number) => void;
  /** Gives no device the next `count` times. */
  refuse: (count: number) => void;
}

/** Loads a model, the embedded one by default, with the variants of kernels that come first. */
export async function loadLosable(
  options: Omit<LocalLoadOptions, 'device' | 'onStatus'> = {},
  source: ModelSource = tinyBytes(),
): Promise<Losable> {
  const given: { device: GPUDevice; counts: Watch }[] = [];
  const statuses: EngineStatus[] = [];
  let submitsLeft = Infinity;
  let refusals = 0;
  const device = async (): Promise<GPUDevice> => {
    if (refusals-- > 0) throw new Error('There is no device now');
    const made = await requestDevice();
    given.push({ device: made, counts: watch({ device: made }) });
    const submit = made.queue.submit.bind(made.queue);
    made.queue.submit = (commands) => {
      const result = submit(commands);
      submitsLeft--;
      if (submitsLeft === 0) made.destroy();
      return result;
    };
    return made;
  };
  const onStatus = (status: EngineStatus): void => void statuses.push(status);
  const engine = await loadHosted(source, { tuning: false, ...options, device, onStatus });
  const last = (): { device: GPUDevice; counts: Watch } => given.at(-1)!;
  return {
    engine,
    statuses,
    get devices() {
      return given.length;
    },
    get device() {
      return last().device;
    },
    get counts() {
      return last().counts;
    },
    async lose() {
      last().device.destroy();
      await last().device.lost;
    },
    loseAtSubmit: (count) => void (submitsLeft = count),
    refuse: (count) => void (refusals = count),
  };
}
