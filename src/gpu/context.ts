// One device and all that Ternion holds on it for one model: buffers that are counted, and the kernels that run on them.

import { TernionError } from '../errors';
import {
  bufferBytes,
  sumByPart,
  type BufferLimits,
  type BufferMaker,
  type BufferOptions,
  type GpuBytes,
  type MemoryPart,
} from './buffers';
import type { Capabilities } from './capabilities';
import type { Cost } from './cost';
import { whenLost } from './device-loss';
import type { Grid } from './grid';
import { mapForReading, workDone } from './map-async';
import { PipelineCache, type PipelineSpec } from './pipeline-cache';
import { shaderLog, type ShaderLog } from './shader-log';

export type { PipelineSpec };

/** A compiled kernel with its buffers, ready to be dispatched any number of times. */
export interface Dispatch {
  /** For people who read profiles and errors: the kernel's name and what it is for. Nothing depends on it. */
  readonly label: string;
  readonly pipeline: GPUComputePipeline;
  readonly bindGroup: GPUBindGroup;
  readonly grid: Grid;
  /** What it asks of memory. Kernels that no step of a model has need not say it. */
  readonly cost?: Cost | undefined;
}

/** A whole buffer, or `size` bytes of it from `offset`. */
export type BufferSlice = GPUBuffer | GPUBufferBinding;

/** What weights are brought onto: a {@link GpuContext}, or what stands for one where there is no GPU. */
export interface UploadTarget
  extends BufferMaker, Pick<GpuContext, 'checkedAllocation' | 'assertAlive' | 'dispatch'> {
  readonly device: Pick<GPUDevice, 'createCommandEncoder'> & {
    readonly queue: Pick<GPUQueue, 'onSubmittedWorkDone' | 'submit'>;
  };
}

/** A promise to be rejected. Made apart: what a context's constructor puts into a closure would be kept by what hears of lost devices. */
class Ending {
  reject: (why: TernionError) => void = () => {};
  readonly promise = new Promise<never>((_, reject) => (this.reject = reject));

  constructor() {
    // Where nobody waits, nobody needs to hear of it.
    this.promise.catch(() => {});
  }
}

/** Owns what is made on `device`; `destroy` gives all of it back. */
export class GpuContext implements BufferMaker {
  readonly #buffers = new Map<GPUBuffer, { size: number; part: MemoryPart }>();
  /** Those that were asked for here; the cache may have more. */
  readonly #pipelines = new Map<string, Promise<GPUComputePipeline>>();
  readonly #uniforms = new Map<string, GPUBuffer>();
  #bytes = 0;
  #compiledCount = 0;
  /** Called whenever one more pipeline is there, with how many were compiled here or found in the cache. */
  onCompiled: ((count: number) => void) | undefined;
  /** Why nothing more can be made here: the device was lost, or all is given back. */
  #over: TernionError | undefined;
  /** Rejects with that; one promise for all that wait, as Node warns of many listeners of one signal. */
  readonly #ending = new Ending();

  /** `cache` has what was compiled for other contexts on the same device; `log` sees what is compiled for this one. */
  constructor(
    readonly device: GPUDevice,
    readonly capabilities: Capabilities,
    private readonly log: ShaderLog | undefined = shaderLog(),
    private readonly cache: PipelineCache = new PipelineCache(device),
  ) {
    whenLost(device, this, (context, info) => {
      context.#end(deviceLost(`${info.reason}: ${info.message}`));
    });
  }

  /** Whether the device is gone, and with it all that was made here. False if it was given back by `destroy` before. */
  get lost(): boolean {
    return this.#over?.code === 'device-lost';
  }

  /**
   * As `lost`, but asks the device first: a browser may tell the loss later than what fails because of it. For after a
   * failure; it waits for the work submitted before.
   */
  async isLost(): Promise<boolean> {
    if (!this.#over) {
      const { device } = this;
      await Promise.race([device.lost, workDone(device).catch(() => {})]);
      // What was told is handled in this task.
      await new Promise((resolve) => setTimeout(resolve));
    }
    return this.lost;
  }

  /** Whether nothing of this is there any more, be it lost or given back. */
  get over(): boolean {
    return this.#over !== undefined;
  }

  get limits(): BufferLimits {
    return this.device.limits;
  }

