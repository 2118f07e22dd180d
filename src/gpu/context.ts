// One device and all that Ternion holds on it: buffers that are counted, and pipelines that are made once.

import { TernionError } from '../errors';
import { bufferBytes, type BufferLimits, type BufferMaker } from './buffers';
import type { Capabilities } from './capabilities';
import { mapForReading } from './map-async';
import { shaderText, type ShaderConditions, type ShaderConstants } from './shader';

/** A compiled kernel with its buffers, ready to be dispatched any number of times. */
export interface Dispatch {
  /** For the profiler: the kernel's name and what it is for. */
  label: string;
  pipeline: GPUComputePipeline;
  bindGroup: GPUBindGroup;
  /** Workgroups; x and y may be changed between dispatches (token counts, context lengths). */
  workgroups: [x: number, y: number, z: number];
}

/** A shader and the values that make one variant of it. */
export interface PipelineSpec {
  shader: string;
  constants?: ShaderConstants;
  conditions?: ShaderConditions;
}

/** A whole buffer, or `size` bytes of it from `offset`. */
export type BufferSlice = GPUBuffer | GPUBufferBinding;

/** Owns what is made on `device`; `destroy` gives all of it back. */
export class GpuContext implements BufferMaker {
  readonly #buffers = new Map<GPUBuffer, number>();
  readonly #pipelines = new Map<string, Promise<GPUComputePipeline>>();
  readonly #uniforms = new Map<string, GPUBuffer>();
  #bytes = 0;
  /** Why nothing more can be made here: the device was lost, or all was given back. */
  #over: TernionError | undefined;

