// A random model of a given shape as a GGUF file whose bytes are made when they are read: nothing is stored anywhere.
//
// Weights are -1, 0, 0, +1 with equal probability, scaled so that a matrix keeps the variance of a normalised input;
// embeddings are uniform in ±[2^-7, 2^-5), or, in blocks of four or six bits, anything within about 2^-5; norm weights lie within 0.1 of 1. Activations then stay of order 1, whatever
// the depth, and logits have a spread of order 1.

import { throwIfAborted } from '../../src/errors';
import { checkRange, type ByteSource, type ReadOptions } from '../../src/files/byte-source';
import { ENCODINGS } from '../../src/formats/encodings';
import { floatBitsToHalf } from '../../src/formats/half';
import { byteOfCharacter } from '../../src/tokenizer/byte-alphabet';
import { tensorBytes, writeHeader, type HeaderTensor, type HeaderValue } from './gguf-header';
import { fillRandom } from './random';
import type { ModelShape } from './shapes';

/** Which random model. */
export interface GenerateOptions {
  /** 32 bits. Default 1. */
  seed?: number;
  /**
   * Writes the file as of this architecture instead of the shape's own: its matrices, with the norms and the head that
   * this architecture has. The activation of the feed-forward stays that of the shape.
   */
  architecture?: string;
}

/** What an architecture's files have beside the matrices that all share. */
interface Traits {
  subNorms: boolean;
  headNorms: boolean;
  activation: 'relu2' | 'silu';
  /** The head is the embedding, whatever the shape says. */
  alwaysTied: boolean;
}

const TRAITS: Readonly<Record<string, Traits>> = {
  'bitnet-b1.58': { subNorms: true, headNorms: false, activation: 'relu2', alwaysTied: true },
  bitnet: { subNorms: true, headNorms: false, activation: 'silu', alwaysTied: true },
  llama: { subNorms: false, headNorms: false, activation: 'silu', alwaysTied: false },
  qwen3: { subNorms: false, headNorms: true, activation: 'silu', alwaysTied: false },
};

interface PlacedTensor extends HeaderTensor {
  /** First byte in the file. */
  offset: number;
  byteLength: number;
}

/** Room for the bytes that are made at once: whole blocks of Q2_0 (18 bytes) and PQ2_0 (34). */
const PAGE = 18 * 17 * 256;

/** Bytes of a tensor that are made at once: whole words, halves and blocks. */
function pageOf({ encoding }: HeaderTensor): number {
  const unit = 2 * ENCODINGS[encoding].blockBytes;
  return Math.floor(PAGE / unit) * unit;
}

/** A generated model file, to be read piece by piece like any other. */
export class GeneratedModel implements ByteSource {
  readonly size: number;
  /** `general.name` of the file. */
  readonly name: string;
  /** `general.architecture` of the file. */
  readonly architecture: string;
  readonly #header: Uint8Array;
  readonly #tensors: readonly PlacedTensor[];
  readonly #seed: number;
  readonly #page = new Int32Array(PAGE / 4);
  readonly #pageBytes = new Uint8Array(this.#page.buffer);

