// Gives Node programs a GPU: Dawn on a software driver, or on the machine's own. Tests, and benchmarks outside vitest, use it.
import { create, globals } from 'webgpu';
import { availableDrivers, driverManifest, type Driver } from './machine.mjs';

export { availableDrivers, type Driver } from './machine.mjs';

// GPUBufferUsage and its like are globals in a browser.
Object.assign(globalThis, globals);

interface Dawn {
  gpus: Map<Driver, GPU>;
  devices: Set<GPUDevice>;
  errors: string[];
}

/**
 * What lives as long as the process. Dawn aborts if its instance is collected while something of it is in use, and a
 * test runner may load this module more than once; hence globalThis.
 */
const shared = globalThis as { ternionDawn?: Dawn };
const dawn: Dawn = (shared.ternionDawn ??= { gpus: new Map(), devices: new Set(), errors: [] });

/** What `requestDevice` is asked for beside the driver. */
export interface DeviceOptions {
  driver?: Driver;
  /** `all` (default): everything the adapter has. `none`: a device without optional features. Or name them. */
  features?: 'all' | 'none' | readonly GPUFeatureName[];
  /** `adapter` (default): the adapter's highest. `default`: those every WebGPU device has. Or give some over the defaults. */
  limits?: 'adapter' | 'default' | Record<string, number>;
}

/** The driver for those who name none: TERNION_VULKAN if it is set, else the first that is available. */
export function defaultDriver(): Driver {
  const wanted = process.env.TERNION_VULKAN;
  if (!wanted) return availableDrivers()[0] ?? 'system';
  if (wanted === 'lavapipe' || wanted === 'swiftshader' || wanted === 'system') return wanted;
  throw new Error(`TERNION_VULKAN is '${wanted}'; it can be lavapipe, swiftshader or system`);
}

/**
 * Has lavapipe optimise what it compiles, as it does outside of tests: for files that run few kernels very often. Before any device is
 * requested, since the driver asks once.
 */
export function optimiseKernels(): void {
  delete process.env.GALLIVM_PERF;
}

/** The `navigator.gpu` of a driver. One process can have several drivers at once. */
export function openGpu(driver: Driver = defaultDriver()): GPU {
  const gpu = dawn.gpus.get(driver) ?? createGpu(driver);
  dawn.gpus.set(driver, gpu);
  return gpu;
}

/**
 * An instance of Dawn looks for Vulkan drivers once, inside the first call of requestAdapter, and the Vulkan loader
 * reads the variable then; afterwards it can be put back.
 */
function createGpu(driver: Driver): GPU {
  if (driver === 'system') return create([]);
  const manifest = driverManifest(driver);
  if (!manifest) throw new Error(`No ${driver} that Dawn can use is installed`);
  const before = process.env.VK_ICD_FILENAMES;
  process.env.VK_ICD_FILENAMES = manifest;
  const gpu = create([]);
  void gpu.requestAdapter();
  if (before === undefined) delete process.env.VK_ICD_FILENAMES;
  else process.env.VK_ICD_FILENAMES = before;
  return gpu;
}

/** The adapter of a driver; throws where WebGPU gives none. */
export async function requestAdapter(driver: Driver = defaultDriver()): Promise<GPUAdapter> {
  const adapter = await openGpu(driver).requestAdapter({ powerPreference: 'high-performance' });
  if (!adapter) throw new Error(`Dawn has no adapter for ${driver}`);
  return adapter;
}

/** A device, with all that its adapter has unless told otherwise. `takeDeviceErrors` collects its uncaptured errors. */
export async function requestDevice(options: DeviceOptions = {}): Promise<GPUDevice> {
  const adapter = await requestAdapter(options.driver);
  const device = await adapter.requestDevice({
    requiredFeatures: chooseFeatures(adapter, options.features ?? 'all'),
    requiredLimits: chooseLimits(adapter, options.limits ?? 'adapter'),
  });
  watch(device);
  return device;
}

function chooseFeatures(
  adapter: GPUAdapter,
  wanted: NonNullable<DeviceOptions['features']>,
): GPUFeatureName[] {
  if (wanted === 'none') return [];
  return [...(wanted === 'all' ? adapter.features : wanted)] as GPUFeatureName[];
}

function chooseLimits(
  adapter: GPUAdapter,
  wanted: NonNullable<DeviceOptions['limits']>,
): Record<string, number> {
  if (wanted === 'default') return {};
  if (wanted !== 'adapter') return wanted;
  // The limits are getters of the prototype, so neither spread nor Object.keys sees them.
  const limits: Record<string, number> = {};
  for (const name in adapter.limits) {
    const value = adapter.limits[name as keyof GPUSupportedLimits];
    if (typeof value === 'number') limits[name] = value;
  }
  return limits;
}

function watch(device: GPUDevice): void {
  dawn.devices.add(device);
  device.addEventListener('uncapturederror', (event) => {
    // Without this Dawn prints every error as well.
    event.preventDefault();
    dawn.errors.push(event.error.message);
  });
  void device.lost.then(({ reason, message }) => {
    dawn.devices.delete(device);
    if (reason !== 'destroyed') dawn.errors.push(`Device lost: ${message}`);
    return undefined;
  });
}

/** Waits for all that was submitted; gives the uncaptured errors since the last call, and forgets them. */
export async function takeDeviceErrors(): Promise<string[]> {
  await Promise.all([...dawn.devices].map((device) => device.queue.onSubmittedWorkDone()));
  return dawn.errors.splice(0);
}

/** Destroys every device that was requested and is still there. */
export function destroyDevices(): void {
  for (const device of dawn.devices) device.destroy();
  dawn.devices.clear();
}
