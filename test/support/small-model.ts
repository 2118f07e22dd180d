// Small random models of any architecture and encoding, as GGUF files and as the numbers that those files hold.
import { ENCODINGS, isTernary, type EncodingName, type TernaryEncoding } from '../../src/formats/encodings';
import { floatPieces } from '../../src/formats/floats';
import { halfToFloat } from '../../src/formats/half';
import { bytesSource } from '../../src/files/byte-source';
import { byteOfCharacter } from '../../src/tokenizer/byte-alphabet';
import {
  bool,
  encodeTernary,
  f32,
  FLOAT_ENCODERS,
  numbers,
  text,
  texts,
  toHalf,
  u32,
  writeGguf,
  type GgufTensor,
  type GgufValue,
} from './gguf-writer';
import { integers, normals } from './reference';

/** What the model is like. Widths are in elements. */
export interface SmallShape {
  architecture: 'bitnet-b1.58' | 'bitnet' | 'llama' | 'minicpm' | 'qwen3';
  width: number;
  ffnWidth: number;
  heads: number;
  kvHeads: number;
  headDim: number;
  /** Of the layers' matrices. */
  encoding: TernaryEncoding;
  /** Blocks of a matrix have different scales; else all have the same. Default false. */
  variedScales?: boolean;
  /** Weights of +2, too, which Q2_0 has a code for. Default false. */
  twos?: boolean;
  layers?: number;
  /** Of the embedding. Default F16. */
  embedding?: EncodingName;
  /** Of a head of its own. Default: that of the embedding. */
  head?: EncodingName;
  norms?: 'F32' | 'F16' | 'BF16';
  /** Without a head of its own. Default false. */
  tied?: boolean;
  /** RoPE frequencies are divided by these, [headDim / 2]. */
  ropeFactors?: Float32Array;
  /** YaRN, with the defaults of llama.cpp. Default: none. */
  yarn?: { factor: number; originalContext: number };
  /** Factors of their own for contexts up to `originalContext` and for longer ones, [headDim / 2]. Default: none. */
  longrope?: { originalContext: number; attentionFactor: number; short: Float32Array; long: Float32Array };
  /** As a file of MiniCPM has them: embeddings and residual branches are multiplied, logits divided. Default: no keys. */
  scales?: { embedding: number; residual: number; logits: number };
  /** A norm of its own before each matrix, behind those of the layer. Default false. */
  perMatrixNorms?: boolean;
  /** Makes embeddings from the last token: without a head, with an eos behind each text. Default false. */
  embeds?: boolean;
  hiddenActivation?: 'relu2' | 'silu';
  contextLength?: number;
  seed?: number;
}

/** Bytes, three control tokens, and fillers that make blocks of 256 whole at any width that is a multiple of 8. */
export const VOCABULARY = 288;
export const THETA = 10000;
export const EPS = 1e-5;

/** A model file and its numbers, by tensor name; matrices row by row. */
export interface SmallModel {
  shape: SmallShape;
  bytes: Uint8Array<ArrayBuffer>;
  weights: ReadonlyMap<string, Float32Array>;
}

interface Encoded {
  tensor: GgufTensor;
  values: Float32Array;
}

/** Makes the model; the same for the same shape. */
export async function smallModel(shape: SmallShape): Promise<SmallModel> {
  const encoded: Encoded[] = [];
  for (const [i, plan] of tensorsOf(shape).entries()) {
    encoded.push(await encode(shape, plan, (shape.seed ?? 1) * 1000 + i));
  }
  const bytes = writeGguf({ metadata: metadataOf(shape), tensors: encoded.map(({ tensor }) => tensor) });
  return { shape, bytes, weights: new Map(encoded.map(({ tensor, values }) => [tensor.name, values])) };
}

interface TensorPlan {
  name: string;
  extents: number[];
  encoding: EncodingName;
  /** How its numbers are drawn, or the numbers. */
  kind: 'norm' | 'table' | 'matrix' | Float32Array;
}

