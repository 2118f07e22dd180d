// Loads a model of the repository into an engine under Node.
import { probeCapabilities, type Capabilities } from '../../src/gpu/capabilities';
import { GpuContext } from '../../src/gpu/context';
import { LocalEngine, type EngineOptions } from '../../src/engine/engine';
import { requestDevice, type DeviceOptions } from './dawn';
import { fixtureFiles } from './model-files';

/** How to load, and on what kind of device. */
export interface FixtureOptions extends EngineOptions, DeviceOptions {
  capabilities?: Partial<Capabilities>;
}

export async function openContext({ capabilities, ...options }: FixtureOptions = {}): Promise<GpuContext> {
  const device = await requestDevice(options);
  return new GpuContext(device, await probeCapabilities(device, capabilities));
}

/** Loads the model at `path`, relative to the root of the repository: a file, or a folder. */
export async function loadFixture(path: string, options: FixtureOptions = {}): Promise<LocalEngine> {
  const gpu = await openContext(options);
  // Some dozens of devices at once are too many for a software adapter: the process would end.
  return LocalEngine.load(gpu, fixtureFiles(path), options, () => gpu.device.destroy());
}
