// What a device can do, as far as a kernel cares, and how to ask an adapter for it.

import { TernionError } from '../errors';

/** Whose a GPU is. */
export type GpuVendor = (typeof VENDORS)[number] | 'unknown';

const VENDORS = ['apple', 'intel', 'nvidia', 'amd', 'qualcomm', 'arm'] as const;

/** The code path chosen for each capability; each can be switched off to test the other path. */
export interface Capabilities {
  /** `enable subgroups` compiles. Subgroup sizes as the adapter reports them; 0 where it has none. */
  subgroups: boolean;
  subgroupMinSize: number;
  subgroupMaxSize: number;
  /** f16 is an arithmetic type. Without it values are stored with pack2x16float. */
  shaderF16: boolean;
  /** dot4I8Packed exists. Without it bytes are unpacked. */
  packedDot: boolean;
  /** Kernels can be timed. */
  timestamps: boolean;
  /** As the adapter says; 'unknown' where it does not, as under Firefox, or has another name. It decides what is tried first. */
  vendor: GpuVendor;
}

/** Lanes of the widest vectors that adapters on the CPU make of a subgroup. */
const MOST_SOFTWARE_LANES = 8;

/**
 * Whether the adapter is a program on the CPU: told by subgroups of at most 8 lanes on what is of no known maker of GPUs, for some
 * phones' have as few (Arm's Mali-G76: 8). There, barriers are dear and threads are lanes of a vector unit, so workgroups should
 * be no larger than those.
 */
export function isSoftwareAdapter({ subgroups, subgroupMaxSize, vendor }: Capabilities): boolean {
  return subgroups && subgroupMaxSize <= MOST_SOFTWARE_LANES && vendor === 'unknown';
}

/** What `device` can do. Language features are tried out, since a device does not say which it has. */
export async function probeCapabilities(
  device: GPUDevice,
  forced: Partial<Capabilities> = {},
): Promise<Capabilities> {
  const info = device.adapterInfo;
  return {
    ...subgroupsOf(device),
    shaderF16: device.features.has('shader-f16'),
    packedDot: await compiles(device, 'const four = dot4I8Packed(0x01010101u, 0x01010101u);'),
    timestamps: device.features.has('timestamp-query'),
    vendor: VENDORS.find((name) => name === info.vendor.toLowerCase()) ?? 'unknown',
    ...forced,
  };
}

type Subgroups = Pick<Capabilities, 'subgroups' | 'subgroupMinSize' | 'subgroupMaxSize'>;

function subgroupsOf({ features, adapterInfo: info }: GPUDevice): Subgroups {
  if (!features.has('subgroups')) return { subgroups: false, subgroupMinSize: 0, subgroupMaxSize: 0 };
  const [least, most] = [info.subgroupMinSize ?? 0, info.subgroupMaxSize ?? 0];
  if (!isWarp(info) || most <= MOST_SOFTWARE_LANES)
    return { subgroups: true, subgroupMinSize: least, subgroupMaxSize: most };
  const lanes = Math.min(MOST_SOFTWARE_LANES, Math.max(4, least));
  return { subgroups: true, subgroupMinSize: lanes, subgroupMaxSize: lanes };
}

/**
 * Whether the adapter is WARP, the program by which Windows does without a GPU. Dawn says there, as of everything on Direct3D 12,
 * that a subgroup may have 128 lanes. It goes by the vendor, who makes no GPUs, or by its name where the browser tells that.
 */
function isWarp({ vendor, description }: GPUAdapterInfo): boolean {
  return vendor.toLowerCase() === 'microsoft' || description.includes('Microsoft Basic Render Driver');
}

async function compiles(device: GPUDevice, code: string): Promise<boolean> {
  device.pushErrorScope('validation');
  device.createShaderModule({ code });
  return (await device.popErrorScope()) === null;
}

/** The entry point of WebGPU in a page or worker, or the `webgpu-unavailable` error. */
export function browserGpu(): GPU {
  const gpu = (globalThis.navigator as Navigator | undefined)?.gpu;
  if (gpu) return gpu;
  throw new TernionError('webgpu-unavailable', whyNone());
}

function whyNone(): string {
  const { isSecureContext, process } = globalThis as {
    isSecureContext?: boolean;
    process?: { versions?: { node?: string } };
  };
  if (process?.versions?.node) {
    return (
      'There is no WebGPU here: this is not a page. Load models in the browser, after a server has rendered the page; or run ' +
      'them in this process with ternion/node.'
    );
  }
  return isSecureContext === false
    ? 'WebGPU needs a secure context: serve the page over https or from localhost.'
    : 'This browser has no WebGPU. Current versions of Chrome, Edge, Safari and Firefox have it.';
}

/** A device with every optional feature that Ternion can use, and the adapter's own limits. */
export async function requestDevice(gpu: GPU): Promise<GPUDevice> {
  let adapter: GPUAdapter | null = null;
  let cause: unknown;
  try {
    adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' });
  } catch (error) {
    cause = error;
  }
  if (!adapter) {
    const message =
      'WebGPU found no adapter: the GPU or its driver may be blocked, or hardware acceleration is off.';
    throw new TernionError('webgpu-unavailable', message, { cause });
  }
  const wanted: GPUFeatureName[] = ['subgroups', 'shader-f16', 'timestamp-query'];
  const { limits } = adapter;
  try {
    return await adapter.requestDevice({
      requiredFeatures: wanted.filter((feature) => adapter.features.has(feature)),
      requiredLimits: {
        maxBufferSize: limits.maxBufferSize,
        maxStorageBufferBindingSize: limits.maxStorageBufferBindingSize,
        maxComputeInvocationsPerWorkgroup: limits.maxComputeInvocationsPerWorkgroup,
        maxComputeWorkgroupSizeX: limits.maxComputeWorkgroupSizeX,
      },
    });
  } catch (error) {
    throw new TernionError('webgpu-unavailable', 'The GPU adapter refused to give a device.', {
      cause: error,
    });
  }
}