function tensorsOf(shape: SmallShape): TensorPlan[] {
  const { architecture, width, ffnWidth, heads, kvHeads, headDim, layers = 2 } = shape;
  const norm = (name: string, length: number): TensorPlan => ({
    name: `${name}.weight`,
    extents: [length],
    encoding: shape.norms ?? 'F32',
    kind: 'norm',
  });
  const table = (name: string, encoding = shape.embedding ?? 'F16'): TensorPlan => ({
    name: `${name}.weight`,
    extents: [VOCABULARY, width],
    encoding,
    kind: 'table',
  });
  const matrix = (name: string, rows: number, cols: number): TensorPlan => ({
    name: `${name}.weight`,
    extents: [rows, cols],
    encoding: shape.encoding,
    kind: 'matrix',
  });
  const subNorms = architecture.startsWith('bitnet');
  const before = (i: number, part: string, length: number): TensorPlan[] =>
    shape.perMatrixNorms ? [norm(`blk.${i}.${part}_norm_in`, length)] : [];
  const layer = (i: number): TensorPlan[] => [
    norm(`blk.${i}.attn_norm`, width),
    matrix(`blk.${i}.attn_q`, heads * headDim, width),
    matrix(`blk.${i}.attn_k`, kvHeads * headDim, width),
    matrix(`blk.${i}.attn_v`, kvHeads * headDim, width),
    ...(architecture === 'qwen3' ? ['q', 'k'].map((x) => norm(`blk.${i}.attn_${x}_norm`, headDim)) : []),
    ...(subNorms ? [norm(`blk.${i}.attn_sub_norm`, heads * headDim)] : []),
    matrix(`blk.${i}.attn_output`, width, heads * headDim),
    norm(`blk.${i}.ffn_norm`, width),
    matrix(`blk.${i}.ffn_gate`, ffnWidth, width),
    matrix(`blk.${i}.ffn_up`, ffnWidth, width),
    ...(subNorms ? [norm(`blk.${i}.ffn_sub_norm`, ffnWidth)] : []),
    matrix(`blk.${i}.ffn_down`, width, ffnWidth),
    ...['attn_q', 'attn_k', 'attn_v', 'ffn_gate', 'ffn_up'].flatMap((part) => before(i, part, width)),
    ...before(i, 'attn_output', heads * headDim),
    ...before(i, 'ffn_down', ffnWidth),
  ];
  return [
    table('token_embd'),
    ...Array.from({ length: layers }, (_, i) => layer(i)).flat(),
    norm('output_norm', width),
    ...(shape.tied || shape.embeds || subNorms ? [] : [table('output', shape.head)]),
    ...factorsOf(shape).map(([name, values]): TensorPlan => {
      return { name: `${name}.weight`, extents: [values.length], encoding: 'F32', kind: values };
    }),
  ];
}

/** The lists that divide RoPE's frequencies. */
function factorsOf({ ropeFactors, longrope }: SmallShape): [string, Float32Array][] {
  if (longrope) {
    return [
      ['rope_factors_long', longrope.long],
      ['rope_factors_short', longrope.short],
    ];
  }
  return ropeFactors ? [['rope_freqs', ropeFactors]] : [];
}

async function encode(shape: SmallShape, plan: TensorPlan, seed: number): Promise<Encoded> {
  const { name, extents, encoding, kind } = plan;
  const count = extents.reduce((product, extent) => product * extent, 1);
  const bytes = isTernary(encoding)
    ? ternaryBytes(shape, encoding, extents, seed)
    : FLOAT_ENCODERS[encoding](numbersOf(kind, count, seed));
  const tensor: GgufTensor = { name, shape: extents, type: encoding, bytes };
  const values = new Float32Array(count);
  const info = { name, shape: extents, encoding, offset: 0 };
  for await (const piece of floatPieces(bytesSource(bytes), info, 'f32')) {
    values.set(piece.values, piece.firstElement);
  }
  return { tensor, values };
}

