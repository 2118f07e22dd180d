// Times the variants of one kernel on random data of a given shape: for while one works on it.

import type { Capabilities } from '../../src/gpu/capabilities';
import { BufferLedger } from '../../src/gpu/buffers';
import { encodePass, type GpuContext } from '../../src/gpu/context';
import type { TimedWork } from '../../src/gpu/tuner';
import { blockRowSize } from '../../src/formats/block-rows';
import { canonicalWords } from '../../src/formats/canonical';
import { planeRow } from '../../src/formats/planes';
import type { BlockEncoding } from '../../src/formats/encodings';
import { attentionCandidates, attentionRoom, decodeAttention } from '../../src/kernels/attention';
import { checkAttention } from '../../src/kernels/attention-check';
import { createBlockMatrix } from '../../src/kernels/block-matrix';
import { createInt8Matrix, createPlaneMatrix } from '../../src/kernels/int8-rows';
import { lmHeadBlocks } from '../../src/kernels/lm-head-blocks';
import { checkBlocksHead } from '../../src/kernels/lm-head-blocks-check';
import { headCandidates, lmHeadInt8 } from '../../src/kernels/lm-head-int8';
import { cacheFormatFor, createLayerCache } from '../../src/kernels/kv-layout';
import { checkHead } from '../../src/kernels/lm-head-int8-check';
import { lmHeadPlanes } from '../../src/kernels/lm-head-planes';
import { checkPlanesHead } from '../../src/kernels/lm-head-planes-check';
import type { QuantizedRows } from '../../src/kernels/matrices';
import { normThreadsCandidates, rmsNormQuantize } from '../../src/kernels/rms-norm-quantize';
import { checkNorm } from '../../src/kernels/rms-norm-quantize-check';
import {
  decodeMatmulCandidates,
  prefillMatmulCandidates,
  ternaryMatmul,
} from '../../src/kernels/ternary-matmul';
import { checkMatmul } from '../../src/kernels/ternary-matmul-check';
import type { CeilingRates } from './ceilings';
import { kernelCase, type KernelCase, type KernelProblem } from './kernel-case';
import { timeGpu } from './measure';
import { openSample } from './sample-bench';
import { digits } from './numbers';
import type { Table } from './tables';
import { lowestFloorOf } from './workload';

/** A kernel that can be timed. */
export interface TimedKernel {
  /** What the numbers of a shape mean. */
  dimensions: string;
  /** That of BitNet b1.58 2B4T. */
  shape: readonly number[];
  open(gpu: GpuContext, problem: KernelProblem): KernelCase;
}

/** What one variant took. */
export interface VariantTime {
  variant: unknown;
  /** Whether its known answers are right. What is wrong is not timed. */
  right: boolean;
  /** Best time for the problem once, ms. */
  ms: number;
  /** The least time that the ceilings allow over `ms`. */
  efficiency: number;
  /** Bytes that the problem has to read, per second. */
  bytesPerSecond: number;
}

/** The kernels by their shader. */
export const KERNELS: Readonly<Record<string, TimedKernel>> = {
  ternary_matmul: { dimensions: 'ROWSxCOLS', shape: [6912, 2560], open: openMatmul },
  lm_head_int8: { dimensions: 'ROWSxCOLS', shape: [128256, 2560], open: openHead },
  lm_head_planes: { dimensions: 'ROWSxCOLS', shape: [128256, 2560], open: openPlanes },
  'lm_head_blocks:Q4_0': { dimensions: 'ROWSxCOLS', shape: [128256, 2560], open: openBlocks('Q4_0') },
  'lm_head_blocks:Q4_K': { dimensions: 'ROWSxCOLS', shape: [128256, 2560], open: openBlocks('Q4_K') },
  'lm_head_blocks:Q6_K': { dimensions: 'ROWSxCOLS', shape: [128256, 2560], open: openBlocks('Q6_K') },
  attention: { dimensions: 'HEADSxKV_HEADSxHEAD_DIM', shape: [20, 5, 128], open: openAttention },
  rms_norm_quantize: { dimensions: 'COLS', shape: [6912], open: openNorm },
  sample: { dimensions: 'VOCABULARY', shape: [128256], open: openSample },
};

