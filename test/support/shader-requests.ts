// All that kernels ask of shaders: every variant of every kernel, for models of different kinds on devices of different kinds.

import { GeneratedModel } from '../../bench/core/generated-model';
import { SHAPES, type ShapeName } from '../../bench/core/shapes';
import { filesAtHand } from '../../src/files/model-files';
import type { Capabilities } from '../../src/gpu/capabilities';
import { GpuContext, type PipelineSpec } from '../../src/gpu/context';
import { KvCache } from '../../src/inference/kv-cache';
import { Transformer } from '../../src/inference/transformer';
import { candidates, type Variants } from '../../src/inference/variants';
import { createBlockMatrix } from '../../src/kernels/block-matrix';
import { embed } from '../../src/kernels/embed';
import { createPlaneMatrix, Int8RowWriter } from '../../src/kernels/int8-rows';
import { exactLmHeadBlocks, lmHeadBlocks } from '../../src/kernels/lm-head-blocks';
import { headCandidates } from '../../src/kernels/lm-head-int8';
import { exactLmHeadPlanes, lmHeadPlanes } from '../../src/kernels/lm-head-planes';
import { createLogprobBuffers, logprobs, MOST_LOGPROBS } from '../../src/kernels/logprobs';
import { normThreadsCandidates, rmsNormQuantize } from '../../src/kernels/rms-norm-quantize';
import { sample } from '../../src/kernels/sample';
import type { ModelConfig } from '../../src/model/config';
import { allocateWeights } from '../../src/model/load';
import type { ModelFile } from '../../src/model/model-file';
import { choosePrecisions, readModel } from '../../src/plan/read-model';
import { nullDevice } from './null-device';
import { BLOCK_ENCODINGS } from './random-blocks';

const BASE = { shaderF16: false, packedDot: true, timestamps: false, vendor: 'unknown' } as const;
const lanes = (subgroupMinSize: number, subgroupMaxSize: number) => ({
  ...BASE,
  subgroups: subgroupMaxSize > 0,
  subgroupMinSize,
  subgroupMaxSize,
});
/** Without subgroups; software adapters; GPUs with one size of subgroups and with two. */
const DEVICES: readonly Capabilities[] = [
  lanes(0, 0),
  { ...lanes(0, 0), packedDot: false },
  lanes(4, 4),
  lanes(8, 8),
  lanes(32, 32),
  lanes(32, 64),
];
const CACHE_FORMATS = ['f16', 'f32', 'int8'] as const;
/** Matrices with a scale each and with scales of groups; heads of 128 dimensions and of 96; ternary embeddings and others. */
const SHAPE_NAMES: readonly ShapeName[] = ['bitnet-2b4t', 'bitnet-large-0.7b', 'bonsai-1.7b'];
/** Large enough for attention to be split. */
const CONTEXT = 1024;

class RecordingContext extends GpuContext {
  readonly specs: PipelineSpec[] = [];

  override pipeline(spec: PipelineSpec): Promise<GPUComputePipeline> {
    this.specs.push(spec);
    return super.pipeline(spec);
  }
}

/** Each pipeline once. */
export async function shaderRequests(): Promise<PipelineSpec[]> {
  const specs = new Map<string, PipelineSpec>();
  for (const shape of SHAPE_NAMES) {
    const model = await modelOf(shape);
    for (const capabilities of DEVICES)
      for (const precision of ['fast', 'exact'] as const)
        for (const spec of await requestsOf(model, capabilities, precision))
          specs.set(JSON.stringify(spec), spec);
  }
  for (const capabilities of DEVICES)
    for (const spec of await blockRequests(capabilities)) specs.set(JSON.stringify(spec), spec);
  return [...specs.values()];
}

/** Embeddings and heads in the blocks of their file, which none of these shapes has. */
async function blockRequests(capabilities: Capabilities): Promise<PipelineSpec[]> {
  const gpu = new RecordingContext(nullDevice(), capabilities);
  const [rows, cols] = [8, 256];
  const buffer = gpu.createBuffer('any', cols * 4);
  for (const encoding of BLOCK_ENCODINGS) {
    const matrix = createBlockMatrix(gpu, encoding, { encoding, rows, cols }, 'work');
    await embed(gpu, matrix, buffer, buffer);
    await exactLmHeadBlocks(gpu, matrix, buffer, buffer);
    for (const variant of headCandidates(capabilities)) {
      await lmHeadBlocks(gpu, variant, matrix, { padded: cols, values: buffer, scales: buffer }, buffer);
    }
  }
  return gpu.specs;
}