function numbersOf(kind: TensorPlan['kind'], count: number, seed: number) {
  if (typeof kind === 'object') return kind;
  return kind === 'norm' ? normals(count, seed, 0.1).map((value) => 1 + value) : normals(count, seed);
}

/** Half of the weights are zero, so that the scale √(2/cols) keeps the variance of the input. */
function ternaryBytes(
  { variedScales, twos }: SmallShape,
  encoding: TernaryEncoding,
  extents: readonly number[],
  seed: number,
): Uint8Array<ArrayBuffer> {
  const count = extents.reduce((product, extent) => product * extent, 1);
  const codes = integers(count, seed, 0, 3).map((code) => (code === 3 && !twos ? 1 : code));
  const scale = halfToFloat(toHalf(Math.sqrt(2 / extents.at(-1)!)));
  if (!variedScales) return encodeTernary(encoding, codes, scale);
  const blocks = count / ENCODINGS[encoding].blockElements;
  return encodeTernary(
    encoding,
    codes,
    normals(blocks, seed + 1, 0.3).map((value) => scale * Math.exp(value)),
  );
}

function metadataOf(shape: SmallShape): [string, GgufValue][] {
  const { architecture, headDim, layers = 2 } = shape;
  const own: [string, GgufValue][] = [
    ['block_count', u32(layers)],
    ['context_length', u32(shape.contextLength ?? 128)],
    ['embedding_length', u32(shape.width)],
    ['feed_forward_length', u32(shape.ffnWidth)],
    ['attention.head_count', u32(shape.heads)],
    ['attention.head_count_kv', u32(shape.kvHeads)],
    ['attention.key_length', u32(headDim)],
    ['attention.value_length', u32(headDim)],
    ['attention.layer_norm_rms_epsilon', f32(EPS)],
    ['rope.dimension_count', u32(headDim)],
    ['rope.freq_base', f32(THETA)],
  ];
  if (shape.yarn) {
    own.push(['rope.scaling.type', text('yarn')]);
    own.push(['rope.scaling.factor', f32(shape.yarn.factor)]);
    own.push(['rope.scaling.original_context_length', u32(shape.yarn.originalContext)]);
  }
  if (shape.longrope) {
    own.push(['rope.scaling.type', text('longrope')]);
    own.push(['rope.scaling.attn_factor', f32(shape.longrope.attentionFactor)]);
    own.push(['rope.scaling.original_context_length', u32(shape.longrope.originalContext)]);
  }
  if (shape.scales) {
    own.push(['embedding_scale', f32(shape.scales.embedding)]);
    own.push(['residual_scale', f32(shape.scales.residual)]);
    own.push(['logit_scale', f32(shape.scales.logits)]);
  }
  if (shape.embeds) own.push(['pooling_type', u32(3)]);
  if (shape.hiddenActivation) own.push(['hidden_activation', text(shape.hiddenActivation)]);
  const tokens = [...byteOfCharacter().keys(), '<|begin|>', '<|end|>', '<|turn|>'];
  while (tokens.length < VOCABULARY) tokens.push(`<extra_${tokens.length}>`);
  return [
    ['general.architecture', text(architecture)],
    ['general.name', text('small')],
    ...own.map(([key, value]): [string, GgufValue] => [`${architecture}.${key}`, value]),
    ['tokenizer.ggml.model', text('gpt2')],
    ['tokenizer.ggml.pre', text('llama-bpe')],
    ['tokenizer.ggml.tokens', texts(tokens)],
    [
      'tokenizer.ggml.token_type',
      numbers(
        'i32',
        tokens.map((_, id) => (id >= 256 && id < 259 ? 3 : 1)),
      ),
    ],
    ['tokenizer.ggml.merges', texts([])],
    ['tokenizer.ggml.bos_token_id', u32(256)],
    ['tokenizer.ggml.eos_token_id', u32(257)],
    ['tokenizer.ggml.add_eos_token', bool(shape.embeds ?? false)],
  ];
}
