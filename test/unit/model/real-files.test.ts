// The files that people have, with the keys, names, types and vocabulary layouts of the published ones and small shapes: each
// is opened, prompted as its makers meant, and ends where their answers end. Templates are of the forms that the models come
// with; what they render to is Jinja2's word, and the ids are those of independent encoders.
import { describe, expect, it } from 'vitest';
import { readModel } from '../../../src/plan/read-model';
import { isTernaryTensor, type ModelFile } from '../../../src/model/model-file';
import type { TernionErrorCode } from '../../../src/errors';
import type { EncodingName } from '../../../src/formats/encodings';
import { filesAtHand, type ModelFiles, type NamedFile } from '../../../src/files/model-files';
import { bytesSource, type ByteSource } from '../../../src/files/byte-source';
import { ChatFormat, encodeForEmbedding, encodeSegments } from '../../../src/tokenizer';
import { bool, f32, text, u32, type GgufValue } from '../../support/gguf-writer';
import {
  sparseGguf,
  sparseSafetensors,
  type SparseStored,
  type SparseTensor,
} from '../../support/sparse-files';
import { expectFailure } from '../../support/expect-failure';
import { renderedCase, templateSource } from '../../support/rendered-templates';
import {
  falcon3,
  falconE,
  gpt2,
  llama2,
  llama3,
  once,
  qwen3,
  smallest,
  type FileVocabulary,
} from '../../support/real-file-vocabularies';

interface Shape {
  width: number;
  heads: number;
  kvHeads: number;
  headDim: number;
  ffn: number;
  context: number;
  theta: number;
  eps: number;
}

/** One layer and narrow rows; the sizes of heads are the models' own. */
const SHAPE: Shape = {
  width: 256,
  heads: 2,
  kvHeads: 1,
  headDim: 128,
  ffn: 512,
  context: 4096,
  theta: 500_000,
  eps: 1e-5,
};

interface Row {
  title: string;
  architecture: string;
  vocabulary: () => FileVocabulary;
  /** Special tokens, template and whatever the architecture's keys do not cover. */
  keys: [string, GgufValue][];
  shape?: Partial<Shape>;
  /** Of the layers' matrices; of the embedding; of the head, where the file has one. */
  types: [layers: EncodingName, embedding: EncodingName, head?: EncodingName];
  /** What the config must say. */
  config: object;
  encodings: string[];
  preTokenizer: string | undefined;
  adjustments: RegExp[];
  origin: string;
  /** What the conversation of the fixtures must become, the begin-of-text token included. */
  prompt: string;
  /** All tokens that end an answer. */
  ends: string[];
}

const token = (name: string, id: number): [string, GgufValue] => [`tokenizer.ggml.${name}_token_id`, u32(id)];
const template = (name: string): [string, GgufValue] => [
  'tokenizer.chat_template',
  text(templateSource(name)),
];
const rendered = (title: string): string => renderedCase(title).rendered;
/** Of a vocabulary that has no marks, in a file without a template. */
const PLAIN =
  "System: You are brief.\n\nUser: Name 3 capitals of Zürich's neighbours.\n\nAssistant: Paris, Vienna, Rome\n\n" +
  'User: And 12345 + 1?\n\nAssistant:';

const LLAMA3_ENDS = ['<|end_of_text|>', '<|eom_id|>', '<|eot_id|>'];
const UNSCALED = { ropeScaling: { kind: 'none' } };
const YARN = { kind: 'yarn', factor: 4, betaFast: 32, betaSlow: 1, extrapolation: 1, attentionFactor: 1 };

const scaling = (
  architecture: string,
  type: string,
  factor: number,
  original?: number,
): [string, GgufValue][] => {
  const key = (name: string): string => `${architecture}.rope.scaling.${name}`;
  const own: [string, GgufValue][] = [
    [key('type'), text(type)],
    [key('factor'), f32(factor)],
  ];
  return original === undefined ? own : [...own, [key('original_context_length'), u32(original)]];
};

const bitnet2b4t: Row = {
  title: 'BitNet b1.58 2B4T, official GGUF',
  architecture: 'bitnet-b1.58',
  vocabulary: once(() => llama3()),
  keys: [
    token('bos', 128_000),
    token('eos', 128_001),
    ['tokenizer.ggml.add_bos_token', bool(true)],
    template('bitnet-2b4t-placeholder'),
  ],
  types: ['I2_S', 'F16'],
  config: { activation: 'relu2', subNorms: true, tiedHead: true, ropePairs: 'neox', ...UNSCALED },
  encodings: ['I2_S'],
  preTokenizer: 'llama-bpe',
  adjustments: [/placeholder/, /no pre-tokenizer.*Llama 3/],
  origin: 'bitnet',
  prompt: rendered('bitnet-2b4t'),
  ends: LLAMA3_ENDS,
};

