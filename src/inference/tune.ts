// Tunes the kernels of one model: what each variant is checked and timed with.

import { isBlockEncoding } from '../formats/encodings';
import { isSoftwareAdapter } from '../gpu/capabilities';
import type { Dispatch, GpuContext } from '../gpu/context';
import {
  Tuner,
  type TimedWork,
  type Tunable,
  type TunerOptions,
  type TunerTimes,
  type TuningReport,
} from '../gpu/tuner';
import { decodeAttention, type AttentionVariant } from '../kernels/attention';
import type * as Checks from '../kernels/checks';
import { createLayerCache, freeLayerCache, type CacheFormat, type LayerCache } from '../kernels/kv-layout';
import type { HeadVariant } from '../kernels/lm-head-int8';
import type { TernaryMatrix, VocabularyMatrix } from '../kernels/matrices';
import type { NormMatmulForm } from '../kernels/norm-matmul-check';
import { rmsNormQuantize } from '../kernels/rms-norm-quantize';
import type { NormForm } from '../kernels/rms-norm-quantize-check';
import type { MatmulEpilogue, MatmulVariant } from '../kernels/ternary-matmul';
import type { MatmulForm } from '../kernels/ternary-matmul-check';
import type { Activations } from '../model/activations';
import type { ModelConfig } from '../model/config';
import type { LayerWeights } from '../model/weights';
import { isByteHead, timedHead } from './heads';
import { isFused, product, type Product } from './products';
import { candidates, type Variants } from './variants';
import { inputOf, productParts, type WorkBuffers } from './work-buffers';

/** Tokens that a prefill variant is timed with. */
const TIMED_TOKENS = 16;
/** Context that an attention variant is timed with. */
const TIMED_CONTEXT = 256;

/** What checks variants: loaded when one has to be. */
const checks = (): Promise<typeof Checks> => import('../kernels/checks');

/** How the variants of a kernel are checked and timed. */
type TunableWork<Variant> = Pick<Tunable<Variant>, 'checked' | 'check' | 'work'>;

/** What a model's kernels are tuned on. Timing overwrites the work buffers. */
export interface TuningSubject {
  gpu: GpuContext;
  config: ModelConfig;
  layers: readonly LayerWeights[];
  head: VocabularyMatrix;
  work: WorkBuffers;
  contextLength: number;
  cacheFormat: CacheFormat;
  activations: Activations;
}

/** What was chosen, and what that took. */
export interface Tuned {
  variants: Variants;
  report: TuningReport;
  spent: TunerTimes;
  /** Whether decode's variant of the matrix kernel stands in for that of prompts, which nobody has chosen. */
  standsIn: boolean;
}

/**
 * Chooses every variant; those that `pinned` names are taken as they are, after their check. With `prefillLater`, that of prompts is
 * left to `choosePrefill` where decode's can stand in for it.
 */
