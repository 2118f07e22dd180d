// The end of the forward pass: the last norm and the LM head, by the form that the head is kept in.

import type { Dispatch, GpuContext } from '../gpu/context';
import { exactLmHeadF16 } from '../kernels/lm-head-f16';
import { exactLmHeadBlocks, lmHeadBlocks } from '../kernels/lm-head-blocks';
import { exactLmHeadInt8, lmHeadInt8, type HeadVariant } from '../kernels/lm-head-int8';
import { exactLmHeadPlanes, lmHeadPlanes } from '../kernels/lm-head-planes';
import { lmHeadTernary } from '../kernels/lm-head-ternary';
import type {
  ActivationPacking,
  BlockMatrix,
  Int8Matrix,
  PlaneMatrix,
  QuantizedRows,
  TernaryTable,
  VocabularyMatrix,
} from '../kernels/matrices';
import { rmsNorm } from '../kernels/rms-norm';
import { rmsNormQuantize } from '../kernels/rms-norm-quantize';
import { decodeMatmulCandidates } from '../kernels/ternary-matmul';
import type { Activations } from '../model/activations';
import type { ModelConfig } from '../model/config';
import type { ModelWeights } from '../model/weights';
import type { FixedChoices, Variants } from './variants';
import { inputOf, type WorkBuffers } from './work-buffers';

/** Dispatches that go from the residual stream's last token to what comes of it. */
export interface Heads {
  /** What the last norm makes of it, in `work.last`. */
  norm: Dispatch;
  /**
   * Logits of activations that are not rounded; what the head itself was rounded to, it was at load. Compiled when they are
   * first asked for.
   */
  exact: () => Promise<Dispatch[]>;
  /** The logits that generations use; the same list as of `exact` where these are the exact ones. */
  fast: Dispatch[];
  /** The same of tokens that can be chosen by `fast` alone, about right of others: all of them, but for a head in planes. */
  contenders: Dispatch[];
  /** What `fast` multiplies; undefined where it is `exact`. */
  input: HeadInput | undefined;
}

/** The last token, normalised and rounded for the head. */
export interface HeadInput {
  rows: QuantizedRows;
  packing: ActivationPacking;
}

/** What the heads are made of. */
export interface HeadSubject {
  config: ModelConfig;
  weights: Pick<ModelWeights, 'outputNorm' | 'head'>;
  work: WorkBuffers;
  activations: Activations;
  variants: Variants & FixedChoices;
  /** Generations, too, use activations that are not rounded. */
  exactOnly: boolean;
}

export async function createHeads(gpu: GpuContext, subject: HeadSubject): Promise<Heads> {
  const { config, weights, work, variants } = subject;
  const shape = { cols: config.width, eps: config.eps, threads: variants.normThreads };
  const norm = await rmsNorm(gpu, shape, work.state, work.x, weights.outputNorm, work.last);
  const { head } = weights;
  const exact = async (): Promise<Dispatch[]> => [norm, ...(await exactHead(gpu, head, subject))];
  if (subject.exactOnly || head.format === 'f16') {
    const fast = await exact();
    return { norm, exact: async () => fast, fast, contenders: fast, input: undefined };
  }
  const input = headInput(head, subject);
  return { norm, exact, ...(await fastHead(gpu, head, input, subject)), input };
}

function exactHead(
  gpu: GpuContext,
  head: VocabularyMatrix,
  { work, variants }: HeadSubject,
): Promise<Dispatch[]> {
  switch (head.format) {
    case 'f16':
      return exactLmHeadF16(gpu, variants.exactHead, head, work.last, work.logits);
    case 'int8':
      return exactLmHeadInt8(gpu, head, work.last, work.logits);
    case 'planes':
      return exactLmHeadPlanes(gpu, head, work.last, work.logits);
    case 'Q4_0':
    case 'Q4_K':
    case 'Q6_K':
      return exactLmHeadBlocks(gpu, head, work.last, work.logits);
    case 'ternary': {
      const [variant] = decodeMatmulCandidates(gpu.capabilities, true);
      const groups = scaleGroupOf(head) !== 'row';
      const input = { padded: work.lastPadded, values: work.last, scales: work.unitScales, groups };
      return lmHeadTernary(gpu, variant!, head, input, work.logits);
    }
  }
}