const large1bit: Row = {
  title: 'bitnet_b1_58-large, GGUF of before July 2026',
  architecture: 'bitnet',
  vocabulary: once(llama2),
  keys: [...scaling('bitnet', 'linear', 1), token('bos', 1), token('eos', 2), token('unknown', 0)],
  shape: { width: 384, heads: 4, kvHeads: 4, headDim: 96, theta: 10_000 },
  types: ['I2_S', 'F16'],
  config: { activation: 'silu', subNorms: true, headDim: 96, vocabularySize: 32_002, ...UNSCALED },
  encodings: ['I2_S'],
  preTokenizer: undefined,
  adjustments: [],
  origin: 'plain',
  prompt: PLAIN,
  ends: ['</s>'],
};

const llama8b: Row = {
  title: 'Llama3-8B-1.58, GGUF with doubled control tokens',
  architecture: 'llama',
  vocabulary: once(() => llama3('llama-bpe', (name) => `<|begin_of_text|>${name}`)),
  keys: [token('bos', 128_000), token('eos', 128_009)],
  types: ['I2_S', 'F16', 'F16'],
  config: { activation: 'silu', subNorms: false, tiedHead: false, ropePairs: 'normal', ...UNSCALED },
  encodings: ['I2_S'],
  preTokenizer: 'llama-bpe',
  adjustments: [/^256 control tokens.*taken off/],
  origin: 'llama-3',
  prompt: rendered('llama-3'),
  ends: LLAMA3_ENDS,
};

const falcon3Row: Row = {
  title: 'Falcon3 1.58, GGUF',
  architecture: 'llama',
  vocabulary: once(() => falcon3()),
  keys: [token('eos', 11), template('falcon3')],
  shape: { headDim: 256, context: 32_768, theta: 1_000_042, eps: 1e-6 },
  types: ['I2_S', 'F16', 'F16'],
  config: {
    headDim: 256,
    rotary: 256,
    tiedHead: false,
    weightOnly: expect.not.arrayContaining(['I2_S']) as unknown,
  },
  encodings: ['I2_S'],
  preTokenizer: 'falcon3',
  adjustments: [],
  origin: 'file',
  prompt: rendered('falcon3'),
  ends: ['<|endoftext|>'],
};

const bonsai: Row = {
  title: 'Ternary-Bonsai 1.7B, Q2_0 in blocks of 128',
  architecture: 'qwen3',
  vocabulary: once(() => qwen3()),
  keys: [
    ...scaling('qwen3', 'yarn', 4, 8192),
    token('eos', 151_645),
    token('padding', 151_643),
    template('qwen3'),
  ],
  shape: { context: 32_768, theta: 1_000_000, eps: 1e-6 },
  types: ['Q2_0_128', 'Q2_0_128'],
  config: {
    ropeScaling: { ...YARN, originalContext: 8192 },
    headNorms: true,
    tiedHead: false,
    vocabularySize: 151_669,
  },
  encodings: ['Q2_0_128'],
  preTokenizer: 'qwen2',
  adjustments: [],
  origin: 'file',
  prompt: rendered('qwen3'),
  ends: ['<|endoftext|>', '<|im_end|>'],
};

