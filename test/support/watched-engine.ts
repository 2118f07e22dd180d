// Looks over an engine's shoulder: what it submits to the GPU, and what it holds there.
import type { GpuContext } from '../../src/gpu/context';
import { LocalEngine, type EngineOptions } from '../../src/engine/engine';
import { openContext, type FixtureOptions } from './engine';
import { fixtureFiles } from './model-files';

/** The model that answers questions. */
export const TINY = 'public/models/ternion-tiny-i2_s.gguf';

/** Counts since the device was made. */
export interface Watch {
  /** Calls of queue.submit: one for each step, one for each chunk of a prompt. */
  submits: number;
  /** Buffers that were made. */
  buffersMade: number;
  /** Bytes of buffers that were made and not destroyed. */
  liveBytes: number;
  /** The most that `liveBytes` has been. */
  mostBytes: number;
}

/** Begins to count on a device that is still unused. */
export function watch({ device }: Pick<GpuContext, 'device'>): Watch {
  const counts: Watch = { submits: 0, buffersMade: 0, liveBytes: 0, mostBytes: 0 };
  const { queue } = device;
  const submit = queue.submit.bind(queue);
  queue.submit = (commands) => {
    counts.submits++;
    return submit(commands);
  };
  const createBuffer = device.createBuffer.bind(device);
  device.createBuffer = (descriptor) => {
    const buffer = createBuffer(descriptor);
    counts.buffersMade++;
    counts.liveBytes += descriptor.size;
    counts.mostBytes = Math.max(counts.mostBytes, counts.liveBytes);
    const destroy = buffer.destroy.bind(buffer);
    let live = true;
    buffer.destroy = () => {
      if (live) counts.liveBytes -= descriptor.size;
      live = false;
      return destroy();
    };
    return buffer;
  };
  return counts;
}

/** A watched engine with the embedded model, and the variants of kernels that come first. */
export interface WatchedEngine {
  engine: LocalEngine;
  gpu: GpuContext;
  counts: Watch;
}

export async function loadWatched(options: FixtureOptions & EngineOptions = {}): Promise<WatchedEngine> {
  const gpu = await openContext(options);
  const counts = watch(gpu);
  return {
    gpu,
    counts,
    engine: await LocalEngine.load(gpu, fixtureFiles(TINY), { tuning: false, ...options }),
  };
}
