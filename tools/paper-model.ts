// A model on paper of decode on GPUs that are not here: what the kernels say of themselves (dispatches, rounds, bytes), times what
// such a GPU is said or taken to need for each. It compares versions of this code; it is no measurement, and may be off by 40 %.

import { countedModel, type CountedDevice } from '../test/support/counted-model';
import type { Dispatch } from '../src/gpu/context';
import { countStep } from '../src/inference/step-count';
import type { MatmulVariant } from '../src/kernels/ternary-matmul';
import type { PrecisionOptions } from '../src/plan/load-options';

/** A GPU by figures of data sheets (bandwidth) and estimates (all others). Times in µs, unless their names say otherwise. */
interface PaperGpu extends CountedDevice {
  name: string;
  /** GB/s, and how much of it kernels get. */
  bandwidth: number;
  share: number;
  /** A dependent load that the second cache has, and one that it has not. */
  cached: number;
  loaded: number;
  /** Between two dispatches that wait for each other, and until the last workgroup of one is done. */
  gap: number;
  tail: number;
  /** Arithmetic of a token's ternary products, and of its head, ms. */
  productsMs: number;
  headMs: number;
}

const COLUMNS = ['bandwidth', 'share', 'cached', 'loaded', 'gap', 'tail', 'productsMs', 'headMs'] as const;

function gpu(name: string, vendor: PaperGpu['vendor'], lanes: number, figures: readonly number[]): PaperGpu {
  const of = Object.fromEntries(COLUMNS.map((column, i) => [column, figures[i] ?? NaN]));
  return { name, vendor, lanes, ...(of as Record<(typeof COLUMNS)[number], number>) };
}

const GPUS: readonly PaperGpu[] = [
  gpu('GeForce RTX 4090', 'nvidia', 32, [1008, 0.92, 0.17, 0.55, 2, 1, 0.3, 0.1]),
  gpu('GeForce RTX 3060', 'nvidia', 32, [360, 0.92, 0.2, 0.6, 2, 1.2, 0.9, 0.3]),
  gpu('Radeon RX 7900 XTX', 'amd', 64, [960, 0.88, 0.2, 0.6, 2.2, 1.2, 0.25, 0.1]),
  gpu('Radeon 780M', 'amd', 64, [90, 0.83, 0.22, 0.5, 3, 1.5, 1.8, 0.6]),
  gpu('Apple M2', 'apple', 32, [100, 0.88, 0.3, 0.45, 3, 1.5, 4, 4]),
  gpu('Apple M4', 'apple', 32, [120, 0.88, 0.28, 0.42, 3, 1.5, 3.7, 3.7]),
  gpu('Iris Xe, 96 units', 'intel', 16, [68, 0.82, 0.3, 0.45, 5, 2, 2.5, 0.8]),
  gpu('Arc of Lunar Lake', 'intel', 16, [136, 0.8, 0.3, 0.45, 4, 2, 1.8, 0.6]),
  gpu('Adreno X1-85', 'qualcomm', 64, [135, 0.7, 0.35, 0.5, 8, 3, 3, 1]),
  gpu('Adreno 750', 'qualcomm', 64, [77, 0.65, 0.45, 0.6, 10, 4, 4, 1.3]),
  gpu('Mali G720', 'arm', 16, [68, 0.55, 0.5, 0.7, 15, 5, 8, 2.5]),
];

const CONTEXT = 512;
const LAYERS = 30;
/** Bytes of a dispatch from which on they come from memory, not from a cache. */
const FROM_MEMORY = 1 << 20;
/** Barriers of a reduction, µs. */
const REDUCTION = 0.8;
/**
 * What it takes beside the products that each workgroup makes the row for itself: some 14 operations a column, for 16 rows, or 32 of
 * gate and up by bytes. A product by bytes takes three quarters of one; by pairs 368 cycles for 128 of them on Apple's, by Mesa's
 * compiler, where `down` has its row made once.
 */
const WITH_ROW_MADE = { bytes: 1.9, pairs: 1.22, floats: 1 };

/** How much more arithmetic the upper plane of a head takes than its bytes: instructions by Mesa's compiler for AMD, 284 for 190. */
const FOR_PLANES = 1.5;

