// Where the time of a step goes, kernel by kernel: each dispatch in a compute pass of its own, with a timestamp at each end.

import { TernionError } from '../errors';
import type { GpuContext } from './context';

/** What the dispatches of one kernel took together. */
export interface KernelTime {
  /** The kernel, and what it is for; for people. */
  label: string;
  /** Dispatches. */
  count: number;
  /** On the GPU's own clock. */
  milliseconds: number;
}

/** Two timestamps a dispatch; a query set holds no more than 4096 (WebGPU's limit). */
const MAX_DISPATCHES = 2048;

type Encode = (encoder: GPUCommandEncoder) => void;

/** Labels of the dispatches that `encode` records, in order. Nothing runs. */
export function recordLabels(gpu: GpuContext, encode: Encode): string[] {
  const recorder = new SplitEncoder(gpu.device.createCommandEncoder());
  encode(recorder as unknown as GPUCommandEncoder);
  return recorder.labels;
}

/**
 * Runs what `encode` records and times each dispatch; those with one label are summed up, in the order in which they
 * first come. A pass for each dispatch costs time between them, which is not in the result. Browsers round timestamps,
 * to 100 µs as a rule: there, only sums over many dispatches mean something.
 *
 * Returns undefined where the device has no timestamp queries.
 */
export async function profile(gpu: GpuContext, encode: Encode): Promise<KernelTime[] | undefined> {
  const { device } = gpu;
  if (!gpu.capabilities.timestamps) return undefined;
  const count = recordLabels(gpu, encode).length;
  if (count === 0) return [];
  if (count > MAX_DISPATCHES) {
    throw new TernionError(
      'internal',
      `${count} dispatches are too many to time; at most ${MAX_DISPATCHES}.`,
    );
  }
  const querySet = device.createQuerySet({ type: 'timestamp', count: 2 * count });
  const times = gpu.createBuffer('timestamps', 16 * count, { usage: GPUBufferUsage.QUERY_RESOLVE });
  try {
    const encoder = device.createCommandEncoder();
    const recorder = new SplitEncoder(encoder, querySet);
    encode(recorder as unknown as GPUCommandEncoder);
    encoder.resolveQuerySet(querySet, 0, 2 * count, times, 0);
    device.queue.submit([encoder.finish()]);
    const stamps = new BigUint64Array(await gpu.read(times, 0, 16 * count));
    return sumUp(recorder.labels, stamps);
  } finally {
    querySet.destroy();
    gpu.free(times);
  }
}

/** Adds up several profiles of the same step. */
export function mergeProfiles(profiles: readonly (readonly KernelTime[])[]): KernelTime[] {
  const byLabel = new Map<string, KernelTime>();
  for (const { label, count, milliseconds } of profiles.flat()) {
    const time = byLabel.get(label) ?? { label, count: 0, milliseconds: 0 };
    byLabel.set(label, { label, count: time.count + count, milliseconds: time.milliseconds + milliseconds });
  }
  return [...byLabel.values()];
}

function sumUp(labels: readonly string[], stamps: BigUint64Array): KernelTime[] {
  const times = labels.map((label, i) => {
    // A clock that was reset in between (the specification allows it) would give less than nothing.
    const nanoseconds = Math.max(0, Number(stamps[2 * i + 1]! - stamps[2 * i]!));
    return { label, count: 1, milliseconds: nanoseconds / 1e6 };
  });
  return mergeProfiles([times]);
}

/**
 * Stands in for a command encoder: what is one compute pass to the caller becomes a pass for each dispatch, with
 * timestamps if there is a query set. Dispatches are known by the label of their bind group.
 */
class SplitEncoder {
  readonly labels: string[] = [];

  constructor(
    private readonly encoder: GPUCommandEncoder,
    private readonly querySet?: GPUQuerySet,
  ) {}

  beginComputePass(): SplitPass {
    return new SplitPass((label) => this.#pass(label));
  }

  copyBufferToBuffer(...args: [GPUBuffer, number, GPUBuffer, number, number]): void {
    this.encoder.copyBufferToBuffer(...args);
  }

  clearBuffer(...args: [GPUBuffer, number?, number?]): void {
    this.encoder.clearBuffer(...args);
  }

  #pass(label: string): GPUComputePassEncoder {
    const index = 2 * this.labels.length;
    this.labels.push(label);
    if (!this.querySet) return this.encoder.beginComputePass({ label });
    return this.encoder.beginComputePass({
      label,
      timestampWrites: {
        querySet: this.querySet,
        beginningOfPassWriteIndex: index,
        endOfPassWriteIndex: index + 1,
      },
    });
  }
}

type BindGroupArguments = [index: number, bindGroup: GPUBindGroup, offsets?: Iterable<number>];

/** Remembers what is set, and sets it again in the pass of each dispatch. */
class SplitPass {
  readonly #bindGroups = new Map<number, BindGroupArguments>();
  #pipeline: GPUComputePipeline | undefined;

  constructor(private readonly begin: (label: string) => GPUComputePassEncoder) {}

  setPipeline(pipeline: GPUComputePipeline): void {
    this.#pipeline = pipeline;
  }

  setBindGroup(...args: BindGroupArguments): void {
    this.#bindGroups.set(args[0], args);
  }

  dispatchWorkgroups(x: number, y?: number, z?: number): void {
    this.#dispatch((pass) => pass.dispatchWorkgroups(x, y, z));
  }

  dispatchWorkgroupsIndirect(buffer: GPUBuffer, offset: number): void {
    this.#dispatch((pass) => pass.dispatchWorkgroupsIndirect(buffer, offset));
  }

  end(): void {}

  #dispatch(run: (pass: GPUComputePassEncoder) => void): void {
    const label = this.#bindGroups.get(0)?.[1].label ?? this.#pipeline?.label ?? '';
    const pass = this.begin(label);
    if (this.#pipeline) pass.setPipeline(this.#pipeline);
    for (const [index, bindGroup, offsets] of this.#bindGroups.values())
      pass.setBindGroup(index, bindGroup, offsets);
    run(pass);
    pass.end();
  }
}
