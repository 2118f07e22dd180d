// A packed ternary model as Hugging Face's libraries save it: safetensors, one or several, and JSON files beside them.

import { TernionError } from '../errors';
import { parseJson } from '../formats/json';
import {
  parseSafetensors,
  parseSafetensorsIndex,
  type SafetensorsDtype,
  type SafetensorsTensor,
} from '../formats/safetensors';
import { tokenizerSpecFromJson, type TokenizerSpec } from '../tokenizer';
import { bytesSource, type ByteSource } from '../files/byte-source';
import type { ModelFiles } from '../files/model-files';
import { configFromMetadata, type Architecture, type ModelConfig } from './config';
import { readHfConfig, type HfConfig, type JsonObject } from './hf-config';
import type { ModelFile, ModelTensor, PlainTensor, WeightScale } from './model-file';
import { refuseNotYet } from './not-yet';

/**
 * Reads the headers of a packed Hugging Face model. Beside the weights there must be config.json and tokenizer.json;
 * tokenizer_config.json, generation_config.json and chat_template.jinja are read where they are.
 *
 * Rejects with `corrupt-file` (naming a file that is missing), or by the name of whatever is not supported.
 */
export async function openSafetensors(
  files: ModelFiles,
  architectures: readonly Architecture[],
  signal?: AbortSignal,
): Promise<ModelFile> {
  const side = new SideFiles(files, signal);
  const hf = readHfConfig(await side.json('config.json'));
  // The architecture first: tensors of one that is not known have names that say less.
  const adjustments: string[] = [];
  const base = configFromMetadata(hf.metadata, architectures, 0, adjustments);
  refuseNotYet(base);
  const { tensors, sources } = await readTensors(files, side, hf, signal);
  const config = withTensors(base, hf, tensors);
  if (config.tiedHead) tensors.delete('output.weight');
  const tokenizer = await readTokenizer(side, hf, config.vocabularySize);
  adjustments.push(...tokenizer.adjustments);
  return { format: 'safetensors', version: undefined, config, tensors, sources, tokenizer, adjustments };
}

function withTensors(
  base: ModelConfig,
  hf: HfConfig,
  tensors: ReadonlyMap<string, ModelTensor>,
): ModelConfig {
  const hasHead = tensors.has('output.weight');
  if (hf.tied === false && !hasHead) {
    throw new TernionError('corrupt-file', 'The tensor lm_head.weight is missing.');
  }
  return {
    ...base,
    vocabularySize: tensors.get('token_embd.weight')?.shape[0] ?? 0,
    tiedHead: hf.tied ?? !hasHead,
    // Converters to GGUF reorder the rows of q and k for architectures with "normal" pairs; here they are as trained.
    ropePairs: 'neox',
  };
}

async function readTokenizer(side: SideFiles, hf: HfConfig, vocabularySize: number): Promise<TokenizerSpec> {
  const tokenizer = await side.json('tokenizer.json');
  const config: Record<string, unknown> = { ...(await side.optionalJson('tokenizer_config.json')) };
  // Newer versions save the template as a file of its own.
  config['chat_template'] ??= await side.optionalText('chat_template.jinja');
  const generation = await side.optionalJson('generation_config.json');
  const ends = [generation?.['eos_token_id'], hf.endIds].flat().filter((id) => typeof id === 'number');
  return tokenizerSpecFromJson(tokenizer, config, {
    generationConfig: { eos_token_id: ends },
    vocabularySize,
  });
}

interface Tensors {
  tensors: Map<string, ModelTensor>;
  sources: ByteSource[];
}

async function readTensors(
  files: ModelFiles,
  side: SideFiles,
  hf: HfConfig,
  signal?: AbortSignal,
): Promise<Tensors> {
  const weights = await findWeights(files, side);
  const sources: ByteSource[] = [];
  const found = new Map<string, HfTensor>();
  for (const [file, { name, bytes, expected }] of weights.entries()) {
    sources.push(bytes);
    const own = await parseSafetensors(bytes, signal);
    for (const [tensorName, tensor] of own) {
      if (found.has(tensorName)) throw corrupt(`tensor '${tensorName}' is in two files of the model`);
      found.set(tensorName, { ...tensor, file });
    }
    const missing = expected.find((tensorName) => !own.has(tensorName));
    if (missing !== undefined) throw corrupt(`the file ${name} should have the tensor '${missing}'`);
  }
  const tensors = canonicalTensors(found, hf.scalesDivide);
  if (hf.ropeFactors) {
    tensors.set('rope_freqs.weight', ropeFactorTensor(hf.ropeFactors, sources.length));
    sources.push(bytesSource(new Uint8Array(hf.ropeFactors.buffer)));
  }
  return { tensors, sources };
}