export async function tune(
  subject: TuningSubject,
  pinned: Partial<Variants>,
  options: TunerOptions,
  prefillLater = false,
): Promise<Tuned> {
  const { gpu, config, head } = subject;
  const tuner = new Tuner(gpu, options);
  const possible = candidates(gpu.capabilities, config, subject.activations);
  // Other heads have no variants of their own, so there is nothing to time.
  const all = isByteHead(head) ? possible : { ...possible, head: possible.head.slice(0, 1) };
  const choose = async <Kernel extends keyof Variants>(
    kernel: Kernel,
    shape: string,
    what: TunableWork<Variants[Kernel]>,
  ): Promise<Variants[Kernel]> => {
    const fixed = pinned[kernel];
    const list = fixed === undefined ? all[kernel] : [fixed];
    return tuner.choose({ name: `${kernel} ${shape}`, candidates: list, ...what });
  };
  const { width, ffnWidth, heads, kvHeads, headDim, rotary, ropePairs, headNorms } = config;
  const layerShape = layerShapeOf(subject);
  const attentionShape = { heads, kvHeads, headDim, rotary, ropePairs, headNorms };
  const rowForms = normForms(subject);
  const forms = matmulForms(subject);
  const formNames = namesOf(forms);
  const epilogues = epiloguesOf(config);
  const fuses = [pinned.decodeMatmul, ...all.decodeMatmul].some((variant) => variant?.fused);
  const normThreads = pinned.normThreads ?? possible.normThreads[0]!;
  const length = Math.min(TIMED_CONTEXT, subject.contextLength);
  const { cacheFormat: format } = subject;
  const caches = new TimedCaches(subject, length, format);
  try {
    const decodeMatmul = await choose('decodeMatmul', layerShape, {
      checked: JSON.stringify(['matmul', epilogues, forms, ...(fuses ? [normMatmulForms(subject)] : [])]),
      check: async (variant) => {
        const { checkMatmul, checkNormMatmul } = await checks();
        return (
          (isAllFused(subject, variant) || (await checkMatmul(gpu, variant, epilogues, forms))) &&
          checkNormMatmul(gpu, variant, normMatmulForms(subject, variant))
        );
      },
      work: (variant) => matmulWork(subject, variant, 1, normThreads),
    });
    const standsIn =
      prefillLater && !options.unchecked && !pinned.prefillMatmul && canStandIn(subject, decodeMatmul);
    const variants: Variants = {
      decodeMatmul,
      head: await choose('head', headShape(subject), {
        checked: JSON.stringify(['head', head.format]),
        check: (variant) => checkHeadOf(subject, variant),
        work: async (variant) => {
          const { work } = subject;
          const q = work.quantized.get(width)!;
          const timed = isByteHead(head) ? timedHead(gpu, variant, head, q, work.logits) : [];
          return { dispatches: await timed };
        },
      }),
      prefillMatmul: standsIn
        ? decodeMatmul
        : await choose('prefillMatmul', layerShape, prefillWork(subject, normThreads)),
      attention: await choose('attention', `${layerShape} ${format}`, {
        checked: JSON.stringify(['attention', attentionShape, format]),
        check: async (variant) => (await checks()).checkAttention(gpu, attentionShape, variant, format),
        work: (variant) => attentionWork(subject, caches.all(), length, variant),
      }),
      normThreads: await choose('normThreads', [`${ffnWidth}`, ...formNames].join(' '), {
        checked: JSON.stringify(['norm', rowForms]),
        check: async (threads) => (await checks()).checkNorm(gpu, threads, rowForms),
        work: (threads) => normWork(subject, threads),
      }),
    };
    await tuner.save();
    return { variants, report: tuner.report, spent: tuner.spent, standsIn };
  } catch (error) {
    // What was found before it was ended is worth keeping, and nobody waits for that.
    if (options.signal?.aborted) tuner.save().catch(() => {});
    throw error;
  } finally {
    caches.free();
  }
}

/** Chooses the variant of the matrix kernel for prompts alone, and times none. */
export async function choosePrefill(
  subject: TuningSubject,
  options: TunerOptions,
): Promise<{ variant: MatmulVariant; report: TuningReport }> {
  const { gpu, config, activations } = subject;
  const possible = candidates(gpu.capabilities, config, activations);
  const tuner = new Tuner(gpu, { ...options, budgetMs: 0 });
  const variant = await tuner.choose({
    name: `prefillMatmul ${layerShapeOf(subject)}`,
    candidates: possible.prefillMatmul,
    ...prefillWork(subject, possible.normThreads[0]!),
  });
  await tuner.save();
  return { variant, report: tuner.report };
}

/**
 * Whether prompts can be evaluated with decode's `variant` of the matrix kernel until there is one of their own: where that is to the bit
 * the same. On a program on the CPU the kernel for prompts takes the longest to compile of all; a GPU has both soon.
 */
function canStandIn(subject: TuningSubject, { tokens, fused }: MatmulVariant): boolean {
  return isSoftwareAdapter(subject.gpu.capabilities) && addsIntegers(subject) && tokens === 1 && !fused;
}

/**
 * Whether variants of the matrix kernel give the same to the bit, so that one can take the other's place between two answers: with a
 * seed they are what they were.
 */
export function isExchangeable(subject: TuningSubject, a: MatmulVariant, b: MatmulVariant): boolean {
  if (!addsIntegers(subject)) return false;
  // A norm inside adds up floats, in an order that depends on the threads.
  return a.fused ? b.fused === true && a.split === b.split : !b.fused;
}

/** Whether the products of a whole row are integers, whose sum is the same in any order. */
function addsIntegers(subject: TuningSubject): boolean {
  const byRow = matmulForms(subject).every(({ groups, scaleGroup }) => !groups && scaleGroup === 'row');
  return byRow && subject.activations === 'int8-token';
}

function prefillWork(subject: TuningSubject, normThreads: number): TunableWork<MatmulVariant> {
  const [epilogues, forms] = [epiloguesOf(subject.config), matmulForms(subject)];
  return {
    checked: JSON.stringify(['matmul', epilogues, forms]),
    check: async (variant) => (await checks()).checkMatmul(subject.gpu, variant, epilogues, forms),
    work: (variant) => matmulWork(subject, variant, TIMED_TOKENS, normThreads),
  };
}

function epiloguesOf({ activation, perMatrixNorms }: ModelConfig): MatmulEpilogue[] {
  return ['store', 'add', `${activation}-${perMatrixNorms ? 'times' : 'gate'}`];
}

