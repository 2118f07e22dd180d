// The control: how a process grows that makes devices and destroys them, and does nothing else.

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { SoakGpu } from './device';
import { collectGarbage } from './memory';

/** Devices before the first measurement: the driver's own start is no growth. */
const WARM_UP = 3;

/** What a control run came to. */
export interface Control {
  devices: number;
  /** Bytes of RSS before and after them. */
  before: number;
  after: number;
}

/** Makes and destroys `devices` devices in this process. */
export async function runControl(devices: number): Promise<Control> {
  const gpu = new SoakGpu();
  const use = async (count: number): Promise<number> => {
    for (let i = 0; i < count; i++) await (await gpu.open()).destroy();
    await collectGarbage();
    return process.memoryUsage.rss();
  };
  const before = await use(WARM_UP);
  return { devices, before, after: await use(devices) };
}

/** The same in a process of its own, which has nothing of this one. */
export async function controlApart(devices: number): Promise<Control> {
  const args = ['--expose-gc', process.argv[1]!, '--control', String(devices)];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  return JSON.parse(stdout) as Control;
}