const rows: Row[] = [
  bitnet2b4t,
  {
    ...bitnet2b4t,
    title: 'BitNet b1.58 2B4T, the earlier GGUF with a head',
    architecture: 'bitnet-25',
    types: ['I2_S', 'F16', 'F16'],
    adjustments: [/output\.weight.*left out/, /placeholder/, /no pre-tokenizer/],
  },
  large1bit,
  {
    ...large1bit,
    title: 'bitnet_b1_58-3B, GGUF since July 2026',
    architecture: 'bitnet-b1.58',
    keys: [token('bos', 1), token('eos', 2), token('unknown', 0)],
    shape: { width: 400, heads: 4, kvHeads: 4, headDim: 100, ffn: 512, theta: 10_000 },
    types: ['I2_S', 'Q8_0'],
    config: { activation: 'silu', subNorms: true, headDim: 100, vocabularySize: 32_002, ...UNSCALED },
    adjustments: [/squared ReLU.*32,002.*SiLU/],
  },
  llama8b,
  falcon3Row,
  {
    ...falcon3Row,
    title: 'Falcon3 1.58, GGUF of an older converter',
    vocabulary: once(() => falcon3(true)),
    adjustments: [/all tokens plain text/, /no pre-tokenizer.*Falcon3/],
  },
  {
    ...falcon3Row,
    title: 'Falcon-E, GGUF',
    vocabulary: once(falconE),
    keys: [token('bos', 17), token('eos', 11), template('falcon-e')],
    shape: { headDim: 128 },
    config: { tiedHead: false, vocabularySize: 32_768, ropePairs: 'normal' },
    preTokenizer: 'falcon_e',
    prompt: rendered('falcon-e'),
    ends: ['<|end_of_text|>', '<|im_end|>'],
  },
  ...['olmo', 'gpt-neox'].map((pre): Row => ({
    ...falcon3Row,
    title: `TriLM, GGUF with the pre-tokenizer ${pre}`,
    vocabulary: once(() => gpt2(pre)),
    keys: [token('bos', 50_256), token('eos', 50_256)],
    shape: { theta: 10_000 },
    types: ['TQ2_0', 'Q4_K', 'Q6_K'],
    config: { tiedHead: false, weightOnly: expect.arrayContaining(['TQ2_0']) as unknown, ...UNSCALED },
    encodings: ['TQ2_0'],
    preTokenizer: pre,
    origin: 'plain',
    prompt: PLAIN,
    ends: ['<|endoftext|>'],
  })),
  bonsai,
  {
    ...bonsai,
    title: 'Ternary-Bonsai 1.7B, Q2_0 in blocks of 64',
    types: ['Q2_0', 'Q2_0'],
    encodings: ['Q2_0'],
  },
  {
    ...bonsai,
    title: 'Ternary-Bonsai 8B, PQ2_0, with a head apart and padded rows',
    vocabulary: once(() => qwen3(true)),
    keys: [...scaling('qwen3', 'yarn', 4, 16_384), token('eos', 151_645), template('qwen3')],
    types: ['PQ2_0', 'PQ2_0', 'PQ2_0'],
    encodings: ['PQ2_0'],
    config: { ropeScaling: { ...YARN, originalContext: 16_384 }, vocabularySize: 151_936 },
  },
  {
    ...bonsai,
    title: 'Ternary-Bonsai 8B repacked as TQ2_0',
    keys: [token('eos', 151_645), template('qwen3')],
    types: ['TQ2_0', 'TQ2_0', 'Q4_0'],
    encodings: ['TQ2_0'],
    config: { ...UNSCALED, vocabularySize: 151_669 },
  },
];

function fileOf(row: Row): ByteSource {
  return fileWith(row, []);
}

/** The file of a row with more keys and tensors. */
function fileWith(row: Row, keys: [string, GgufValue][], more: SparseTensor[] = []): ByteSource {
  const shape = { ...SHAPE, ...row.shape };
  const { metadata, tokens } = row.vocabulary();
  return sparseGguf(
    [...architectureKeys(row.architecture, shape), ...metadata, ...row.keys, ...keys],
    [...tensorsOf(row, shape, tokens.length), ...more],
  );
}

function architectureKeys(architecture: string, shape: Shape): [string, GgufValue][] {
  const own: [string, GgufValue][] = [
    ['block_count', u32(1)],
    ['context_length', u32(shape.context)],
    ['embedding_length', u32(shape.width)],
    ['feed_forward_length', u32(shape.ffn)],
    ['attention.head_count', u32(shape.heads)],
    ['attention.head_count_kv', u32(shape.kvHeads)],
    ['attention.key_length', u32(shape.headDim)],
    ['attention.value_length', u32(shape.headDim)],
    ['attention.layer_norm_rms_epsilon', f32(shape.eps)],
    ['rope.dimension_count', u32(shape.headDim)],
    ['rope.freq_base', f32(shape.theta)],
  ];
  return [
    ['general.architecture', text(architecture)],
    ['general.name', text('model')],
    ...own.map(([name, value]): [string, GgufValue] => [`${architecture}.${name}`, value]),
  ];
}