  /** Bytes of all live buffers. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Bytes of all live buffers, by what they are for. */
  bytesByPart(): GpuBytes {
    return sumByPart(this.#buffers.values());
  }

  /** Number of live buffers. */
  get bufferCount(): number {
    return this.#buffers.size;
  }

  /** Throws `device-lost` once the device is gone, and `disposed` after `destroy`. */
  assertAlive(): void {
    if (this.#over) throw this.#over;
  }

  /**
   * The error to throw when waiting for the GPU has failed. A map that nobody here has ended was ended by the loss of the
   * device, which a browser may tell later.
   */
  failure(message: string, cause: unknown): TernionError {
    if (cause instanceof Error && cause.name === 'AbortError') this.#end(deviceLost(cause.message));
    return this.#over ?? new TernionError('internal', message, { cause });
  }

  /** A zeroed buffer of at least `size` bytes (rounded up to 16, so that any kernel can read it as vec4). */
  createBuffer(label: string, size: number, { part = 'work', usage }: BufferOptions = {}): GPUBuffer {
    const kind = (usage ?? GPUBufferUsage.STORAGE) | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC;
    return this.#create(label, bufferBytes(size), kind, part);
  }

  /** A buffer that the CPU can map to read `size` bytes. */
  createReadback(label: string, size: number): GPUBuffer {
    return this.#create(label, size, GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST, 'work');
  }

  #create(label: string, size: number, usage: GPUBufferUsageFlags, part: MemoryPart): GPUBuffer {
    this.assertAlive();
    const buffer = this.device.createBuffer({ label, size, usage });
    this.#buffers.set(buffer, { size, part });
    this.#bytes += size;
    return buffer;
  }

  /** A buffer with `data` in it. */
  upload(label: string, data: Uint32Array | Float32Array, options?: BufferOptions): GPUBuffer {
    const buffer = this.createBuffer(label, data.byteLength, options);
    this.write(buffer, 0, data);
    return buffer;
  }

  write(buffer: GPUBuffer, offset: number, data: Uint16Array | Uint32Array | Float32Array): void {
    if (data.length > 0) this.device.queue.writeBuffer(buffer, offset, data as GPUAllowSharedBufferSource);
  }

  /** A uniform buffer of u32 `values`; equal values share one. */
  uniform(values: readonly number[]): GPUBuffer {
    const key = values.join();
    let buffer = this.#uniforms.get(key);
    if (!buffer) {
      buffer = this.upload(`uniform ${key}`, Uint32Array.from(values), {
        usage: GPUBufferUsage.UNIFORM,
      });
      this.#uniforms.set(key, buffer);
    }
    return buffer;
  }

  /** Frees one buffer that this context made. */
  free(buffer: GPUBuffer): void {
    const entry = this.#buffers.get(buffer);
    if (!entry) return;
    this.#buffers.delete(buffer);
    this.#bytes -= entry.size;
    buffer.destroy();
  }

  /** Runs `allocate` at once and waits until the device has answered: an allocation that failed becomes `out-of-memory`. */
  async checkedAllocation<T>(what: string, allocate: () => T): Promise<T> {
    const { device } = this;
    const before = new Set(this.#buffers.keys());
    device.pushErrorScope('validation');
    device.pushErrorScope('out-of-memory');
    let result: T | undefined;
    let failure: unknown;
    try {
      result = allocate();
    } catch (error) {
      failure = error;
    }
    const made = [...this.#buffers.keys()].filter((buffer) => !before.has(buffer));
    // Before anybody else has a turn: scopes are a stack, which all that use the device share.
    const answers = [device.popErrorScope(), device.popErrorScope()] as const;
    const [memory, validation] = await Promise.all(answers);
    if (!failure && !memory && !validation) return result as T;
    for (const buffer of made) this.free(buffer);
    if (failure instanceof TernionError) throw failure;
    const message = `The GPU has no room for ${what}. Close other tabs, choose a smaller contextLength or model.`;
    throw new TernionError('out-of-memory', message, { cause: failure ?? memory ?? validation });
  }

  /** The compiled pipeline of a variant, made once, and again after a failure; compiles in the background of the browser. */
  pipeline(spec: PipelineSpec): Promise<GPUComputePipeline> {
    const key = JSON.stringify(spec);
    let pipeline = this.#pipelines.get(key);
    if (!pipeline) {
      pipeline = this.#compiled(spec);
      this.#pipelines.set(key, pipeline);
      pipeline.catch(() => this.#pipelines.delete(key));
    }
    return pipeline;
  }

  /** Pipelines asked for so far. */
  get pipelineCount(): number {
    return this.#pipelines.size;
  }

  async #compiled(spec: PipelineSpec): Promise<GPUComputePipeline> {
    this.assertAlive();
    const conditions = { packed_dot: this.capabilities.packedDot, ...spec.conditions };
    try {
      const compiled = this.cache.get({ ...spec, conditions }, this.log);
      // What is being compiled cannot be stopped. It goes on for the cache, and nobody here waits for it any more.
      const pipeline = await Promise.race([compiled, this.#ending.promise]);
      this.onCompiled?.(++this.#compiledCount);
      return pipeline;
    } catch (error) {
      this.assertAlive();
      throw error;
    }
  }

  /** Binds `buffers` to bindings 0, 1, 2… of a variant; undefined stands where the variant lacks a binding. */
  dispatch(
    label: string,
    spec: PipelineSpec,
    buffers: readonly (BufferSlice | undefined)[],
    grid: Grid,
    cost?: Cost,
  ): Promise<Dispatch> {
    const dispatch = this.#dispatch(label, spec, buffers, grid, cost);
    // Dispatches are made many at a time. Where one fails nobody waits for the others, which then fail unheard.
    dispatch.catch(() => {});
    return dispatch;
  }

  async #dispatch(
    label: string,
    spec: PipelineSpec,
    buffers: readonly (BufferSlice | undefined)[],
    grid: Grid,
    cost: Cost | undefined,
  ): Promise<Dispatch> {
    const pipeline = await this.pipeline(spec);
    const bindGroup = this.device.createBindGroup({
      label,
      layout: pipeline.getBindGroupLayout(0),
      entries: buffers.flatMap((slice, binding) =>
        slice ? [{ binding, resource: 'buffer' in slice ? slice : { buffer: slice } }] : [],
      ),
    });
    return { label, pipeline, bindGroup, grid, cost };
  }

  /** Reads `size` bytes of a buffer back; waits for all work submitted before. */
  async read(buffer: GPUBuffer, offset = 0, size = buffer.size - offset): Promise<ArrayBuffer> {
    const readback = this.createReadback('read', size);
    try {
      const encoder = this.device.createCommandEncoder();
      encoder.copyBufferToBuffer(buffer, offset, readback, 0, size);
      this.device.queue.submit([encoder.finish()]);
      await mapForReading(this.device, readback);
      const copy = readback.getMappedRange().slice(0);
      readback.unmap();
      return copy;
    } catch (error) {
      throw this.failure('Reading from the GPU failed.', error);
    } finally {
      this.free(readback);
    }
  }

  /**
   * Ends what is under way here: it waits for no pipeline any more, and can make no buffers. Those that are there stay until `destroy`, so
   * that whoever uses them can come to an end before.
   */
  end(): void {
    this.#end(new TernionError('disposed', 'What was on the GPU has been freed.'));
  }

  #end(why: TernionError): void {
    this.#over ??= why;
    this.#ending.reject(this.#over);
  }

  /** Frees every buffer, for good: what is still under way cannot make new ones. The device belongs to whoever made it. */
  destroy(): void {
    this.end();
    // Pipelines that are still on their way come for nobody.
    this.onCompiled = undefined;
    for (const buffer of this.#buffers.keys()) buffer.destroy();
    this.#buffers.clear();
    this.#pipelines.clear();
    this.#uniforms.clear();
    this.#bytes = 0;
    this.#settle();
  }

  /**
   * Has the memory of destroyed buffers given back now. Dawn, and so Chromium, frees it when work that was submitted later is
   * done, and looks whether it is while somebody waits: until then the next model would stand beside the last one. Now and
   * then it looks too early, and does so again only when there is more to wait for.
   */
  #settle(): void {
    const { queue } = this.device;
    const round = async (): Promise<void> => {
      queue.submit([]);
      await queue.onSubmittedWorkDone();
    };
    void round()
      .then(round)
      .catch(() => {});
  }
}

function deviceLost(why: string): TernionError {
  return new TernionError('device-lost', `The GPU device was lost (${why}).`);
}

/**
 * Encodes `dispatches` in order into one compute pass, with the workgroups that each needs for `tokens` tokens from
 * `position` on.
 */
export function encodePass(
  encoder: GPUCommandEncoder,
  dispatches: readonly Dispatch[],
  tokens = 1,
  position = 0,
): void {
  const pass = encoder.beginComputePass();
  for (const { pipeline, bindGroup, grid } of dispatches) {
    const workgroups = grid(tokens, position);
    if (!workgroups) continue;
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, bindGroup);
    pass.dispatchWorkgroups(workgroups[0], workgroups[1], workgroups[2]);
  }
  pass.end();
}