  constructor(name: string, shape: ModelShape, { seed = 1, architecture }: GenerateOptions = {}) {
    this.name = name;
    this.architecture = architecture ?? shape.architecture;
    const tensors = tensorsOf(shape, this.architecture);
    const { header, offsets, size } = writeHeader(metadataOf(name, shape, this.architecture), tensors);
    this.size = size;
    this.#header = header;
    this.#seed = seed;
    this.#tensors = tensors.map((tensor, i) => ({
      ...tensor,
      offset: offsets[i]!,
      byteLength: tensorBytes(tensor),
    }));
  }

  async read(offset: number, length: number, options?: ReadOptions): Promise<Uint8Array<ArrayBuffer>> {
    throwIfAborted(options?.signal);
    checkRange(this.size, offset, length);
    const out = new Uint8Array(length);
    copyOverlap(out, offset, this.#header, 0);
    for (const [index, tensor] of this.#tensors.entries()) {
      if (tensor.offset < offset + length && tensor.offset + tensor.byteLength > offset)
        this.#readTensor(out, offset, tensor, index);
    }
    return out;
  }

  /** Puts what `out`, which begins at `start` of the file, has of a tensor into it. */
  #readTensor(out: Uint8Array, start: number, tensor: PlacedTensor, index: number): void {
    const from = Math.max(0, start - tensor.offset);
    const to = Math.min(tensor.byteLength, start + out.length - tensor.offset);
    const length = pageOf(tensor);
    for (let page = Math.floor(from / length); page * length < to; page++) {
      this.#fillPage(tensor, index, page);
      const bytes = this.#pageBytes.subarray(0, Math.min(length, tensor.byteLength - page * length));
      copyOverlap(out, start, bytes, tensor.offset + page * length);
    }
    if (tensor.encoding === 'I2_S') {
      const trailer = new Uint8Array(32);
      new DataView(trailer.buffer).setFloat32(0, scaleOf(tensor), true);
      copyOverlap(out, start, trailer, tensor.offset + tensor.byteLength - 32);
    }
  }

  #fillPage(tensor: PlacedTensor, index: number, page: number): void {
    fillRandom(this.#page, this.#seed, index, page);
    switch (tensor.encoding) {
      case 'F32':
        return toNorms(this.#page);
      case 'F16':
        return toHalves(this.#page);
      case 'Q2_0':
      case 'PQ2_0':
        toCodes(this.#page);
        return putScales(this.#page, tensor, 0, scaleOf(tensor));
      case 'TQ2_0':
        toCodes(this.#page);
        return putScales(this.#page, tensor, 64, scaleOf(tensor));
      case 'Q4_K':
        // 15 steps of 63 units are 2^-5, and so are 63 minima.
        putScales(this.#page, tensor, 0, 2 ** -5 / (15 * 63));
        return putScales(this.#page, tensor, 2, 2 ** -6 / 63);
      case 'Q6_K':
        // 32 steps of 128 units are 2^-5.
        return putScales(this.#page, tensor, 208, 2 ** -17);
      default:
        return toCodes(this.#page);
    }
  }
}

/** Copies what of `source`, which begins at `sourceStart` of the file, lies in `out`, which begins at `start`. */
function copyOverlap(out: Uint8Array, start: number, source: Uint8Array, sourceStart: number): void {
  const from = Math.max(start, sourceStart);
  const to = Math.min(start + out.length, sourceStart + source.length);
  if (from < to) out.set(source.subarray(from - sourceStart, to - sourceStart), from - start);
}

/** Any bits to codes of two bits: 3 becomes 1, so that 0, 1, 1, 2 are equally likely. */
function toCodes(words: Int32Array): void {
  for (let i = 0; i < words.length; i++) words[i]! &= ~((words[i]! & 0x55555555) << 1);
}

/** Any bits to pairs of halves with the exponents of [2^-7, 2^-6) and [2^-6, 2^-5). */
function toHalves(words: Int32Array): void {
  for (let i = 0; i < words.length; i++) words[i] = (words[i]! & 0x87ff87ff) | 0x20002000;
}

function toNorms(words: Int32Array): void {
  const floats = new Float32Array(words.buffer);
  for (let i = 0; i < words.length; i++) floats[i] = 1 + words[i]! * (0.1 / 2 ** 31);
}

/** The f16 scale at byte `at` of every block. */
function putScales(words: Int32Array, tensor: HeaderTensor, at: number, scale: number): void {
  const halves = new Uint16Array(words.buffer, 0, pageOf(tensor) / 2);
  const bits = floatBitsToHalf(new Int32Array(Float32Array.of(scale).buffer)[0]!);
  for (let i = at / 2; i < halves.length; i += ENCODINGS[tensor.encoding].blockBytes / 2) halves[i] = bits;
}

/** Half of the weights are zero, so this keeps the variance of the input. */
function scaleOf({ shape }: HeaderTensor): number {
  return Math.sqrt(2 / shape.at(-1)!);
}

function tensorsOf(shape: ModelShape, architecture: string): HeaderTensor[] {
  const { width, ffnWidth, heads, kvHeads, headDim, vocabulary, layers, ternary, embedding } = shape;
  const { subNorms, headNorms, alwaysTied } = traitsOf(architecture);
  const norm = (name: string, length: number): HeaderTensor => ({ name, shape: [length], encoding: 'F32' });
  const matrix = (name: string, rows: number, cols: number): HeaderTensor => ({
    name,
    shape: [rows, cols],
    encoding: ternary,
  });
  const layer = (i: number): HeaderTensor[] => {
    const name = (part: string): string => `blk.${i}.${part}.weight`;
    return [
      norm(name('attn_norm'), width),
      ...(subNorms ? [norm(name('attn_sub_norm'), heads * headDim)] : []),
      ...(headNorms ? [norm(name('attn_q_norm'), headDim), norm(name('attn_k_norm'), headDim)] : []),
      matrix(name('attn_q'), heads * headDim, width),
      matrix(name('attn_k'), kvHeads * headDim, width),
      matrix(name('attn_v'), kvHeads * headDim, width),
      matrix(name('attn_output'), width, heads * headDim),
      norm(name('ffn_norm'), width),
      ...(subNorms ? [norm(name('ffn_sub_norm'), ffnWidth)] : []),
      matrix(name('ffn_gate'), ffnWidth, width),
      matrix(name('ffn_up'), ffnWidth, width),
      matrix(name('ffn_down'), width, ffnWidth),
    ];
  };
  const table = (name: string, encoding = embedding): HeaderTensor => {
    return { name, shape: [vocabulary, width], encoding };
  };
  return [
    table('token_embd.weight'),
    norm('output_norm.weight', width),
    ...Array.from({ length: layers }, (_, i) => layer(i)).flat(),
    ...(shape.tied || alwaysTied ? [] : [table('output.weight', shape.head)]),
  ];
}

function traitsOf(architecture: string): Traits {
  const traits = TRAITS[architecture];
  if (traits) return traits;
  throw new RangeError(
    `Models of the architecture '${architecture}' cannot be generated; ${Object.keys(TRAITS).join(', ')} can.`,
  );
}

function metadataOf(name: string, shape: ModelShape, architecture: string): Map<string, HeaderValue> {
  const own = (key: string): string => `${architecture}.${key}`;
  const metadata = new Map<string, HeaderValue>([
    ['general.architecture', { text: architecture }],
    ['general.name', { text: `${name} (random weights)` }],
    [own('block_count'), { integer: shape.layers }],
    [own('context_length'), { integer: shape.contextLength }],
    [own('embedding_length'), { integer: shape.width }],
    [own('feed_forward_length'), { integer: shape.ffnWidth }],
    [own('attention.head_count'), { integer: shape.heads }],
    [own('attention.head_count_kv'), { integer: shape.kvHeads }],
    [own('attention.key_length'), { integer: shape.headDim }],
    [own('attention.value_length'), { integer: shape.headDim }],
    [own('attention.layer_norm_rms_epsilon'), { float: shape.eps }],
    [own('rope.dimension_count'), { integer: shape.headDim }],
    [own('rope.freq_base'), { float: shape.ropeTheta }],
    [own('vocab_size'), { integer: shape.vocabulary }],
  ]);
  const { activation } = traitsOf(shape.architecture);
  if (activation !== traitsOf(architecture).activation)
    metadata.set(own('hidden_activation'), { text: activation });
  for (const [key, value] of tokenizerOf(shape.vocabulary)) metadata.set(`tokenizer.ggml.${key}`, value);
  return metadata;
}

const CONTROL_TOKENS = ['<|begin_of_text|>', '<|end_of_text|>', '<|eot_id|>'];

/** A byte-level BPE without merges: a token for each byte, three control tokens, and others up to `vocabulary`. */
function tokenizerOf(vocabulary: number): [string, HeaderValue][] {
  const bytes = [...byteOfCharacter().keys()];
  const first = bytes.length + CONTROL_TOKENS.length;
  const extra = Array.from({ length: vocabulary - first }, (_, i) => `<extra_${first + i}>`);
  const isControl = (id: number): boolean => id >= bytes.length && id < first;
  return [
    ['model', { text: 'gpt2' }],
    ['pre', { text: 'llama-bpe' }],
    ['tokens', { texts: [...bytes, ...CONTROL_TOKENS, ...extra] }],
    // Types of GGUF: 1 is a normal token, 3 a control token.
    ['token_type', { integers: Array.from({ length: vocabulary }, (_, id) => (isControl(id) ? 3 : 1)) }],
    ['merges', { texts: [] }],
    ['bos_token_id', { integer: bytes.length }],
    ['eos_token_id', { integer: bytes.length + 1 }],
    ['eot_token_id', { integer: bytes.length + 2 }],
    ['add_bos_token', { flag: true }],
  ];
}