/** What the times of variants belong to that depend on the shape of a layer. */
function layerShapeOf(subject: TuningSubject): string {
  const { width, ffnWidth, heads, kvHeads, headDim } = subject.config;
  return [`${width}x${ffnWidth}x${heads}x${kvHeads}x${headDim}`, ...namesOf(matmulForms(subject))].join(' ');
}

function namesOf(forms: readonly MatmulForm[]): string[] {
  return forms.map(({ groups, scaleGroup }) => `${groups ? 'groups' : 'tokens'}/${scaleGroup}`);
}

/** What the times of head variants belong to. */
function headShape({ config: { vocabularySize, width }, head: { format } }: TuningSubject): string {
  const shape = `${vocabularySize}x${width}`;
  return format === 'planes' || isBlockEncoding(format) ? `${shape} ${format}` : shape;
}

async function checkHeadOf({ gpu, head }: TuningSubject, variant: HeadVariant): Promise<boolean> {
  if (!isByteHead(head)) return true;
  const { checkBlocksHead, checkHead, checkPlanesHead } = await checks();
  if (head.format === 'planes') return checkPlanesHead(gpu, variant);
  return head.format === 'int8' ? checkHead(gpu, variant) : checkBlocksHead(gpu, variant, head.format);
}

/** How the scales of a model's matrices and of their inputs lie: one form, or one for each kind of matrix it has. */
function matmulForms({ layers, head, work, activations }: TuningSubject): MatmulForm[] {
  const ofHead = head.format === 'ternary' ? head.shards.map(({ matrix }) => matrix) : [];
  const forms = layers
    .flatMap(({ qkv, attnOutput, gateUp, ffnDown }) => [qkv, attnOutput, gateUp, ffnDown])
    .concat(ofHead)
    .map((matrix) => ({
      groups: inputOf(work, matrix, activations).groups ?? false,
      scaleGroup: matrix.scaleGroup,
    }));
  return [...new Map(forms.map((form) => [JSON.stringify(form), form])).values()];
}

/** The ways in which a model's rows are quantised: with and, where a layer lacks sub-norms, without a norm. */
function normForms(subject: TuningSubject): NormForm[] {
  const { layers, activations } = subject;
  const packings = activations === 'f32' ? (['floats'] as const) : (['bytes', 'pairs'] as const);
  const plains = layers.some(({ attnSubNorm }) => !attnSubNorm) ? [false, true] : [false];
  const scalePer = activations === 'int8-group' ? 'group' : 'token';
  const groupings = new Set(matmulForms(subject).map(({ groups }) => groups));
  return [...groupings].flatMap((groups) =>
    plains.flatMap((plain) => packings.map((packing) => ({ packing, plain, groups, scalePer }))),
  );
}

/**
 * Beyond the caches of GPUs (72 MiB on an RTX 4090, 96 MiB on an RX 7900 XTX): what of the weights may be there when a layer's
 * turn comes again is no more than in a step.
 */
const COLD_BYTES = 256 << 20;

/**
 * All matrices of a layer, and alternatives of other layers. They have one variant: what is chosen is best for all together. With one
 * token the norms before them count, which a variant may make in the matrices' place.
 */
async function matmulWork(
  subject: TuningSubject,
  variant: MatmulVariant,
  tokens: number,
  normThreads: number,
): Promise<TimedWork> {
  const settings = { ...subject, eps: subject.config.eps, normThreads, variant };
  const layers = await Promise.all(
    timedLayers(subject).map(async (layer) => {
      const products = layerProducts(subject, layer).map((each) => product(settings, each));
      const made = await Promise.all(products);
      return made.flatMap((each) => (tokens === 1 ? each : each.slice(-1)));
    }),
  );
  return { ...inTurns(layers), tokens };
}

/** The dispatches of several layers as repeats of one. */
function inTurns([dispatches = [], ...alternatives]: readonly Dispatch[][]): TimedWork {
  return { dispatches, alternatives };
}

/** As many layers as no cache holds, or all; those whose matrices have the forms of the first one's, so that kernels are the same. */
function timedLayers({ layers }: TuningSubject): LayerWeights[] {
  const matrices = ({ qkv, attnOutput, gateUp, ffnDown }: LayerWeights): TernaryMatrix[] => {
    return [qkv, attnOutput, gateUp, ffnDown];
  };
  const form = (layer: LayerWeights): string =>
    matrices(layer)
      .map((each) => each.scaleGroup)
      .join();
  const alike = layers.filter((layer, _, [first]) => first && form(layer) === form(first));
  const bytes = alike
    .slice(0, 1)
    .flatMap(matrices)
    .reduce((sum, { codes }) => sum + codes.size, 0);
  return alike.slice(0, Math.ceil(COLD_BYTES / Math.max(1, bytes)));
}

