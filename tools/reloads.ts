// Loads and disposes of the embedded model again and again and says what each cycle leaves behind; or only a part of what a
// load does, to find whose that is. tools/reloads.mjs has chosen the driver and lets garbage be collected.

import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { create, globals } from 'webgpu';
import { DeviceSupply } from '../src/gpu/device-supply';
import { loadLocal } from '../src/engine/load-local';
import { filesAtHand } from '../src/files/model-files';
import { bytesSource } from '../src/files/byte-source';
import { requestDevice } from '../src/gpu/capabilities';
import { readModel } from '../src/plan/read-model';
import { measureMemory, growth, type Memory } from './reloads/memory';
import { recordWork, type DeviceWork } from './reloads/device-work';

const EMBEDDED = 'public/models/ternion-tiny-i2_s.gguf';

const USAGE = `Usage: node tools/reloads.mjs [options]

Repeats one thing and prints the memory of this process after each time, garbage collected, and at the end the growth of
each kind for one time: between the first and the last after a quarter of them, in which caches fill.

  --cycles N     how often (default 200)
  --every N      prints every Nth (default: 20 lines in all)
  --what W       load (default): loads the embedded model and disposes of it
                 parse: only reads its header and makes the tokenizer
                 buffers: only makes and destroys as many and as large buffers as a load does, without Ternion
                 pipelines: only compiles the shaders that a load compiles, without Ternion
                 nothing: only what --device says
  --device D     kept (default): on one device
                 own: on a device of its own each time, which is destroyed
  --driver NAME  lavapipe, swiftshader, or system (the machine's own GPU)`;

type Cycle = (device: GPUDevice) => Promise<void>;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      cycles: { type: 'string', default: '200' },
      every: { type: 'string' },
      what: { type: 'string', default: 'load' },
      device: { type: 'string', default: 'kept' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return console.log(USAGE);
  const cycles = count('cycles', values.cycles);
  const every = count('every', values.every ?? String(Math.max(1, Math.floor(cycles / 20))));
  const gpu = openGpu();
  const cycle = await cycleOf(values.what, gpu);
  const kept = values.device === 'kept' ? await requestDevice(gpu) : undefined;
  if (!kept && values.device !== 'own')
    throw new Error(`--device is ${values.device}; it can be kept or own.`);
  const samples: Memory[] = [];
  console.log('cycle  heap MB  external MB  buffers MB  RSS MB');
  for (let i = 1; i <= cycles; i++) {
    const device = kept ?? (await requestDevice(gpu));
    await cycle(device);
    if (!kept) {
      device.destroy();
      await device.lost;
    }
    const memory = await measureMemory();
    samples.push(memory);
    if (i % every === 0 || i === 1) console.log(line(String(i).padStart(5), memory, 1e6));
  }
  console.log('growth of one cycle, kB:');
  console.log(line('     ', growth(samples.slice(Math.floor(cycles / 4))), 1e3));
  kept?.destroy();
}

/** A number of times. */
function count(name: string, text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value > 0) return value;
  throw new Error(`--${name} is ${text}; it is a whole number above 0.`);
}

function line(first: string, { heap, external, arrayBuffers, rss }: Memory, unit: number): string {
  const columns = [heap, external, arrayBuffers, rss].map((bytes) => (bytes / unit).toFixed(3).padStart(9));
  return `${first} ${columns.join('  ')}`;
}

function openGpu(): GPU {
  // GPUBufferUsage and its like are globals in a browser.
  Object.assign(globalThis, globals);
  const gpu = create([]);
  // Dawn aborts if its instance is collected while something of it is in use.
  Object.assign(globalThis, { ternionReloadsGpu: gpu });
  return gpu;
}

async function cycleOf(what: string, gpu: GPU): Promise<Cycle> {
  const model = await readFile(EMBEDDED);
  const load: Cycle = async (device) => {
    const engine = await loadLocal(new Uint8Array(model), new DeviceSupply(device), { tuning: false });
    await engine.dispose();
  };
  switch (what) {
    case 'load':
      return load;
    case 'parse':
      return async () => void (await readModel(filesAtHand([{ name: 'model', bytes: bytesSource(model) }])));
    case 'buffers':
    case 'pipelines': {
      const work = await recordLoad(load, gpu);
      return what === 'buffers' ? (device) => work.makeBuffers(device) : (device) => work.compile(device);
    }
    case 'nothing':
      return async () => {};
    default:
      throw new Error(`--what is ${what}; it can be load, parse, buffers, pipelines or nothing.`);
  }
}

/** What `load` does on a device, to be done again without Ternion. */
async function recordLoad(load: Cycle, gpu: GPU): Promise<DeviceWork> {
  const device = await requestDevice(gpu);
  const work = recordWork(device);
  await load(device);
  device.destroy();
  return work;
}

await main();