/** Beyond any cache of a CPU, and of most GPUs. */
const COLD_BYTES = 64 << 20;
const MOST_COPIES = 16;
const ROUNDS = 3;
const LEAST_MS = 50;

/** Checks and times `variants`, or all candidates of the adapter, in turns; the fastest first. */
export async function timeVariants(
  gpu: GpuContext,
  kernel: TimedKernel,
  problem: KernelProblem,
  ceilings: CeilingRates,
  variants?: readonly unknown[],
): Promise<VariantTime[]> {
  const { candidates, check, work, least, copies } = kernel.open(gpu, problem);
  const times: VariantTime[] = [];
  for (const variant of variants ?? candidates) {
    const right = await check(variant);
    const ms = right ? (await bestTime(gpu, await work(variant))) / copies : Infinity;
    const efficiency = lowestFloorOf(least, ceilings).ms / ms;
    times.push({ variant, right, ms, efficiency, bytesPerSecond: (least.bytes * 1000) / ms });
  }
  return times.sort((a, b) => a.ms - b.ms);
}

/** The figures of one kernel, to be shown as they are. */
export function variantTable(title: string, times: readonly VariantTime[]): Table {
  return {
    title,
    columns: ['variant', 'ms', 'GB/s', 'efficiency', ''],
    rows: times.map(({ variant, right, ms, efficiency, bytesPerSecond }) => [
      JSON.stringify(variant),
      right ? digits(ms) : '',
      right ? digits(bytesPerSecond / 1e9) : '',
      right ? efficiency.toFixed(3) : '',
      right ? '' : 'wrong',
    ]),
  };
}

async function bestTime(gpu: GpuContext, { dispatches, tokens, position }: TimedWork): Promise<number> {
  const encode =
    (repeats: number) =>
    (encoder: GPUCommandEncoder): void => {
      for (let i = 0; i < repeats; i++) encodePass(encoder, dispatches, tokens, position);
    };
  // The first run makes what is made at first use.
  await timeGpu(gpu.device, encode(1));
  const repeats = Math.ceil(LEAST_MS / Math.max(0.01, await timeGpu(gpu.device, encode(1))));
  let best = Infinity;
  for (let round = 0; round < ROUNDS; round++) {
    best = Math.min(best, (await timeGpu(gpu.device, encode(repeats))) / repeats);
  }
  return best;
}

function openMatmul(gpu: GpuContext, { shape, tokens }: KernelProblem): KernelCase {
  const [rows = 0, cols = 0] = shape;
  const form = { groups: false, scaleGroup: 'row' } as const;
  const bytes = canonicalWords(rows, cols) * 4;
  const copies = copiesOf(bytes);
  const matrices = Array.from({ length: copies }, (_, i) => ({
    rows,
    cols,
    codes: randomBuffer(gpu, `codes ${i}`, bytes),
    scales: gpu.createBuffer(`scales ${i}`, Math.ceil(rows / 8) * 32),
    scaleGroup: form.scaleGroup,
  }));
  // Room for whatever a variant rounds the tokens up to.
  const q = randomRows(gpu, cols, tokens + 16);
  const y = gpu.createBuffer('y', (tokens + 16) * rows * 4);
  return kernelCase({
    candidates: tokensCandidates(gpu.capabilities, tokens),
    check: (variant) => checkMatmul(gpu, variant, ['store'], [form]),
    work: async (variant) => ({
      dispatches: await Promise.all(
        matrices.map((matrix) => ternaryMatmul(gpu, 'matmul', matrix, 'store', variant, q, y)),
      ),
      tokens,
    }),
    least: { bytes, multiplyAdds: tokens * rows * cols },
    copies,
  });
}

