// A model of a real shape as some GPU would run it, on a device that runs nothing: for what can be counted.
import { GeneratedModel } from '../../bench/core/generated-model';
import { SHAPES, type ShapeName } from '../../bench/core/shapes';
import { filesAtHand } from '../../src/files/model-files';
import { BufferLedger, sumByPart } from '../../src/gpu/buffers';
import type { Capabilities, GpuVendor } from '../../src/gpu/capabilities';
import { GpuContext, type Dispatch } from '../../src/gpu/context';
import { KvCache } from '../../src/inference/kv-cache';
import { countStep, countToken, type StepCount } from '../../src/inference/step-count';
import type { Variants } from '../../src/inference/variants';
import { Transformer } from '../../src/inference/transformer';
import { positionBytes } from '../../src/kernels/kv-layout';
import type { MatmulVariant } from '../../src/kernels/ternary-matmul';
import { allocateWeights } from '../../src/model/load';
import type { PrecisionOptions } from '../../src/plan/load-options';
import { choosePrecisions, readModel } from '../../src/plan/read-model';
import { nullDevice } from './null-device';

/** A GPU, as far as kernels look at it. */
export interface CountedDevice {
  vendor: GpuVendor;
  /** Of every subgroup; 0: it has none. */
  lanes: number;
}

/** What a device would run of the model where nothing was measured. */
export interface CountedModel {
  /** Of the last layer of a decode step. */
  layerDispatches: readonly Dispatch[];
  /** What that layer comes to at `position`. */
  layer(position: number): StepCount;
  /** A whole greedy step. */
  token(position: number): Promise<StepCount>;
  /** What a step cannot do without: layers and head. */
  weightBytes: number;
  /** Of a greedy step, from the last norm to the logits. */
  headDispatches: readonly Dispatch[];
  /** How its matrices multiply in decode. */
  decodeMatmul: MatmulVariant;
  /** Keys and values of a position, in all layers. */
  positionBytes: number;
}

const CONTEXT = 1024;

/** Needs `GPUBufferUsage` to be there, whatever it is. */
export async function countedModel(
  { vendor, lanes }: CountedDevice,
  variants: Partial<Variants> = {},
  name: ShapeName = 'bitnet-2b4t',
  precision: PrecisionOptions = {},
): Promise<CountedModel> {
  const shape = SHAPES[name];
  const capabilities: Capabilities = {
    subgroups: lanes > 0,
    subgroupMinSize: lanes,
    subgroupMaxSize: lanes,
    shaderF16: true,
    packedDot: true,
    timestamps: false,
    vendor,
  };
  const gpu = new GpuContext(nullDevice(), capabilities);
  const bytes = new GeneratedModel(name, shape);
  const { model } = await readModel(filesAtHand([{ name: `${name}.gguf`, bytes }]));
  const { activations, headPrecision } = choosePrecisions(model, precision);
  const transformer = await Transformer.create(
    gpu,
    model.config,
    allocateWeights(gpu, model, headPrecision),
    { contextLength: CONTEXT, exactHead: false, variants, tuner: { unchecked: true }, activations },
  );
  const { cacheFormat } = transformer.variants;
  const cache = await KvCache.create(gpu, model.config, CONTEXT, cacheFormat);
  // The device has one buffer for all; a ledger tells them apart.
  const ledger = new BufferLedger(gpu.limits);
  allocateWeights(ledger, model, headPrecision);
  const { layers, head, embedding } = sumByPart(ledger.entries);
  const { decode } = await transformer.forwardPass(cache);
  // Layers are all alike, and stand behind the embedding.
  const layerDispatches = decode.slice(-(decode.length - 1) / shape.layers);
  const perLayer = positionBytes(model.config, cacheFormat);
  return {
    layerDispatches,
    weightBytes: layers + (head || embedding),
    headDispatches: transformer.head('contenders'),
    decodeMatmul: transformer.variants.decodeMatmul,
    positionBytes: shape.layers * (perLayer.keys + perLayer.values + perLayer.scales),
    token: (position) => countToken(transformer, cache, position),
    layer: (position) => countStep(layerDispatches, position),
  };
}
