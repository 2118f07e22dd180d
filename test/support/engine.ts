// Loads a model of the repository into an engine under Node.
import { probeCapabilities, type Capabilities } from '../../src/gpu/capabilities';
import { GpuContext } from '../../src/gpu/context';
import { PipelineCache } from '../../src/gpu/pipeline-cache';
import { LocalEngine, type EngineOptions } from '../../src/engine/engine';
import { requestDevice, type DeviceOptions } from './dawn';
import { fixtureFiles } from './model-files';

/** How to load, and on what kind of device. */
export interface FixtureOptions extends EngineOptions, DeviceOptions {
  capabilities?: Partial<Capabilities>;
}

/** A context on a device of its own. */
export async function openContext({ capabilities, ...options }: FixtureOptions = {}): Promise<GpuContext> {
  const device = await requestDevice(options);
  return new GpuContext(device, await probeCapabilities(device, capabilities));
}

/** A device that the tests of a file share, and what was compiled on it. */
interface SharedDevice {
  device: GPUDevice;
  pipelines: PipelineCache;
}

/** By what was asked for. Every test file is a process, and they go with it. */
const sharedDevices = new Map<string, Promise<SharedDevice>>();

/**
 * A context on a device that others use too, which must neither be destroyed nor be patched. Compiling is most of a load:
 * here each pipeline is compiled once in a file.
 */
export async function shareContext({ capabilities, ...options }: FixtureOptions = {}): Promise<GpuContext> {
  const { driver, features, limits } = options;
  const key = JSON.stringify([driver, features, limits]);
  const shared = sharedDevices.get(key) ?? makeShared(options);
  sharedDevices.set(key, shared);
  const { device, pipelines } = await shared;
  const all = await probeCapabilities(device, capabilities);
  return new GpuContext(device, all, undefined, pipelines);
}

async function makeShared(options: DeviceOptions): Promise<SharedDevice> {
  const device = await requestDevice(options);
  return { device, pipelines: new PipelineCache(device) };
}

/** Loads the model at `path`, relative to the root of the repository (a file, or a folder), with the variants that come first. */
export async function loadFixture(path: string, options: FixtureOptions = {}): Promise<LocalEngine> {
  return LocalEngine.load(await shareContext(options), fixtureFiles(path), { tuning: false, ...options });
}