/** In GGUF the factors are a tensor of the file; here a file is made for them. */
function ropeFactorTensor(factors: Float32Array, file: number): PlainTensor {
  return {
    name: 'rope_freqs.weight',
    shape: [factors.length],
    encoding: 'F32',
    offset: 0,
    byteLength: factors.byteLength,
    file,
  };
}

/** A file of weights and the tensors that the index, if there is one, says are in it. */
interface WeightFile {
  name: string;
  bytes: ByteSource;
  expected: readonly string[];
}

const SINGLE = 'model.safetensors';
const INDEX = 'model.safetensors.index.json';

async function findWeights({ main }: ModelFiles, side: SideFiles): Promise<WeightFile[]> {
  const shard = /^(.*)-\d{5}-of-\d{5}\.safetensors$/.exec(main.name);
  if (shard) return readIndex(`${shard[1]!}.safetensors.index.json`, side);
  if (main.name.endsWith('.index.json')) return readIndex(main.name, side);
  if (!main.name.endsWith('.json')) return [{ name: main.name, bytes: main.bytes, expected: [] }];
  const single = await side.open(SINGLE);
  if (single) return [{ name: SINGLE, bytes: single, expected: [] }];
  if (await side.open(INDEX)) return readIndex(INDEX, side);
  throw missingFile(`${SINGLE} (or ${INDEX})`);
}

async function readIndex(name: string, side: SideFiles): Promise<WeightFile[]> {
  const { files, fileOf } = parseSafetensorsIndex(await side.text(name));
  const expected = files.map((): string[] => []);
  for (const [tensor, file] of fileOf) expected[file]!.push(tensor);
  const weights: WeightFile[] = [];
  for (const [index, file] of files.entries()) {
    const bytes = await side.open(file);
    if (!bytes) throw missingFile(file);
    weights.push({ name: file, bytes, expected: expected[index]! });
  }
  return weights;
}

/** A tensor of one of the files. */
interface HfTensor extends SafetensorsTensor {
  file: number;
}

/** The tensors under their GGUF names. Every one of them must have a use, or the result would not be the model's. */
function canonicalTensors(
  found: ReadonlyMap<string, HfTensor>,
  scalesDivide: boolean,
): Map<string, ModelTensor> {
  const tensors = new Map<string, ModelTensor>();
  for (const [name, tensor] of found) {
    if (isScaleOf(name, found) || name.endsWith('rotary_emb.inv_freq')) continue;
    const canonical = canonicalName(name);
    tensors.set(canonical, canonicalTensor(canonical, tensor, found, scalesDivide));
  }
  return tensors;
}

function isScaleOf(name: string, found: ReadonlyMap<string, unknown>): boolean {
  return name.endsWith('.weight_scale') && found.has(name.slice(0, -'_scale'.length));
}

const LAYER_NAMES: ReadonlyMap<string, string> = new Map([
  ['input_layernorm', 'attn_norm'],
  ['self_attn.q_proj', 'attn_q'],
  ['self_attn.k_proj', 'attn_k'],
  ['self_attn.v_proj', 'attn_v'],
  ['self_attn.o_proj', 'attn_output'],
  ['self_attn.q_norm', 'attn_q_norm'],
  ['self_attn.k_norm', 'attn_k_norm'],
  ['self_attn.attn_sub_norm', 'attn_sub_norm'],
  ['post_attention_layernorm', 'ffn_norm'],
  ['mlp.gate_proj', 'ffn_gate'],
  ['mlp.up_proj', 'ffn_up'],
  ['mlp.down_proj', 'ffn_down'],
  ['mlp.ffn_sub_norm', 'ffn_sub_norm'],
]);

const OTHER_NAMES: ReadonlyMap<string, string> = new Map([
  ['model.embed_tokens.weight', 'token_embd.weight'],
  ['model.norm.weight', 'output_norm.weight'],
  ['lm_head.weight', 'output.weight'],
]);

