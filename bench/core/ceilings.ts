// The ceilings of an adapter: how fast it reads memory, and how fast it multiplies bytes in registers.
//
// Bytes are multiplied four at a time by dot4I8Packed. Where that is emulated, two at a time in one 32-bit multiplication
// can be faster, and kernels do it (shaders/ternary_matmul.wgsl); so that is measured as well.
//
// Each is the best of a few variants of a kernel that does nothing else. Both are upper bounds for the engine's kernels,
// and measured in the same run as these, so that their ratio holds on a busy machine too.

import { throwIfAborted } from '../../src/errors';
import type { Capabilities } from '../../src/gpu/capabilities';
import { timeGpu } from './measure';

/** One variant of a ceiling kernel and what it reached. */
export interface CeilingSample {
  variant: string;
  /** Units (bytes, multiply-adds) per second. */
  rate: number;
}

/** What the adapter can reach, per second. */
export interface CeilingRates {
  /** Bytes read. */
  bytesPerSecond: number;
  /** int8 multiply-adds by dot4I8Packed. */
  multiplyAddsPerSecond: number;
  /** int8 multiply-adds, two by one 32-bit multiplication. */
  pairsPerSecond: number;
}

/** The ceilings, and what they are the best of. */
export interface Ceilings extends CeilingRates {
  bytes: CeilingSample[];
  dots: CeilingSample[];
  pairs: CeilingSample[];
}

/** How thoroughly to look. */
export interface CeilingOptions {
  quick?: boolean;
  /** Only variants that are good on most adapters: a second or two instead of many, and a ceiling that may be too low. */
  few?: boolean;
  signal?: AbortSignal | undefined;
}

interface Kernel {
  variant: string;
  code: string;
  /** Bytes of the buffer that it reads. */
  size: number;
  /** Units of work in one dispatch. */
  work: number;
  workgroups: [number, number];
}

interface Candidate extends CeilingSample {
  kernel: Kernel;
}

type Encode = (encoder: GPUCommandEncoder) => void;

const MEBI = 1 << 20;

/** Variants that are looked at again, after the first look at all of them. */
const FINALISTS = 3;

/**
 * Measures the ceilings of a device, and measures them again in the course of a benchmark: on a machine that others use,
 * the best of several moments stands for the adapter. Holds no GPU memory between.
 */
export class CeilingMeter {
  #bytes: Candidate[] = [];
  #dots: Candidate[] = [];
  #pairs: Candidate[] = [];

  private constructor(
    private readonly device: GPUDevice,
    private readonly options: CeilingOptions,
  ) {}

