// Reads config.json of a Hugging Face model as the metadata that a converter to GGUF would write, so that one function
// makes the config of both; and refuses by name what would not run.

import { TernionError } from '../errors';
import { Metadata, type MetadataValue } from '../formats/metadata';

/** A parsed JSON object. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** What config.json says beside what GGUF metadata can. */
export interface HfConfig {
  /** Under the keys of GGUF, for example `bitnet-b1.58.embedding_length`. */
  metadata: Metadata;
  /** Whether the LM head is the embedding; undefined where the file does not say. */
  tied: boolean | undefined;
  /** Whether scales divide ("bitlinear") and do not multiply ("autobitlinear"). */
  scalesDivide: boolean;
  /** What divides each RoPE frequency, [rotary / 2], where the model has Llama 3's scaling. */
  ropeFactors: Float32Array<ArrayBuffer> | undefined;
  /** `eos_token_id`: one id or several. */
  endIds: unknown;
}

/** `model_type` as `general.architecture` has it. Only the BitNet of the 2B4T report is a `bitnet` of transformers. */
const ARCHITECTURE_NAMES: ReadonlyMap<string, string> = new Map([['bitnet', 'bitnet-b1.58']]);

/**
 * Reads config.json. Throws `corrupt-file` for missing or impossible entries, `unsupported-feature` for anything that
 * would change the computation: a quantisation method, a RoPE scaling, biases, a sliding window.
 */
export function readHfConfig(config: JsonObject): HfConfig {
  const reader = new Reader('config.json', config);
  const modelType = reader.string('model_type');
  const architecture = ARCHITECTURE_NAMES.get(modelType) ?? modelType;
  refuseUnsupported(reader);
  // Its scales and factors have other names there. Packed models of it are not known.
  if (modelType === 'minicpm')
    throw unsupported("safetensors of the model_type 'minicpm' (load a GGUF file)");
  const scalesDivide = readQuantization(reader);
  const width = reader.number('hidden_size');
  const heads = reader.number('num_attention_heads');
  const headDim = reader.optionalNumber('head_dim') ?? width / heads;
  const rope = readRope(reader, headDim);
  const values: Record<string, MetadataValue | undefined> = {
    context_length: reader.number('max_position_embeddings'),
    embedding_length: width,
    block_count: reader.number('num_hidden_layers'),
    feed_forward_length: reader.number('intermediate_size'),
    hidden_activation: activationName(reader.optionalString('hidden_act')),
    expert_count: reader.optionalNumber('num_local_experts') ?? reader.optionalNumber('num_experts'),
    'attention.head_count': heads,
    'attention.head_count_kv': reader.optionalNumber('num_key_value_heads'),
    'attention.key_length': headDim,
    'attention.value_length': headDim,
    // A float32 in GGUF.
    'attention.layer_norm_rms_epsilon': Math.fround(reader.number('rms_norm_eps')),
    'rope.dimension_count': rope.rotary,
    'rope.freq_base': rope.theta,
    ...rope.scaling,
  };
  return {
    metadata: new Metadata(withPrefix(architecture, values)),
    tied: reader.optionalBoolean('tie_word_embeddings'),
    scalesDivide,
    ropeFactors: rope.factors,
    endIds: config['eos_token_id'],
  };
}

function withPrefix(
  architecture: string,
  values: Record<string, MetadataValue | undefined>,
): Map<string, MetadataValue> {
  const metadata = new Map<string, MetadataValue>([['general.architecture', architecture]]);
  for (const [key, value] of Object.entries(values)) {
    if (value !== undefined) metadata.set(`${architecture}.${key}`, value);
  }
  return metadata;
}

/** transformers has two names for the same function. */
function activationName(name: string | undefined): string | undefined {
  return name === 'swish' ? 'silu' : name;
}

function refuseUnsupported(reader: Reader): void {
  for (const key of ['attention_bias', 'mlp_bias', 'use_sliding_window']) {
    if (reader.optionalBoolean(key)) throw unsupported(`${key} in config.json`);
  }
}