function tokensCandidates(capabilities: Capabilities, tokens: number) {
  return tokens === 1
    ? decodeMatmulCandidates(capabilities, false)
    : prefillMatmulCandidates(capabilities, false);
}

function openHead(gpu: GpuContext, { shape }: KernelProblem): KernelCase {
  const [rows = 0, cols = 0] = shape;
  // Codes, and a scale of two bytes for 32 of them.
  const bytes = rows * cols * (1 + 2 / 32);
  const copies = copiesOf(bytes);
  const heads = Array.from({ length: copies }, (_, i) =>
    createInt8Matrix(gpu, `head ${i}`, rows, cols, 'head'),
  );
  for (const { codes } of heads.flatMap(({ shards }) => shards)) fill(gpu, codes);
  const q = randomRows(gpu, cols, 1);
  const logits = gpu.createBuffer('logits', rows * 4);
  return kernelCase({
    candidates: headCandidates(gpu.capabilities),
    check: (variant) => checkHead(gpu, variant),
    work: async (variant) => {
      const made = await Promise.all(heads.map((head) => lmHeadInt8(gpu, variant, head, q, logits)));
      return { dispatches: made.flat() };
    },
    least: { bytes, multiplyAdds: rows * cols },
    copies,
  });
}

/** The half that reads all rows; the other one reads few of them. */
function openPlanes(gpu: GpuContext, { shape }: KernelProblem): KernelCase {
  const [rows = 0, cols = 0] = shape;
  const size = planeRow(cols);
  const bytes = rows * (size.high + size.scales) * 4;
  const copies = copiesOf(bytes);
  const heads = Array.from({ length: copies }, (_, i) =>
    createPlaneMatrix(gpu, `head ${i}`, rows, cols, 'head'),
  );
  for (const { codes } of heads.flatMap(({ shards }) => shards)) fill(gpu, codes);
  const q = randomRows(gpu, cols, 1);
  const logits = gpu.createBuffer('logits', rows * 4);
  return kernelCase({
    candidates: headCandidates(gpu.capabilities),
    check: (variant) => checkPlanesHead(gpu, variant),
    work: async (variant) => {
      const made = await Promise.all(heads.map((head) => lmHeadPlanes(gpu, variant, head, q, logits)));
      return { dispatches: made.flatMap(({ upper }) => upper) };
    },
    least: { bytes, multiplyAdds: rows * cols },
    copies,
  });
}

/** All scales are zero: what they are takes no time. */
function openBlocks(encoding: BlockEncoding): TimedKernel['open'] {
  return (gpu, { shape }) => {
    const [rows = 0, cols = 0] = shape;
    const size = blockRowSize(encoding, cols);
    const bytes = rows * (size.codes + size.scales) * 4;
    const copies = copiesOf(bytes);
    const heads = Array.from({ length: copies }, (_, i) =>
      createBlockMatrix(gpu, `head ${i}`, { encoding, rows, cols }, 'head'),
    );
    for (const { codes } of heads.flatMap(({ shards }) => shards)) fill(gpu, codes);
    const q = randomRows(gpu, cols, 1);
    const logits = gpu.createBuffer('logits', rows * 4);
    return kernelCase({
      candidates: headCandidates(gpu.capabilities),
      check: (variant) => checkBlocksHead(gpu, variant, encoding),
      work: async (variant) => {
        const made = await Promise.all(heads.map((head) => lmHeadBlocks(gpu, variant, head, q, logits)));
        return { dispatches: made.flat() };
      },
      least: { bytes, multiplyAdds: rows * cols },
      copies,
    });
  };
}