  /** Looks at all variants. Takes a few seconds. */
  static async create(
    device: GPUDevice,
    { packedDot }: Capabilities,
    options: CeilingOptions = {},
  ): Promise<CeilingMeter> {
    const meter = new CeilingMeter(device, options);
    const { maxStorageBufferBindingSize, maxBufferSize, maxComputeInvocationsPerWorkgroup } = device.limits;
    // Far beyond any cache, where that is allowed.
    const room = Math.min(maxStorageBufferBindingSize, maxBufferSize, (options.quick ? 128 : 512) * MEBI);
    const sizes = (options.few ? [room / 2] : [room, room / 4]).map((size) => Math.floor(size / MEBI) * MEBI);
    const threads = (options.few ? [8, 64] : [8, 16, 64, 256]).filter(
      (n) => n <= maxComputeInvocationsPerWorkgroup,
    );
    const perThread = options.few ? [64] : [64, 256];
    const sums = options.few ? [8] : [4, 8, 16];
    meter.#bytes = candidates(readKernels(sizes, threads, perThread));
    const dots = packedDot ? PACKED_DOT : UNPACKED_DOT;
    const multiplying = (product: Product): Candidate[] =>
      candidates(threads.flatMap((n) => sums.map((count) => productKernel(n, count, product))));
    meter.#dots = multiplying(dots);
    meter.#pairs = multiplying(PAIRS);
    for (const list of [meter.#bytes, meter.#dots, meter.#pairs]) {
      await meter.#look(list, options.quick ? 15 : 40);
      list.sort((a, b) => b.rate - a.rate);
    }
    await meter.again();
    return meter;
  }

  /** The best so far. */
  get ceilings(): Ceilings {
    const plain = (list: Candidate[]): CeilingSample[] =>
      list.map(({ variant, rate }) => ({ variant, rate }));
    const best = (list: Candidate[]): number => Math.max(...list.map(({ rate }) => rate));
    return {
      bytesPerSecond: best(this.#bytes),
      multiplyAddsPerSecond: best(this.#dots),
      pairsPerSecond: best(this.#pairs),
      bytes: plain(this.#bytes),
      dots: plain(this.#dots),
      pairs: plain(this.#pairs),
    };
  }

  /** Measures the most promising variants once more; a better rate replaces the one before. */
  async again(): Promise<void> {
    const budget = this.options.quick ? 50 : 150;
    for (const list of [this.#bytes, this.#dots, this.#pairs])
      await this.#look(list.slice(0, FINALISTS), budget);
  }

  /** Runs each candidate for about `budget` ms. */
  async #look(list: readonly Candidate[], budget: number): Promise<void> {
    const { device } = this;
    const size = Math.max(...list.map(({ kernel }) => kernel.size));
    const data = device.createBuffer({
      label: 'ceilings',
      size,
      usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST,
    });
    const out = device.createBuffer({ label: 'ceilings out', size: 16, usage: GPUBufferUsage.STORAGE });
    try {
      fill(device, data);
      for (const candidate of list) {
        throwIfAborted(this.options.signal);
        const rate = await measure(device, candidate.kernel, data, out, budget);
        candidate.rate = Math.max(candidate.rate, rate);
      }
    } finally {
      data.destroy();
      out.destroy();
    }
  }
}

function candidates(kernels: readonly Kernel[]): Candidate[] {
  return kernels.map((kernel) => ({ variant: kernel.variant, rate: 0, kernel }));
}

/** Some bytes in every page: memory that was never written may not be there at all. */
function fill(device: GPUDevice, buffer: GPUBuffer): void {
  const words = new Uint32Array(Math.min(8 * MEBI, buffer.size) / 4);
  for (let i = 0; i < words.length; i++) words[i] = Math.imul(i + 1, 0x9e3779b1);
  for (let at = 0; at < buffer.size; at += words.byteLength) {
    device.queue.writeBuffer(buffer, at, words, 0, Math.min(words.byteLength, buffer.size - at) / 4);
  }
}

/** Units of work per second, over about `budget` ms. */
async function measure(
  device: GPUDevice,
  kernel: Kernel,
  data: GPUBuffer,
  out: GPUBuffer,
  budget: number,
): Promise<number> {
  const encode = await prepare(device, kernel, data, out);
  // The first run makes what is made at first use; the second says how many fill the budget.
  await timeGpu(device, encode(1));
  const once = Math.max(0.01, await timeGpu(device, encode(1)));
  const repeats = Math.max(1, Math.min(4096, Math.round(budget / once)));
  const ms = await timeGpu(device, encode(repeats));
  return (kernel.work * repeats * 1000) / ms;
}

async function prepare(
  device: GPUDevice,
  { code, workgroups, variant }: Kernel,
  data: GPUBuffer,
  out: GPUBuffer,
): Promise<(repeats: number) => Encode> {
  const module = device.createShaderModule({ label: variant, code });
  const pipeline = await device.createComputePipelineAsync({
    label: variant,
    layout: 'auto',
    compute: { module, entryPoint: 'main' },
  });
  const bindGroup = device.createBindGroup({
    layout: pipeline.getBindGroupLayout(0),
    entries: [data, out].map((buffer, binding) => ({ binding, resource: { buffer } })),
  });
  return (repeats) => (encoder) => {
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, bindGroup);
    for (let i = 0; i < repeats; i++) pass.dispatchWorkgroups(...workgroups);
    pass.end();
  };
}

/** Workgroups in two dimensions, since one holds 65,535. */
function grid(groups: number): [number, number] {
  const y = Math.ceil(groups / 32768);
  return [Math.ceil(groups / y), y];
}

const BINDINGS = `
@group(0) @binding(0) var<storage, read> data: array<vec4u>;
@group(0) @binding(1) var<storage, read_write> out: array<u32>;
`;

/** Which elements a thread reads: those next to each other, or every n-th, so that neighbours read side by side. */
type Order = 'contiguous' | 'interleaved';

function readKernels(
  sizes: readonly number[],
  threads: readonly number[],
  vectors: readonly number[],
): Kernel[] {
  const kernels: Kernel[] = [];
  for (const size of sizes) {
    for (const n of threads) {
      for (const perThread of vectors) {
        for (const order of ['interleaved', 'contiguous'] as const)
          kernels.push(readKernel(size, n, perThread, order));
      }
    }
  }
  return kernels;
}

/**
 * Reads `size` bytes once as vec4u. The words are folded into one that is written only if it has a value that it will
 * hardly have, so nothing of it can be left out.
 */
function readKernel(size: number, threads: number, perThread: number, order: Order): Kernel {
  const perGroup = perThread * threads;
  const workgroups = grid(Math.max(1, Math.floor(size / 16 / perGroup)));
  const stride = order === 'contiguous' ? 1 : threads;
  const first = order === 'contiguous' ? `lane * ${perThread}u` : 'lane';
  const code = `${BINDINGS}
@compute @workgroup_size(${threads})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let start = (group.y * ${workgroups[0]}u + group.x) * ${perGroup}u + ${first};
  var a = vec4u(0u);
  var b = vec4u(0u);
  var c = vec4u(0u);
  var d = vec4u(0u);
  for (var i = 0u; i < ${perThread * stride}u; i += ${4 * stride}u) {
    a ^= data[start + i];
    b ^= data[start + i + ${stride}u];
    c ^= data[start + i + ${2 * stride}u];
    d ^= data[start + i + ${3 * stride}u];
  }
  let v = (a ^ b) + (c ^ d);
  let folded = v.x ^ v.y ^ v.z ^ v.w;
  if (folded == 0x5eed1e55u) { out[lane & 3u] = folded; }
}`;
  const variant = `${size / MEBI} MiB, ${threads} threads, ${perThread} ${order} vectors each`;
  return { variant, code, size, work: workgroups[0] * workgroups[1] * perGroup * 16, workgroups };
}

/** One way to multiply int8: `product` of a weight word and an activation word, both u32, as u32. */
interface Product {
  /** WGSL of `fn product(w: u32, q: u32) -> u32`. */
  code: string;
  /** Multiply-adds in one product. */
  multiplyAdds: number;
}

const PACKED_DOT: Product = {
  code: 'fn product(w: u32, q: u32) -> u32 { return u32(dot4I8Packed(w, q)); }',
  multiplyAdds: 4,
};

const UNPACKED_DOT: Product = {
  code: `
fn bytes(a: u32) -> vec4i { return vec4i(i32(a << 24u), i32(a << 16u), i32(a << 8u), i32(a)) >> vec4u(24u); }
fn product(w: u32, q: u32) -> u32 { return u32(dot(bytes(w), bytes(q))); }`,
  multiplyAdds: 4,
};

const PAIRS: Product = { code: 'fn product(w: u32, q: u32) -> u32 { return w * q; }', multiplyAdds: 2 };

/**
 * Multiplies registers: each step changes one operand and multiplies it into every accumulator, each of which has a loaded
 * operand of its own. Beside products and their sums there are a few cheap operations a step.
 */
function productKernel(
  threads: number,
  accumulators: number,
  { code: product, multiplyAdds }: Product,
): Kernel {
  const steps = 512;
  const groups = Math.ceil(16384 / threads);
  const each = (text: (i: number) => string): string =>
    Array.from({ length: accumulators }, (_, i) => text(i)).join('\n');
  const code = `${BINDINGS}
${product}
@compute @workgroup_size(${threads})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let start = (group.x * ${threads}u + lane) & 1023u;
  var q = data[start].x;
${each((i) => `  let w${i} = data[start + ${i + 1}u].y;\n  var sum${i} = data[start].z;`)}
  for (var step = 0u; step < ${steps}u; step++) {
    // Something that no compiler sees through: the sum of multiples of q is else the multiple of a sum.
    q = (q ^ (q << 7u)) + step;
${each((i) => `    sum${i} += product(w${i}, q);`)}
  }
  var folded = 0u;
${each((i) => `  folded = folded * 31u + sum${i};`)}
  if (folded == 0x5eed1e5u) { out[lane & 3u] = folded; }
}`;
  const variant = `${threads} threads, ${accumulators} accumulators`;
  const work = groups * threads * steps * accumulators * multiplyAdds;
  return { variant, code, size: MEBI, work, workgroups: [groups, 1] };
}