/**
 * Whether scales divide, as the defaults of transformers (`BitNetQuantConfig`) have it. A model that is to be quantised
 * while it is loaded has no ternary weights yet.
 */
function readQuantization(reader: Reader): boolean {
  refuseMlx(reader.optionalObject('quantization'));
  const quantization = reader.optionalObject('quantization_config');
  if (!quantization) {
    throw unsupported('a model without quantization_config in config.json: its weights are not packed');
  }
  const method = quantization.string('quant_method');
  if (method !== 'bitnet') throw unsupported(`the quantization method '${method}'`);
  const mode = quantization.optionalString('quantization_mode') ?? 'offline';
  const linearClass = quantization.optionalString('linear_class') ?? 'bitlinear';
  if (linearClass !== 'bitlinear' && linearClass !== 'autobitlinear') {
    throw unsupported(`the linear_class '${linearClass}'`);
  }
  if (mode !== 'offline' && linearClass === 'autobitlinear') {
    throw unsupported(`the quantization_mode '${mode}' (load the packed model instead)`);
  }
  if (quantization.optionalBoolean('use_rms_norm')) throw unsupported('use_rms_norm in quantization_config');
  return linearClass === 'bitlinear';
}

/** MLX packs in a way of its own, and says so under this key (and again under quantization_config). */
function refuseMlx(quantization: Reader | undefined): void {
  const bits = quantization?.optionalNumber('bits');
  if (bits === undefined) return;
  const group = quantization?.optionalNumber('group_size') ?? 64;
  throw unsupported(
    `a folder of MLX (weights of ${bits} bits in groups of ${group}); load the model's GGUF file`,
  );
}

interface Rope {
  rotary: number;
  theta: number | undefined;
  /** `rope.scaling.…` of GGUF; a type that is not supported is left to be refused by its name. */
  scaling: Record<string, MetadataValue | undefined>;
  factors: Float32Array<ArrayBuffer> | undefined;
}

/** `rope_theta` and `rope_scaling`; transformers from version 5 on has both in `rope_parameters`. */
function readRope(reader: Reader, headDim: number): Rope {
  const parameters = reader.optionalObject('rope_parameters');
  const scaling = parameters ?? reader.optionalObject('rope_scaling');
  const theta = parameters?.optionalNumber('rope_theta') ?? reader.optionalNumber('rope_theta');
  const partial =
    parameters?.optionalNumber('partial_rotary_factor') ?? reader.optionalNumber('partial_rotary_factor');
  const rotary = headDim * (partial ?? 1);
  const type = scaling?.optionalString('rope_type') ?? scaling?.optionalString('type') ?? 'default';
  if (type === 'default' || !scaling) return { rotary, theta, scaling: {}, factors: undefined };
  if (type === 'llama3') {
    return { rotary, theta, scaling: {}, factors: llama3Factors(scaling, rotary, theta ?? 10000) };
  }
  return { rotary, theta, scaling: scalingKeys(type, scaling), factors: undefined };
}

/** transformers' names of what GGUF has under `rope.scaling`. */
function scalingKeys(type: string, scaling: Reader): Record<string, MetadataValue | undefined> {
  // In GGUF its factors are tensors, whose names no converter to safetensors has.
  if (type === 'longrope') throw unsupported("RoPE scaling of type 'longrope' in config.json");
  const own = { 'rope.scaling.type': type };
  if (type === 'linear') return { ...own, 'rope.scaling.factor': scaling.number('factor') };
  if (type !== 'yarn') return own;
  if (scaling.optionalBoolean('truncate') === false)
    throw unsupported('RoPE scaling of type yarn without truncate');
  return {
    ...own,
    'rope.scaling.factor': scaling.number('factor'),
    'rope.scaling.original_context_length': scaling.optionalNumber('original_max_position_embeddings'),
    'rope.scaling.attn_factor': yarnAttentionFactor(scaling),
    'rope.scaling.yarn_beta_fast': scaling.optionalNumber('beta_fast'),
    'rope.scaling.yarn_beta_slow': scaling.optionalNumber('beta_slow'),
  };
}