function canonicalName(name: string): string {
  const [, layer, part] = /^model\.layers\.(\d+)\.(.+)\.weight$/.exec(name) ?? [];
  const known = part === undefined ? OTHER_NAMES.get(name) : LAYER_NAMES.get(part);
  if (known === undefined) {
    throw new TernionError(
      'unsupported-feature',
      `The tensor ${name} is not supported: no model here has one.`,
    );
  }
  return layer === undefined ? known : `blk.${layer}.${known}.weight`;
}

const FLOAT_DTYPES: readonly SafetensorsDtype[] = ['F32', 'F16', 'BF16'];

function canonicalTensor(
  name: string,
  tensor: HfTensor,
  found: ReadonlyMap<string, HfTensor>,
  scalesDivide: boolean,
): ModelTensor {
  const { dtype, shape, offset, byteLength, file } = tensor;
  if (dtype !== 'U8') return plainTensor(name, tensor);
  const [quarter, cols] = shape;
  if (shape.length !== 2 || !quarter || !cols) {
    throw corrupt(`the packed tensor '${tensor.name}' has shape [${shape.join(', ')}], no matrix`);
  }
  const scale = scaleOf(tensor, found, scalesDivide);
  return { name, shape: [quarter * 4, cols], encoding: 'PACKED', offset, byteLength, file, scale };
}

function plainTensor(
  name: string,
  { name: hfName, dtype, shape, offset, byteLength, file }: HfTensor,
): PlainTensor {
  if (!FLOAT_DTYPES.includes(dtype)) {
    throw new TernionError(
      'unsupported-tensor-type',
      `Tensor '${hfName}' has type ${dtype}, which cannot be read. Readable types: ${FLOAT_DTYPES.join(', ')}, U8.`,
    );
  }
  return { name, shape, encoding: dtype as 'F32' | 'F16' | 'BF16', offset, byteLength, file };
}

function scaleOf({ name }: HfTensor, found: ReadonlyMap<string, HfTensor>, divides: boolean): WeightScale {
  const scale = found.get(`${name}_scale`);
  if (!scale) throw corrupt(`the packed tensor '${name}' has no weight_scale`);
  const elements = scale.shape.reduce((product, extent) => product * extent, 1);
  if (elements !== 1) throw unsupportedScale(scale);
  return { tensor: plainTensor(scale.name, scale), divides };
}

function unsupportedScale({ name, shape }: HfTensor): TernionError {
  return new TernionError(
    'unsupported-feature',
    `The scale ${name} has shape [${shape.join(', ')}]; only one scale for a matrix is supported.`,
  );
}

function corrupt(what: string): TernionError {
  return new TernionError('corrupt-file', `The model is damaged: ${what}.`);
}

function missingFile(name: string): TernionError {
  const message = `The file ${name} is missing. It belongs beside the model's other files: load them together.`;
  return new TernionError('corrupt-file', message);
}

/** tokenizer.json of a vocabulary of 262,144 has some 35 MB. The limit bounds what a wrong file can make us read. */
const MAX_SIDE_FILE = 128 << 20;

/** The small files beside the weights, and the weights by name. */
class SideFiles {
  constructor(
    private readonly files: ModelFiles,
    private readonly signal: AbortSignal | undefined,
  ) {}

  open(name: string): Promise<ByteSource | undefined> {
    const { main } = this.files;
    return name === main.name ? Promise.resolve(main.bytes) : this.files.sibling(name, this.signal);
  }

  async json(name: string): Promise<JsonObject> {
    return parseObject(name, await this.text(name));
  }

  async optionalJson(name: string): Promise<JsonObject | undefined> {
    const text = await this.optionalText(name);
    return text === undefined ? undefined : parseObject(name, text);
  }

  async text(name: string): Promise<string> {
    const text = await this.optionalText(name);
    if (text === undefined) throw missingFile(name);
    return text;
  }

  async optionalText(name: string): Promise<string | undefined> {
    const bytes = await this.open(name);
    if (!bytes) return undefined;
    if (bytes.size > MAX_SIDE_FILE) throw corrupt(`${name} has ${bytes.size} bytes`);
    return new TextDecoder().decode(await bytes.read(0, bytes.size, { signal: this.signal }));
  }
}

function parseObject(name: string, text: string): JsonObject {
  const value = parseJson(text, `The file ${name}`);
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonObject;
  throw corrupt(`${name} is no JSON object`);
}