async function modelOf(shape: ShapeName): Promise<ModelFile> {
  const bytes = new GeneratedModel(shape, { ...SHAPES[shape], layers: 1 });
  return (await readModel(filesAtHand([{ name: `${shape}.gguf`, bytes }]))).model;
}

async function requestsOf(
  model: ModelFile,
  capabilities: Capabilities,
  precision: 'fast' | 'exact',
): Promise<PipelineSpec[]> {
  const gpu = new RecordingContext(nullDevice(), capabilities);
  const { activations, headPrecision } = choosePrecisions(model, { precision });
  const weights = allocateWeights(gpu, model, headPrecision);
  if (weights.embedding.format === 'int8') {
    (await Int8RowWriter.create(gpu, weights.embedding)).free();
    await requestPlanes(gpu, capabilities, model.config);
  }
  const pinned: Partial<Variants>[] = Object.entries(
    candidates(capabilities, model.config, activations),
  ).flatMap(([kernel, list]) => (list as readonly unknown[]).map((variant) => ({ [kernel]: variant })));
  for (const cacheFormat of CACHE_FORMATS) {
    for (const variants of pinned) {
      const transformer = await Transformer.create(gpu, model.config, weights, {
        contextLength: CONTEXT,
        exactHead: precision === 'exact',
        variants: { ...variants, cacheFormat },
        tuner: { unchecked: true },
        activations,
      });
      await requestAll(gpu, transformer);
    }
  }
  return gpu.specs;
}

/** The other form of such a matrix. */
async function requestPlanes(
  gpu: GpuContext,
  capabilities: Capabilities,
  { vocabularySize, width }: ModelConfig,
): Promise<void> {
  const matrix = createPlaneMatrix(gpu, 'planes', vocabularySize, width, 'head');
  (await Int8RowWriter.create(gpu, matrix)).free();
  const buffer = gpu.createBuffer('buffer', 1024);
  const q = { padded: Math.ceil(width / 64) * 64, values: buffer, scales: buffer };
  await embed(gpu, matrix, buffer, buffer);
  for (const threads of normThreadsCandidates(capabilities)) {
    const shape = { cols: width, eps: 1e-5, threads, packing: 'bytes', bound: buffer } as const;
    await rmsNormQuantize(gpu, 'norm', shape, buffer, buffer, q, buffer);
  }
  for (const variant of headCandidates(capabilities)) await lmHeadPlanes(gpu, variant, matrix, q, buffer);
  await exactLmHeadPlanes(gpu, matrix, buffer, buffer);
}

/** What a transformer compiles only when it is wanted. */
async function requestAll(gpu: GpuContext, transformer: Transformer): Promise<void> {
  const { config, variants } = transformer;
  const cache = await KvCache.create(gpu, config, CONTEXT, variants.cacheFormat);
  await transformer.forwardPass(cache);
  await transformer.encodeLogits(gpu.device.createCommandEncoder());
  for (const penalties of [false, true])
    for (const random of [false, true]) {
      await transformer.sampler({ penalties, random, masked: false });
      // Not by the transformer, which would check the answers of a device that gives none.
      const masks = { ...transformer.work, mask: gpu.createBuffer('mask', config.vocabularySize) };
      const mode = { penalties, random, masked: true };
      await sample(gpu, config.vocabularySize, variants.sampleThreads, mode, masks);
    }
  const buffer = (label: string): GPUBuffer => gpu.createBuffer(label, config.vocabularySize * 4);
  const sampling = { logits: buffer('logits'), ids: buffer('ids') };
  const buffers = createLogprobBuffers(gpu, config.vocabularySize, sampling);
  await logprobs(gpu, config.vocabularySize, variants.sampleThreads, MOST_LOGPROBS, buffers);
  await transformer.compile();
}