function tensorsOf(
  { architecture, types: [layers, embedding, head] }: Row,
  { width, heads, kvHeads, headDim, ffn }: Shape,
  vocabulary: number,
): SparseTensor[] {
  const norm = (name: string, length: number): SparseTensor => ({
    name: `${name}.weight`,
    shape: [length],
    type: 'F32',
  });
  const matrix = (name: string, rows: number, cols: number): SparseTensor => ({
    name: `blk.0.${name}.weight`,
    shape: [rows, cols],
    type: layers,
  });
  const table = (name: string, type: EncodingName): SparseTensor => ({
    name: `${name}.weight`,
    shape: [vocabulary, width],
    type,
  });
  const [q, kv] = [heads * headDim, kvHeads * headDim];
  const subNorms = architecture.startsWith('bitnet');
  return [
    table('token_embd', embedding),
    norm('blk.0.attn_norm', width),
    matrix('attn_q', q, width),
    matrix('attn_k', kv, width),
    matrix('attn_v', kv, width),
    ...(architecture === 'qwen3' ? ['q', 'k'].map((x) => norm(`blk.0.attn_${x}_norm`, headDim)) : []),
    ...(subNorms ? [norm('blk.0.attn_sub_norm', q)] : []),
    matrix('attn_output', width, q),
    norm('blk.0.ffn_norm', width),
    matrix('ffn_gate', ffn, width),
    matrix('ffn_up', ffn, width),
    ...(subNorms ? [norm('blk.0.ffn_sub_norm', ffn)] : []),
    matrix('ffn_down', width, ffn),
    norm('output_norm', width),
    ...(head ? [table('output', head)] : []),
  ];
}

function modelFiles(main: NamedFile, others: Record<string, unknown> = {}): ModelFiles {
  const named = Object.entries(others).map(([name, value]): NamedFile => {
    const written = typeof value === 'string' ? value : JSON.stringify(value);
    return { name, bytes: bytesSource(new TextEncoder().encode(written)) };
  });
  return filesAtHand([main, ...named]);
}

function ternaryEncodings({ tensors }: ModelFile): string[] {
  const layers = [...tensors].filter(([name, tensor]) => name.startsWith('blk.') && isTernaryTensor(tensor));
  return [...new Set(layers.map(([, { encoding }]) => encoding))];
}

/** What a model must be, prompt with and end at, whatever files it came in. */
type Expected = Pick<
  Row,
  'vocabulary' | 'config' | 'encodings' | 'preTokenizer' | 'adjustments' | 'origin' | 'prompt' | 'ends'
>;

async function expectModel(files: ModelFiles, expected: Expected): Promise<ChatFormat> {
  const { model, tokenizer, template } = await readModel(files);
  expect(model.config).toMatchObject(expected.config);
  expect(ternaryEncodings(model)).toEqual(expected.encodings);
  expect(model.tokenizer.preTokenizer).toBe(expected.preTokenizer);
  expect(model.adjustments).toEqual(
    expected.adjustments.map((words) => expect.stringMatching(words) as unknown),
  );
  expect(template.origin).toBe(expected.origin);
  const format = new ChatFormat(tokenizer, template);
  const ids = encodeSegments(tokenizer, format.render(renderedCase('bitnet-2b4t').messages));
  expect(ids).toEqual(expected.vocabulary().encode(expected.prompt));
  expect([...format.endIds].map((id) => tokenizer.tokenText(id)).sort()).toEqual(expected.ends);
  return format;
}

describe('a file is opened, prompted and ended as its makers meant:', () => {
  it.each(rows)('$title', async (row) => {
    await expectModel(modelFiles({ name: 'model.gguf', bytes: fileOf(row) }), row);
  });
});

describe('Ternary-Bonsai', () => {
  const opened = once(() => readModel(modelFiles({ name: 'm.gguf', bytes: fileOf(bonsai) })));

  it.each(['qwen3 thinking', 'qwen3 without thinking', 'qwen3 with tools'])(
    'is prompted with options: %s',
    async (title) => {
      const { model, tokenizer, template } = await opened();
      const { messages, variables, rendered: prompt } = renderedCase(title);
      const format = await new ChatFormat(tokenizer, template).with({ templateOptions: variables });
      const ids = encodeSegments(tokenizer, format.render(messages));
      expect(ids).toEqual(bonsai.vocabulary().encode(prompt));
      expect(model.tokenizer.addBos).toBe(false);
    },
  );
});