/**
 * What GGUF's magnitude, 1 + 0.1·ln factor, is to be multiplied by: `attention_factor` is the whole of it, and DeepSeek's
 * `mscale` and `mscale_all_dim` are coefficients in place of the 0.1 (`_compute_yarn_parameters` of transformers).
 */
function yarnAttentionFactor(scaling: Reader): number | undefined {
  const growth = (mscale: number): number =>
    1 + 0.1 * mscale * Math.log(Math.max(1, scaling.number('factor')));
  const whole = scaling.optionalNumber('attention_factor');
  if (whole !== undefined) return whole / growth(1);
  const [mscale, allDim] = [scaling.optionalNumber('mscale'), scaling.optionalNumber('mscale_all_dim')];
  return mscale && allDim ? growth(mscale) / growth(allDim) / growth(1) : undefined;
}

/** Dimensions that RoPE can turn: heads have some hundred. A wrong number must not ask for gigabytes of factors. */
const MAX_ROTARY = 1 << 16;

/**
 * Llama 3.1's scaling as factors that divide the frequencies: 1 where the wavelength is short against the context of the
 * first training, `factor` where it is long, and a blend between. Source: `generate_extra_tensors` of llama.cpp's
 * converter, which writes them as `rope_freqs.weight`.
 */
function llama3Factors(scaling: Reader, rotary: number, theta: number): Float32Array<ArrayBuffer> {
  const factor = scaling.number('factor');
  const low = scaling.number('low_freq_factor');
  const high = scaling.number('high_freq_factor');
  const context = scaling.optionalNumber('original_max_position_embeddings') ?? 8192;
  const isSound = factor >= 1 && low > 0 && high > low && context > 0 && rotary <= MAX_ROTARY;
  if (!isSound) {
    throw new TernionError('corrupt-file', 'The RoPE scaling in config.json contradicts itself.');
  }
  return Float32Array.from({ length: Math.floor(rotary / 2) }, (_, i) => {
    const wavelength = 2 * Math.PI * theta ** ((2 * i) / rotary);
    if (wavelength < context / high) return 1;
    if (wavelength > context / low) return factor;
    const smooth = (context / wavelength - low) / (high - low);
    return 1 / ((1 - smooth) / factor + smooth);
  });
}

function unsupported(what: string): TernionError {
  return new TernionError('unsupported-feature', `Not supported: ${what}.`);
}

/** Entries of a JSON object by type. `null` counts as not being there, as it does in Python's libraries. */
class Reader {
  constructor(
    private readonly name: string,
    private readonly values: JsonObject,
  ) {}

  string(key: string): string {
    return this.required(key, this.optionalString(key));
  }

  optionalString(key: string): string | undefined {
    return this.typed(key, 'a string', (value) => typeof value === 'string');
  }

  number(key: string): number {
    return this.required(key, this.optionalNumber(key));
  }

  optionalNumber(key: string): number | undefined {
    return this.typed(key, 'a number', (value) => typeof value === 'number');
  }

  optionalBoolean(key: string): boolean | undefined {
    return this.typed(key, 'true or false', (value) => typeof value === 'boolean');
  }

  optionalObject(key: string): Reader | undefined {
    const value = this.typed(key, 'an object', isObject);
    return value && new Reader(`${key} of ${this.name}`, value);
  }

  private typed<T>(key: string, what: string, is: (value: unknown) => value is T): T | undefined {
    const value = Object.hasOwn(this.values, key) ? (this.values[key] ?? undefined) : undefined;
    if (value === undefined || is(value)) return value;
    throw new TernionError('corrupt-file', `The entry ${key} of ${this.name} should be ${what}.`);
  }

  private required<T>(key: string, value: T | undefined): T {
    if (value !== undefined) return value;
    throw new TernionError('corrupt-file', `The entry ${key} of ${this.name} is missing.`);
  }
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
