// What a model is, as data: the numbers of its file and the traits of its architecture.

import { TernionError } from '../errors';
import type { TernaryEncoding } from '../formats/encodings';
import type { RopePairs } from '../kernels/rope';
import type { MetadataReader } from './metadata-reader';
import { readRopeScaling, type RopeScaling } from './rope-frequencies';

/** What all models of an architecture have in common. Adding a family is one more of these. */
export interface Architecture {
  /** Values of `general.architecture` that mean this one. */
  names: readonly string[];
  /** Which dimensions RoPE turns together. */
  ropePairs: RopePairs;
  /** relu(gate)² · up, or silu(gate) · up; `hidden_activation` of the file overrides it. */
  activation: Activation;
  /** RMSNorms before attn_output (attn_sub_norm) and before ffn_down (ffn_sub_norm). */
  subNorms: boolean;
  /** RMSNorms over each head of queries and keys before RoPE. */
  headNorms: boolean;
  /** The LM head is always the embedding, even if the file has an output.weight. */
  tiedHead: boolean;
  /**
   * Encodings of files whose models have ternary weights but were trained with unrounded activations. With others
   * activations are int8, one scale a token, as in training.
   */
  weightOnly: readonly TernaryEncoding[];
  /** What scales are where the file does not say. Without this, all are 1 and no key is read. */
  defaultScales?: (sizes: { layers: number; width: number }) => ModelScales;
  /** Other models that go by the same name, and how to tell them. */
  namesakes?: readonly Namesake[];
}

/** Constants that multiply embeddings, and each residual branch before it is added; logits are multiplied, too. */
export interface ModelScales {
  embedding: number;
  residual: number;
  logits: number;
}

/** How an embedding model makes one vector of a text: from the final norm's output at some token. */
export type Pooling = 'none' | 'mean' | 'cls' | 'last' | 'rank';

/** A model that converters give the name of another architecture. Told by its vocabulary, which no other model has. */
export interface Namesake {
  /** `tokenizer.ggml.model`. */
  tokenizer: 'llama' | 'gpt2';
  vocabularySize: number;
  /** What differs from the architecture that the file names. */
  traits: Partial<Pick<Architecture, 'activation'>>;
  /** The decision in words. */
  adjustment: string;
}

export type Activation = 'relu2' | 'silu';

/** Everything that shapes the computation of one model. Widths are in elements. */
export interface ModelConfig extends Omit<Architecture, 'namesakes' | 'defaultScales'> {
  /** `general.architecture`. */
  architecture: string;
  name: string;
  layers: number;
  width: number;
  ffnWidth: number;
  heads: number;
  kvHeads: number;
  headDim: number;
  /** Dimensions of a head that RoPE turns. */
  rotary: number;
  ropeTheta: number;
  ropeScaling: RopeScaling;
  scales: ModelScales;
  /**
   * An RMSNorm of its own before each of the seven matrices of a layer, on that matrix's input (`…_norm_in.weight`), behind
   * the norms that layers have anyway.
   */
  perMatrixNorms: boolean;
  /** `none` for models that generate. */
  pooling: Pooling;
  /** Added to the mean square in RMSNorm. */
  eps: number;
  /** Positions that the model was made for. */
  contextLength: number;
  vocabularySize: number;
}

/**
 * The config that `metadata` describes. `vocabularySize` is that of the embedding. What is decided against the file's
 * word is added to `adjustments`.
 */
export function configFromMetadata(
  metadata: MetadataReader,
  architectures: readonly Architecture[],
  vocabularySize: number,
  adjustments: string[] = [],
): ModelConfig {
  const architecture = metadata.getString('general.architecture');
  const family = architectures.find(({ names }) => names.includes(architecture));
  if (!family) {
    const known = architectures.flatMap(({ names }) => names).join(', ');
    const message = `The architecture '${architecture}' is not supported. Supported: ${known}.`;
    throw new TernionError('unsupported-architecture', message);
  }
  const key = (name: string): string => `${architecture}.${name}`;
  refuseUnsupported(metadata, key);
  const width = metadata.getInteger(key('embedding_length'));
  const heads = metadata.getInteger(key('attention.head_count'));
  const headDim = metadata.optionalInteger(key('attention.key_length')) ?? width / heads;
  const valueLength = metadata.optionalInteger(key('attention.value_length')) ?? headDim;
  if (valueLength !== headDim) {
    const message = `Heads with keys of ${headDim} and values of ${valueLength} dimensions are not supported.`;
    throw new TernionError('unsupported-feature', message);
  }
  const traits = traitsOf(family, metadata, vocabularySize, adjustments);
  const contextLength = metadata.getInteger(key('context_length'));
  const layers = metadata.getInteger(key('block_count'));
  const config: ModelConfig = {
    ...traits,
    architecture,
    name: metadata.optionalString('general.name') ?? architecture,
    layers,
    width,
    ffnWidth: metadata.getInteger(key('feed_forward_length')),
    heads,
    kvHeads: metadata.optionalInteger(key('attention.head_count_kv')) ?? heads,
    headDim,
    rotary: metadata.optionalInteger(key('rope.dimension_count')) ?? headDim,
    ropeTheta: metadata.optionalNumber(key('rope.freq_base')) ?? 10000,
    ropeScaling: readRopeScaling(metadata, key, contextLength),
    scales: readScales(metadata, key, family.defaultScales?.({ layers, width })),
    perMatrixNorms: false,
    pooling: readPooling(metadata, key),
    eps: metadata.getNumber(key('attention.layer_norm_rms_epsilon')),
    contextLength,
    vocabularySize,
  };
  checkConfig(config);
  return config;
}