describe('BitCPM-CANN', () => {
  const row: Row = {
    ...bonsai,
    architecture: 'minicpm',
    vocabulary: smallest,
    keys: [token('eos', 2)],
    types: ['TQ2_0', 'F16'],
  };
  const configOf = async (bytes: ByteSource): Promise<object> =>
    (await readModel(modelFiles({ name: 'm.gguf', bytes }))).model.config;
  const longrope: [string, GgufValue][] = [
    ['minicpm.rope.scaling.type', text('longrope')],
    ['minicpm.rope.scaling.original_context_length', u32(32_768)],
  ];
  const factors = (which: string): SparseTensor => ({
    name: `rope_factors_${which}.weight`,
    shape: [64],
    type: 'F32',
  });

  it('has scales, and factors for long contexts', async () => {
    const scales: [string, GgufValue][] = [
      ['minicpm.embedding_scale', f32(12)],
      ['minicpm.residual_scale', f32(0.25)],
      ['minicpm.logit_scale', f32(8)],
    ];
    const file = fileWith(row, [...scales, ...longrope], [factors('long'), factors('short')]);
    expect(await configOf(file)).toMatchObject({
      ropePairs: 'normal',
      scales: { embedding: 12, residual: 0.25, logits: 1 / 8 },
      ropeScaling: { kind: 'longrope', originalContext: 32_768, attentionFactor: 1 },
    });
  });

  it('may do without the keys of the scales, which then follow from its sizes', async () => {
    // 1.4 / √1 layer, 256 / 256.
    expect(await configOf(fileOf(row))).toMatchObject({
      scales: { embedding: 12, residual: 1.4, logits: 1 },
      ropeScaling: { kind: 'none' },
    });
  });

  it('is refused without the factors of long contexts', async () => {
    const words = /rope_factors_long.weight is missing/;
    await expectFailure(configOf(fileWith(row, longrope, [factors('short')])), 'corrupt-file', words);
  });
});

describe('BitNet-embedding 0.6B', () => {
  const row: Row = { ...bonsai, keys: [token('eos', 151_643)], types: ['I2_S', 'F16'] };
  const keys: [string, GgufValue][] = [
    ['tokenizer.ggml.add_eos_token', bool(true)],
    ['qwen3.pooling_type', u32(3)],
  ];
  const normIn = (part: string, length: number): SparseTensor => {
    return { name: `blk.0.${part}_norm_in.weight`, shape: [length], type: 'F16' };
  };
  const norms = [
    ...['attn_q', 'attn_k', 'attn_v', 'attn_output', 'ffn_gate', 'ffn_up'].map((part) => normIn(part, 256)),
    normIn('ffn_down', 512),
  ];

  it('has a norm before each matrix, int8 activations, and an end behind each text', async () => {
    const bytes = fileWith(row, keys, norms);
    const { model, tokenizer } = await readModel(modelFiles({ name: 'm.gguf', bytes }));
    expect(model.config).toMatchObject({ perMatrixNorms: true, weightOnly: [], pooling: 'last' });
    const text = "Name 3 capitals of Zürich's neighbours.";
    expect(encodeForEmbedding(tokenizer, text)).toEqual([...row.vocabulary().encode(text), 151_643]);
  });

  it('is refused if one of the norms is missing', async () => {
    const bytes = fileWith(row, keys, norms.slice(0, -1));
    const words = /blk.0.ffn_down_norm_in.weight is missing/;
    await expectFailure(readModel(modelFiles({ name: 'm.gguf', bytes })), 'corrupt-file', words);
  });
});

