// What a model is, as data: the numbers of its file and the traits of its architecture.

import { TernionError } from '../errors';
import type { TernaryEncoding } from '../formats/encodings';
import type { RopePairs } from '../kernels/rope';

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
}

export type Activation = 'relu2' | 'silu';

/** Everything that shapes the computation of one model. Widths are in elements. */
export interface ModelConfig extends Architecture {
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
  /** Added to the mean square in RMSNorm. */
  eps: number;
  /** Positions that the model was made for. */
  contextLength: number;
  vocabularySize: number;
}

/** The part of a file's metadata reader that the config needs (`Metadata` of src/formats/gguf.ts). */
export interface MetadataReader {
  getString(key: string): string;
  getInteger(key: string): number;
  getNumber(key: string): number;
  optionalString(key: string): string | undefined;
  optionalInteger(key: string): number | undefined;
  optionalNumber(key: string): number | undefined;
}

/** The config that `metadata` describes. `vocabularySize` is that of the embedding. */
export function configFromMetadata(
  metadata: MetadataReader,
  architectures: readonly Architecture[],
  vocabularySize: number,
): ModelConfig {
  const architecture = metadata.getString('general.architecture');
  const traits = architectures.find(({ names }) => names.includes(architecture));
  if (!traits) {
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
  const config: ModelConfig = {
    ...traits,
    activation: activation(metadata.optionalString(key('hidden_activation')), traits.activation),
    architecture,
    name: metadata.optionalString('general.name') ?? architecture,
    layers: metadata.getInteger(key('block_count')),
    width,
    ffnWidth: metadata.getInteger(key('feed_forward_length')),
    heads,
    kvHeads: metadata.optionalInteger(key('attention.head_count_kv')) ?? heads,
    headDim,
    rotary: metadata.optionalInteger(key('rope.dimension_count')) ?? headDim,
    ropeTheta: metadata.optionalNumber(key('rope.freq_base')) ?? 10000,
    eps: metadata.getNumber(key('attention.layer_norm_rms_epsilon')),
    contextLength: metadata.getInteger(key('context_length')),
    vocabularySize,
  };
  checkConfig(config);
  return config;
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
  const scaling = metadata.optionalString(key('rope.scaling.type')) ?? 'none';
  if (scaling !== 'none') {
    throw new TernionError('unsupported-feature', `RoPE scaling of type '${scaling}' is not supported.`);
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