/** What the family, or the namesake that the model turns out to be, has in common. */
function traitsOf(
  family: Architecture,
  metadata: MetadataReader,
  vocabularySize: number,
  adjustments: string[],
): Omit<Architecture, 'namesakes' | 'defaultScales'> {
  const { namesakes = [], names, ropePairs, subNorms, headNorms, tiedHead, weightOnly } = family;
  const traits = {
    names,
    ropePairs,
    activation: family.activation,
    subNorms,
    headNorms,
    tiedHead,
    weightOnly,
  };
  const named = metadata.optionalString(`${metadata.getString('general.architecture')}.hidden_activation`);
  if (named !== undefined) return { ...traits, activation: activation(named, traits.activation) };
  const tokenizer = metadata.optionalString('tokenizer.ggml.model');
  const namesake = namesakes.find(
    (each) => each.tokenizer === tokenizer && each.vocabularySize === vocabularySize,
  );
  if (!namesake) return traits;
  adjustments.push(namesake.adjustment);
  return { ...traits, ...namesake.traits };
}

/** `logit_scale` divides: here it is turned over, so that all three multiply. */
function readScales(
  metadata: MetadataReader,
  key: (name: string) => string,
  defaults: ModelScales | undefined,
): ModelScales {
  if (!defaults) return { embedding: 1, residual: 1, logits: 1 };
  const number = (name: string): number | undefined => metadata.optionalNumber(key(name));
  const divisor = number('logit_scale');
  const scales = {
    embedding: number('embedding_scale') ?? defaults.embedding,
    residual: number('residual_scale') ?? defaults.residual,
    logits: divisor === undefined ? defaults.logits : 1 / divisor,
  };
  for (const [name, value] of Object.entries(scales)) {
    if (value > 0 && Number.isFinite(value)) continue;
    throw new TernionError('corrupt-file', `The metadata gives ${value} as the scale of ${name}.`);
  }
  return scales;
}

/** `llama_pooling_type` of llama.cpp. */
const POOLINGS: readonly Pooling[] = ['none', 'mean', 'cls', 'last', 'rank'];

function readPooling(metadata: MetadataReader, key: (name: string) => string): Pooling {
  const type = metadata.optionalInteger(key('pooling_type')) ?? 0;
  const pooling = POOLINGS[type];
  if (pooling) return pooling;
  throw new TernionError('unsupported-feature', `Pooling of type ${type} is not supported.`);
}

function activation(named: string | undefined, usual: Activation): Activation {
  if (named === undefined) return usual;
  if (named === 'relu2' || named === 'silu') return named;
  throw new TernionError(
    'unsupported-feature',
    `The activation '${named}' is not supported (relu2 and silu are).`,
  );
}

function refuseUnsupported(metadata: MetadataReader, key: (name: string) => string): void {
  if ((metadata.optionalInteger(key('expert_count')) ?? 0) > 0) {
    throw new TernionError('unsupported-feature', 'Mixture-of-experts models are not supported.');
  }
}

/** Refuses numbers that contradict each other, or that no kernel is made for. */
function checkConfig(config: ModelConfig): void {
  const { width, ffnWidth, heads, kvHeads, headDim, rotary, layers, contextLength, eps, ropeTheta } = config;
  const counts = { layers, width, ffnWidth, heads, kvHeads, headDim, rotary, contextLength };
  for (const [name, value] of Object.entries(counts)) {
    if (!Number.isInteger(value) || value < 1 || value > 1 << 24) {
      throw new TernionError('corrupt-file', `The metadata gives ${value} as ${name}.`);
    }
  }
  if (heads % kvHeads !== 0) {
    throw new TernionError('corrupt-file', `${heads} heads cannot share ${kvHeads} KV heads.`);
  }
  if (rotary > headDim)
    throw new TernionError('corrupt-file', `RoPE turns ${rotary} of ${headDim} dimensions.`);
  if (!(eps >= 0 && eps < 1) || !(ropeTheta > 0 && Number.isFinite(ropeTheta))) {
    throw new TernionError('corrupt-file', `The metadata gives eps ${eps} and RoPE theta ${ropeTheta}.`);
  }
  const widths = [width, ffnWidth, heads * headDim, kvHeads * headDim];
  if (headDim % 4 !== 0 || rotary % 4 !== 0 || widths.some((each) => each % 8 !== 0)) {
    const message = `Widths ${widths.join(', ')} need to be multiples of 8, heads of ${headDim} (${rotary} turned) of 4.`;
    throw new TernionError('unsupported-feature', message);
  }
}