describe('packed safetensors', () => {
  const packed = (subNorms: boolean, head: boolean): ByteSource => {
    const { width, ffn } = SHAPE;
    const rows: [string, number, number][] = [
      ['self_attn.q_proj', 256, width],
      ['self_attn.k_proj', 128, width],
      ['self_attn.v_proj', 128, width],
      ['self_attn.o_proj', width, 256],
      ['mlp.gate_proj', ffn, width],
      ['mlp.up_proj', ffn, width],
      ['mlp.down_proj', width, ffn],
    ];
    const floats = (...shape: number[]): SparseStored => ({ dtype: 'BF16', shape });
    return sparseSafetensors({
      'model.embed_tokens.weight': floats(128_256, width),
      'model.norm.weight': floats(width),
      'model.layers.0.input_layernorm.weight': floats(width),
      'model.layers.0.post_attention_layernorm.weight': floats(width),
      ...(subNorms ? { 'model.layers.0.self_attn.attn_sub_norm.weight': floats(256) } : {}),
      ...(subNorms ? { 'model.layers.0.mlp.ffn_sub_norm.weight': floats(ffn) } : {}),
      ...Object.fromEntries(
        rows.flatMap(([name, out, cols]): [string, SparseStored][] => [
          [`model.layers.0.${name}.weight`, { dtype: 'U8', shape: [out / 4, cols] }],
          [`model.layers.0.${name}.weight_scale`, floats(1)],
        ]),
      ),
      ...(head ? { 'lm_head.weight': floats(128_256, width) } : {}),
    });
  };
  const config = {
    hidden_size: SHAPE.width,
    intermediate_size: SHAPE.ffn,
    num_hidden_layers: 1,
    num_attention_heads: 2,
    num_key_value_heads: 1,
    rms_norm_eps: 1e-5,
    rope_theta: 500_000,
  };
  const tokenizerFiles = (end: string, source: string): Record<string, unknown> => ({
    'tokenizer.json': bitnet2b4t.vocabulary().json?.(),
    'tokenizer_config.json': {
      bos_token: '<|begin_of_text|>',
      eos_token: end,
      add_bos_token: true,
      chat_template: source,
    },
  });

  it('of BitNet b1.58 2B4T have the right template, and their ends in generation_config.json', async () => {
    const files = modelFiles(
      { name: 'model.safetensors', bytes: packed(true, false) },
      {
        'config.json': {
          ...config,
          model_type: 'bitnet',
          hidden_act: 'relu2',
          max_position_embeddings: 4096,
          tie_word_embeddings: true,
          quantization_config: {
            quant_method: 'bitnet',
            linear_class: 'autobitlinear',
            quantization_mode: 'offline',
          },
        },
        ...tokenizerFiles('<|end_of_text|>', templateSource('bitnet-2b4t')),
        // 128,002 is a reserved token, an end by this file alone.
        'generation_config.json': { eos_token_id: [128_001, 128_002, 128_009] },
      },
    );
    await expectModel(files, {
      ...bitnet2b4t,
      encodings: ['PACKED'],
      preTokenizer: undefined,
      adjustments: [],
      origin: 'file',
      ends: [...LLAMA3_ENDS, bitnet2b4t.vocabulary().tokens[128_002]!].sort(),
    });
  });

  it('of Llama3-8B-1.58 have one end there, and turn NeoX pairs', async () => {
    const files = modelFiles(
      { name: 'model.safetensors', bytes: packed(false, true) },
      {
        'config.json': {
          ...config,
          model_type: 'llama',
          hidden_act: 'silu',
          max_position_embeddings: 8192,
          tie_word_embeddings: false,
          quantization_config: { quant_method: 'bitnet' },
        },
        ...tokenizerFiles('<|eot_id|>', templateSource('llama-3')),
        'generation_config.json': { eos_token_id: 128_009 },
      },
    );
    await expectModel(files, {
      ...llama8b,
      config: { ...llama8b.config, ropePairs: 'neox' },
      encodings: ['PACKED'],
      preTokenizer: undefined,
      adjustments: [],
      origin: 'file',
    });
  });
});

describe('a file of a kind that does not run yet is refused by name:', () => {
  const embedding: Row = { ...bonsai, vocabulary: smallest, keys: [token('eos', 2)], types: ['I2_S', 'F16'] };
  const gguf: [string, () => ByteSource, TernionErrorCode, RegExp][] = [
    [
      'BitNet-embedding 270M',
      () => fileOf({ ...embedding, architecture: 'gemma3' }),
      'unsupported-architecture',
      /'gemma3'/,
    ],
    [
      'Bonsai in PTQ1_0',
      () => fileWith(embedding, [], [{ name: 'blk.1.attn_q.weight', shape: [256, 256], type: 143 }]),
      'unsupported-tensor-type',
      /PTQ1_0/,
    ],
    [
      'Bonsai 2',
      () => fileOf({ ...embedding, architecture: 'qwen35' }),
      'unsupported-architecture',
      /'qwen35'/,
    ],
  ];

  it.each(gguf)('%s', async (_title, file, code, words) => {
    await expectFailure(readModel(modelFiles({ name: 'model.gguf', bytes: file() })), code, words);
  });

  it('a folder of MLX', async () => {
    const bytes = sparseSafetensors({
      'model.embed_tokens.weight': { dtype: 'U32', shape: [151_669, 16] },
      'model.embed_tokens.scales': { dtype: 'BF16', shape: [151_669, 2] },
      'model.embed_tokens.biases': { dtype: 'BF16', shape: [151_669, 2] },
    });
    const config = {
      model_type: 'qwen3',
      hidden_size: 256,
      num_attention_heads: 2,
      quantization: { group_size: 128, bits: 2 },
    };
    const files = modelFiles({ name: 'model.safetensors', bytes }, { 'config.json': config });
    await expectFailure(readModel(files), 'unsupported-feature', /MLX.*2 bits in groups of 128/);
  });
});