type RoundedHead = Exclude<VocabularyMatrix, { format: 'f16' }>;

/** A head that has variants of its own, and multiplies activations in int8 with one scale. */
export type ByteHead = Int8Matrix | PlaneMatrix | BlockMatrix;

export function isByteHead(head: VocabularyMatrix): head is ByteHead {
  return head.format !== 'f16' && head.format !== 'ternary';
}

/** What variants of a head are timed by: all of it, or what of it runs for all rows. */
export async function timedHead(
  gpu: GpuContext,
  variant: HeadVariant,
  head: ByteHead,
  q: QuantizedRows,
  logits: GPUBuffer,
): Promise<Dispatch[]> {
  if (head.format === 'planes') return (await lmHeadPlanes(gpu, variant, head, q, logits)).upper;
  return byteHead(gpu, variant, head, q, logits);
}

/** `logits` f32 [rows] of one quantised row. One dispatch per shard of `head`. */
function byteHead(
  gpu: GpuContext,
  variant: HeadVariant,
  head: Exclude<ByteHead, PlaneMatrix>,
  q: QuantizedRows,
  logits: GPUBuffer,
): Promise<Dispatch[]> {
  return head.format === 'int8'
    ? lmHeadInt8(gpu, variant, head, q, logits)
    : lmHeadBlocks(gpu, variant, head, q, logits);
}

/** Activations as they are before every other ternary matrix, or, where the head is not ternary, in int8 with one scale. */
function headInput(head: RoundedHead, { config, work, activations, variants }: HeadSubject): HeadInput {
  if (isByteHead(head)) {
    const rows = work.quantized.get(config.width)!;
    // What goes with the scale has its place beside the head.
    const scales = head.format === 'planes' ? head.scratch.sums : rows.scales;
    return { rows: { ...rows, scales }, packing: 'bytes' };
  }
  const rows = inputOf(work, head.shards[0]!.matrix, activations);
  return { rows, packing: variants.decodeMatmul.products };
}

async function fastHead(
  gpu: GpuContext,
  head: RoundedHead,
  { rows, packing }: HeadInput,
  { config, weights, work, activations, variants }: HeadSubject,
): Promise<Pick<Heads, 'fast' | 'contenders'>> {
  const shape = {
    cols: config.width,
    eps: config.eps,
    threads: variants.normThreads,
    packing,
    scalePer: rows.groups && activations === 'int8-group' ? 'group' : 'token',
    bound: head.format === 'planes' ? head.scratch.bound : undefined,
  } as const;
  const label = 'output norm';
  const [norm, products] = await Promise.all([
    rmsNormQuantize(gpu, label, shape, work.x, weights.outputNorm, rows, work.state),
    productsOf(gpu, head, rows, work.logits, variants),
  ]);
  return { fast: [norm, ...products.all], contenders: [norm, ...products.contenders] };
}

async function productsOf(
  gpu: GpuContext,
  head: RoundedHead,
  rows: QuantizedRows,
  logits: GPUBuffer,
  variants: Variants,
): Promise<Record<'all' | 'contenders', Dispatch[]>> {
  if (head.format === 'planes') return lmHeadPlanes(gpu, variants.head, head, rows, logits);
  const all = await (isByteHead(head)
    ? byteHead(gpu, variants.head, head, rows, logits)
    : lmHeadTernary(gpu, variants.decodeMatmul, head, rows, logits));
  return { all, contenders: all };
}

/** The same for all shards: see `allocateVocabulary`. */
function scaleGroupOf({ shards }: TernaryTable) {
  return shards[0]!.matrix.scaleGroup;
}