/** The products of a layer, near enough to those of a step: q, k and v together, whatever norms they have. */
function layerProducts({ config, work }: TuningSubject, layer: LayerWeights): Product[] {
  const {
    attnNorm,
    inputNorms,
    attnSubNorm,
    attnOutput,
    ffnNorm,
    gateUp: matrix,
    ffnSubNorm,
    ffnDown,
  } = layer;
  const { x, attended, hidden } = work;
  const { activation } = config;
  const parts = productParts(config);
  const gateUp: Omit<Product, 'name' | 'x' | 'matrix' | 'y'>[] = inputNorms
    ? [
        { weight: inputNorms.up, epilogue: 'store', part: parts.up },
        { weight: inputNorms.gate, epilogue: `${activation}-times`, part: parts.gate },
      ]
    : [{ weight: ffnNorm, epilogue: `${activation}-gate` }];
  const [name, epilogue] = ['timed', 'add'] as const;
  const qkv = {
    weight: inputNorms?.q ?? attnNorm,
    matrix: layer.qkv,
    epilogue: 'store',
    y: work.qkv,
  } as const;
  return [
    { name, x, ...qkv },
    { name, x: attended, weight: attnSubNorm, matrix: attnOutput, epilogue, y: x },
    ...gateUp.map((each) => ({ name, x, matrix, y: hidden, ...each })),
    { name, x: hidden, weight: ffnSubNorm, matrix: ffnDown, epilogue, y: x },
  ];
}

/** Whether a variant runs nothing but products that have their norm inside. */
function isAllFused(subject: TuningSubject, variant: MatmulVariant): boolean {
  const { head, layers, activations } = subject;
  const products = layers.flatMap((layer) => layerProducts(subject, layer));
  const fused = products.every(({ matrix }) => isFused({ activations, variant }, matrix));
  return fused && head.format !== 'ternary';
}

/** The uses of the kernel with a norm inside: of those products that have it there with `variant`, or of all. */
function normMatmulForms(subject: TuningSubject, variant?: MatmulVariant): NormMatmulForm[] {
  const { layers, activations, config } = subject;
  const forms = layers
    .flatMap((layer) => layerProducts(subject, layer))
    .filter(({ matrix }) => !variant || isFused({ activations, variant }, matrix))
    .map(({ matrix, weight, epilogue }): NormMatmulForm => {
      return { cols: matrix.cols, plain: weight === undefined, epilogue, eps: config.eps };
    });
  return [...new Map(forms.map((form) => [JSON.stringify(form), form])).values()];
}

/** Caches to time attention with, one for each layer as in a step: made when somebody wants them. */
class TimedCaches {
  #caches: LayerCache[] | undefined;

  constructor(
    private readonly subject: TuningSubject,
    private readonly positions: number,
    private readonly format: CacheFormat,
  ) {}

  all(): readonly LayerCache[] {
    const { gpu, config, layers } = this.subject;
    this.#caches ??= layers.map((_, i) =>
      createLayerCache(gpu, config, this.positions, this.format, `for timing ${i}`),
    );
    return this.#caches;
  }

  free(): void {
    for (const cache of this.#caches ?? []) freeLayerCache(this.subject.gpu, cache);
  }
}

async function attentionWork(
  { gpu, config, work }: TuningSubject,
  caches: readonly LayerCache[],
  length: number,
  variant: AttentionVariant,
): Promise<TimedWork> {
  const { state, qkv, partial, attended } = work;
  gpu.assertAlive();
  gpu.device.queue.writeBuffer(state, 0, new Uint32Array([length - 1, 1, 0, 0]));
  const layers = await Promise.all(
    caches.map((cache) => decodeAttention(gpu, config, variant, state, qkv, cache, partial, attended)),
  );
  return { ...inTurns(layers), position: length - 1 };
}

/** The norm before the last matrix of a layer; of all layers that have it, or have it not, as the first one. */
async function normWork(
  { gpu, config, work, layers, activations }: TuningSubject,
  threads: number,
): Promise<TimedWork> {
  const shape = {
    cols: config.ffnWidth,
    eps: config.eps,
    threads,
    packing: activations === 'f32' ? 'floats' : 'bytes',
    scalePer: activations === 'int8-group' ? 'group' : 'token',
  } as const;
  const alike = layers.filter((layer, _, [first]) => !layer.ffnSubNorm === !first?.ffnSubNorm);
  const dispatches = await Promise.all(
    alike.map(async ({ ffnSubNorm, ffnDown }) => {
      const out = inputOf(work, ffnDown, activations);
      return [await rmsNormQuantize(gpu, 'norm', shape, work.hidden, ffnSubNorm, out)];
    }),
  );
  return inTurns(dispatches);
}