function openAttention(gpu: GpuContext, { shape, context, cacheFormat }: KernelProblem): KernelCase {
  const [heads = 0, kvHeads = 0, headDim = 0] = shape;
  const counts = { heads, kvHeads, headDim };
  const format = cacheFormat ?? cacheFormatFor(gpu.capabilities);
  const ledger = new BufferLedger(gpu.limits);
  createLayerCache(ledger, counts, context, format, 0);
  const bytes = ledger.entries.reduce((sum, { size }) => sum + size, 0);
  const copies = copiesOf(bytes);
  // Zeros: any bits would be numbers that are none, which some adapters are slow with.
  const caches = Array.from({ length: copies }, (_, i) => createLayerCache(gpu, counts, context, format, i));
  const candidates = attentionCandidates(gpu.capabilities, counts);
  const rooms = Math.max(...candidates.map((variant) => attentionRoom(variant, context)));
  const partial = {
    sums: gpu.createBuffer('sums', rooms * heads * headDim * 4),
    summary: gpu.createBuffer('summary', rooms * heads * 8),
  };
  const state = gpu.upload('state', Uint32Array.of(context - 1, 1, 0, 0));
  const qkv = gpu.createBuffer('qkv', (heads + 2 * kvHeads) * headDim * 4);
  const out = gpu.createBuffer('out', heads * headDim * 4);
  const turned = { ...counts, rotary: headDim, ropePairs: 'neox', headNorms: false } as const;
  return kernelCase({
    candidates,
    check: (variant) => checkAttention(gpu, turned, variant, format),
    work: async (variant) => {
      const made = await Promise.all(
        caches.map((cache) => decodeAttention(gpu, counts, variant, state, qkv, cache, partial, out)),
      );
      return { dispatches: made.flat(), position: context - 1 };
    },
    least: { bytes, multiplyAdds: 0 },
    copies,
  });
}

function openNorm(gpu: GpuContext, { shape, tokens }: KernelProblem): KernelCase {
  const [cols = 0] = shape;
  const x = gpu.createBuffer('x', tokens * cols * 4);
  const weight = gpu.createBuffer('weight', cols * 4);
  const out = randomRows(gpu, cols, tokens);
  const form = { packing: 'bytes', plain: false, groups: false, scalePer: 'token' } as const;
  return kernelCase({
    candidates: normThreadsCandidates(gpu.capabilities),
    check: (threads) => checkNorm(gpu, threads, [form]),
    work: async (threads) => {
      const sizes = { cols, eps: 1e-5, threads, packing: form.packing };
      return { dispatches: [await rmsNormQuantize(gpu, 'norm', sizes, x, weight, out)], tokens };
    },
    // The row, its weights, and what is written.
    least: { bytes: cols * (4 + tokens * (4 + 1)), multiplyAdds: 0 },
    copies: 1,
  });
}

function copiesOf(bytes: number): number {
  return Math.max(1, Math.min(MOST_COPIES, Math.ceil(COLD_BYTES / bytes)));
}

/** Quantised rows whose numbers are of no account, with room for any packing. */
function randomRows(gpu: GpuContext, cols: number, tokens: number): QuantizedRows {
  const padded = Math.ceil(cols / 64) * 64;
  return {
    padded,
    values: randomBuffer(gpu, 'activations', tokens * padded * 4),
    scales: gpu.createBuffer('activation scales', tokens * padded * 8),
  };
}

function randomBuffer(gpu: GpuContext, label: string, size: number): GPUBuffer {
  const buffer = gpu.createBuffer(label, size);
  fill(gpu, buffer);
  return buffer;
}

/** Some bits in every page: memory that was never written may not be there at all. */
function fill(gpu: GpuContext, buffer: GPUBuffer): void {
  const words = new Uint32Array(Math.min(8 << 20, buffer.size) / 4);
  for (let i = 0; i < words.length; i++) words[i] = Math.imul(i + 1, 0x9e3779b1);
  for (let at = 0; at < buffer.size; at += words.byteLength) {
    gpu.write(buffer, at, words.subarray(0, (buffer.size - at) / 4));
  }
}