  constructor(
    readonly device: GPUDevice,
    readonly capabilities: Capabilities,
  ) {
    void device.lost.then((info) => {
      this.#over ??= new TernionError(
        'device-lost',
        `The GPU device was lost (${info.reason}): ${info.message}`,
      );
      return undefined;
    });
  }

  get limits(): BufferLimits {
    return this.device.limits;
  }

  /** Bytes of all live buffers. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Number of live buffers. */
  get bufferCount(): number {
    return this.#buffers.size;
  }

  /** Throws `device-lost` once the device is gone, and `disposed` after `destroy`. */
  assertAlive(): void {
    if (this.#over) throw this.#over;
  }

  /** A zeroed buffer of at least `size` bytes (rounded up to 16, so that any kernel can read it as vec4). */
  createBuffer(label: string, size: number, usage: GPUBufferUsageFlags = GPUBufferUsage.STORAGE): GPUBuffer {
    this.assertAlive();
    const padded = bufferBytes(size);
    const buffer = this.device.createBuffer({
      label,
      size: padded,
      usage: usage | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC,
    });
    this.#buffers.set(buffer, padded);
    this.#bytes += padded;
    return buffer;
  }

  /** A buffer that the CPU can map to read `size` bytes. */
  createReadback(label: string, size: number): GPUBuffer {
    this.assertAlive();
    const buffer = this.device.createBuffer({
      label,
      size,
      usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
    });
    this.#buffers.set(buffer, size);
    this.#bytes += size;
    return buffer;
  }

  /** A buffer with `data` in it. */
  upload(label: string, data: Uint32Array | Float32Array, usage?: GPUBufferUsageFlags): GPUBuffer {
    const buffer = this.createBuffer(label, data.byteLength, usage);
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
      buffer = this.upload(`uniform ${key}`, Uint32Array.from(values), GPUBufferUsage.UNIFORM);
      this.#uniforms.set(key, buffer);
    }
    return buffer;
  }

  /** Frees one buffer that this context made. */
  free(buffer: GPUBuffer): void {
    const size = this.#buffers.get(buffer);
    if (size === undefined) return;
    this.#buffers.delete(buffer);
    this.#bytes -= size;
    buffer.destroy();
  }

  /** Runs `allocate` and waits until the device has answered: an allocation that failed becomes `out-of-memory`. */
  async checkedAllocation<T>(what: string, allocate: () => T | Promise<T>): Promise<T> {
    const { device } = this;
    const before = new Set(this.#buffers.keys());
    device.pushErrorScope('validation');
    device.pushErrorScope('out-of-memory');
    let result: T | undefined;
    let failure: unknown;
    try {
      result = await allocate();
    } catch (error) {
      failure = error;
    }
    const made = [...this.#buffers.keys()].filter((buffer) => !before.has(buffer));
    const memory = await device.popErrorScope();
    const validation = await device.popErrorScope();
    if (!failure && !memory && !validation) return result as T;
    for (const buffer of made) this.free(buffer);
    if (failure instanceof TernionError) throw failure;
    const message = `The GPU has no room for ${what}. Close other tabs, choose a smaller contextLength or model.`;
    throw new TernionError('out-of-memory', message, { cause: failure ?? memory ?? validation });
  }

  /** The compiled pipeline of a variant, made once; compiles in the background of the browser. */
  pipeline(spec: PipelineSpec): Promise<GPUComputePipeline> {
    const key = JSON.stringify(spec);
    let pipeline = this.#pipelines.get(key);
    if (!pipeline) {
      pipeline = this.#compile(spec);
      this.#pipelines.set(key, pipeline);
    }
    return pipeline;
  }

  /** Pipelines asked for so far. */
  get pipelineCount(): number {
    return this.#pipelines.size;
  }

  async #compile({ shader, constants = {}, conditions = {} }: PipelineSpec): Promise<GPUComputePipeline> {
    this.assertAlive();
    const code = await shaderText(shader, constants, {
      packed_dot: this.capabilities.packedDot,
      ...conditions,
    });
    this.assertAlive();
    // The module's own error is caught here: what is wrong rejects the pipeline, and is told from there.
    this.device.pushErrorScope('validation');
    const module = this.device.createShaderModule({ label: shader, code });
    const compute = { module, entryPoint: 'main' };
    const pipeline = this.device.createComputePipelineAsync({ label: shader, layout: 'auto', compute });
    void this.device.popErrorScope().catch(() => {});
    try {
      return await pipeline;
    } catch (error) {
      this.assertAlive();
      const { messages } = await module.getCompilationInfo();
      const details = messages.map(({ lineNum, message }) => `line ${lineNum}: ${message}`).join('; ');
      const message = `The kernel ${shader} does not compile on this adapter: ${details || (error as Error).message}`;
      throw new TernionError('internal', message, { cause: error });
    }
  }

  /** Binds `buffers` to bindings 0, 1, 2… of a variant. */
  dispatch(
    label: string,
    spec: PipelineSpec,
    buffers: BufferSlice[],
    workgroups: [x: number, y: number, z: number],
  ): Promise<Dispatch> {
    const dispatch = this.#dispatch(label, spec, buffers, workgroups);
    // Dispatches are made many at a time. Where one fails nobody waits for the others, which then fail unheard.
    dispatch.catch(() => {});
    return dispatch;
  }

  async #dispatch(
    label: string,
    spec: PipelineSpec,
    buffers: BufferSlice[],
    workgroups: [x: number, y: number, z: number],
  ): Promise<Dispatch> {
    const pipeline = await this.pipeline(spec);
    const bindGroup = this.device.createBindGroup({
      label,
      layout: pipeline.getBindGroupLayout(0),
      entries: buffers.map((slice, binding) => ({
        binding,
        resource: 'buffer' in slice ? slice : { buffer: slice },
      })),
    });
    return { label, pipeline, bindGroup, workgroups };
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
      this.assertAlive();
      throw new TernionError('internal', 'Reading from the GPU failed.', { cause: error });
    } finally {
      this.free(readback);
    }
  }

  /** Frees every buffer, for good: what is still under way cannot make new ones. The device belongs to whoever made it. */
  destroy(): void {
    this.#over ??= new TernionError('disposed', 'What was on the GPU has been freed.');
    for (const buffer of this.#buffers.keys()) buffer.destroy();
    this.#buffers.clear();
    this.#pipelines.clear();
    this.#uniforms.clear();
    this.#bytes = 0;
  }
}

/** Encodes `dispatches` in order into one compute pass. */
export function encodePass(encoder: GPUCommandEncoder, dispatches: readonly Dispatch[]): void {
  const pass = encoder.beginComputePass();
  for (const { pipeline, bindGroup, workgroups } of dispatches) {
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, bindGroup);
    pass.dispatchWorkgroups(workgroups[0], workgroups[1], workgroups[2]);
  }
  pass.end();
}
