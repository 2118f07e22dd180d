// The control: how a process grows that makes devices and destroys them, without an engine on them.

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { SoakGpu, type CountedDevice } from './device';
import { collectGarbage } from './memory';
import { readModels } from './models';
import { recordKernels, replayKernels } from './replay';

/** Devices before the first measurement: the driver's own start is no growth. */
const WARM_UP = 3;

/** How the process grew over some devices. */
export interface Growth {
  devices: number;
  /** Bytes of RSS before and after them. */
  before: number;
  after: number;
}

/** What a control run came to. */
export interface Control {
  /** Devices that were made and destroyed, and nothing else. */
  bare: Growth;
  /** Devices on which WebGPU compiled and ran the kernels of an engine. */
  kernels: Growth;
}

/** Makes and destroys `devices` devices of each kind in this process. */
export async function runControl(devices: number): Promise<Control> {
  const gpu = new SoakGpu();
  const use = async (count: number, work?: (device: CountedDevice) => Promise<void>): Promise<number> => {
    for (let i = 0; i < count; i++) {
      const device = await gpu.open();
      await work?.(device);
      await device.destroy();
    }
    await collectGarbage();
    return process.memoryUsage.rss();
  };
  const growth = async (work?: (device: CountedDevice) => Promise<void>): Promise<Growth> => {
    const before = await use(WARM_UP, work);
    return { devices, before, after: await use(devices, work) };
  };
  const bare = await growth();
  const device = await gpu.open();
  const [model] = await readModels();
  const recorded = await recordKernels(device, model!);
  await device.destroy();
  return { bare, kernels: await growth((each) => replayKernels(each, recorded)) };
}

/** The same in a process of its own, which has nothing of this one. */
export async function controlApart(devices: number): Promise<Control> {
  const args = ['--expose-gc', process.argv[1]!, '--control', String(devices)];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  return JSON.parse(stdout.slice(stdout.indexOf('{'))) as Control;
}

/** The growth in words. */
export function growthLine(what: string, { devices, before, after }: Growth): string {
  const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;
  return (
    `${devices} devices, ${what}: RSS ${megabytes(before)} before, ${megabytes(after)} after ` +
    `(${megabytes((after - before) / devices)} a device)`
  );
}