interface Foretold {
  perSecond: number;
  dispatches: number;
  rounds: number;
  bytes: number;
  decodeMatmul: MatmulVariant;
}

/** A token at the context, with what runs on `gpu` where nothing was measured, or with other matrices. */
async function foretell(
  gpu: PaperGpu,
  decodeMatmul?: MatmulVariant,
  precision: PrecisionOptions = {},
): Promise<Foretold> {
  const model = await countedModel(gpu, decodeMatmul ? { decodeMatmul } : {}, 'bitnet-2b4t', precision);
  const gigabytes = gpu.bandwidth * gpu.share;
  let products = 0;
  let others = 0;
  for (const dispatch of model.layerDispatches) {
    const { dispatches, rounds, bytes } = countStep([dispatch], CONTEXT);
    if (dispatches === 0) continue;
    const reading = bytes / gigabytes / 1e3;
    if (dispatch.label.includes('matmul')) {
      const own = dispatch.label.startsWith('norm') ? REDUCTION : 0;
      products += Math.max(reading, rounds * gpu.loaded) + gpu.tail + own;
    } else {
      // Keys and values are read side by side, through longer ways than what is in the cache.
      const round = bytes > FROM_MEMORY ? 1.3 * gpu.cached : gpu.cached;
      others += Math.max(reading, rounds * round) + REDUCTION;
    }
    others += gpu.gap;
  }
  const { fused, products: by } = model.decodeMatmul;
  const arithmetic = gpu.productsMs * (fused ? WITH_ROW_MADE[by] : 1);
  const layer = Math.max(products, (arithmetic * 1e3) / LAYERS) + others;
  const head = headTime(gpu, model.headDispatches, precision);
  const step = await model.token(CONTEXT);
  const outside = step.dispatches - LAYERS * model.layer(CONTEXT).dispatches;
  const total = LAYERS * layer + head + outside * (gpu.gap + REDUCTION);
  return { ...step, perSecond: 1e6 / total, decodeMatmul: model.decodeMatmul };
}

/** µs from the last norm to the logits, without what lies between dispatches. */
function headTime(
  gpu: PaperGpu,
  dispatches: readonly Dispatch[],
  { headPrecision }: PrecisionOptions,
): number {
  const arithmetic = gpu.headMs * 1e3 * (headPrecision === 'planes' ? FOR_PLANES : 1);
  return dispatches
    .map((dispatch) => ({ dispatch, ...countStep([dispatch], CONTEXT) }))
    .filter(({ dispatch }) => dispatch.label.startsWith('lm head'))
    .map(({ bytes, rounds }) => {
      const reading = bytes / (gpu.bandwidth * gpu.share) / 1e3;
      // Few rows are a chain of loads that nothing hides.
      return bytes > 8 * FROM_MEMORY ? Math.max(reading, arithmetic) : rounds * gpu.loaded;
    })
    .reduce((sum, each) => sum + each, 0);
}

async function main(): Promise<void> {
  // For a device that has no buffers.
  (globalThis as { GPUBufferUsage?: object }).GPUBufferUsage ??= {};
  console.log(`BitNet b1.58 2B4T, a greedy token at context ${CONTEXT}: a model on paper, no measurement\n`);
  console.log(
    '| GPU | GB/s | dispatches | rounds | tokens/s | with norms apart | by bytes alone | with a head in planes | its bytes |',
  );
  console.log('| --- | --- | --- | --- | --- | --- | --- | --- | --- |');
  for (const each of GPUS) {
    const { perSecond, dispatches, rounds, bytes, decodeMatmul } = await foretell(each);
    const planes = await foretell(each, undefined, { headPrecision: 'planes' });
    const apart = await foretell(each, { ...decodeMatmul, fused: false, split: 8 });
    const figures = [
      each.bandwidth,
      dispatches,
      rounds,
      perSecond,
      apart.perSecond,
      (each.bandwidth * 1e9) / bytes,
      planes.perSecond,
      (planes.bytes / bytes) * 100,
    ];
    console.log(`| ${each.name} | ${figures.map((value) => value.toFixed(0)).join(' | ')} |`);
  }
}

await main();
