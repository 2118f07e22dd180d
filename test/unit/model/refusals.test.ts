// What is not supported is refused by name, before the GPU is touched and before a byte of tensor data is read.
import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import type { TernionErrorCode } from '../../../src/errors';
import type { GpuContext } from '../../../src/gpu/context';
import { LocalEngine } from '../../../src/engine/engine';
import type { ModelFiles } from '../../../src/files/model-files';
import { headerAlone, takeApart, type GgufPieces } from '../../support/gguf-rewriter';
import { f32, text, u32, type GgufTensor, type GgufValue } from '../../support/gguf-writer';
import { files, folder, oneFile, watchReads, without } from '../../support/model-files';
import {
  bfloats,
  readSafetensors,
  writeSafetensors,
  type StoredTensors,
} from '../../support/safetensors-writer';
import { expectFailure } from '../../support/expect-failure';

/** Loads `model` onto a GPU that cannot do anything; gives how far each file was read. */
async function refused(
  model: ModelFiles,
  code: TernionErrorCode,
  words: RegExp,
): Promise<ReadonlyMap<string, number>> {
  const watched = watchReads(model);
  const noGpu = { destroy() {} } as GpuContext;
  await expectFailure(LocalEngine.load(noGpu, watched.files), code, words);
  return watched.ends;
}

describe('a GGUF file', () => {
  let pieces: GgufPieces;
  beforeAll(async () => {
    const url = new URL('../../../public/models/ternion-tiny-i2_s.gguf', import.meta.url);
    pieces = await takeApart(readFileSync(url));
  });

  const key = (name: string): string => `bitnet-b1.58.${name}`;
  const values: [string, Record<string, GgufValue>, TernionErrorCode, RegExp][] = [
    [
      'of another architecture',
      { 'general.architecture': text('qwen3moe') },
      'unsupported-architecture',
      /qwen3moe/,
    ],
    ['of Bonsai 2', { 'general.architecture': text('qwen35') }, 'unsupported-architecture', /'qwen35'/],
    [
      'of the embedding model of 270M',
      { 'general.architecture': text('gemma3') },
      'unsupported-architecture',
      /'gemma3'/,
    ],
    ['with experts', { [key('expert_count')]: u32(8) }, 'unsupported-feature', /[Mm]ixture.of.experts/],
    [
      'that embeds texts otherwise',
      { [key('pooling_type')]: u32(1) },
      'unsupported-feature',
      /embedding.*mean/,
    ],
    [
      'with pooling of no known type',
      { [key('pooling_type')]: u32(9) },
      'unsupported-feature',
      /Pooling of type 9/,
    ],
    [
      'without the factors of its longrope',
      { [key('rope.scaling.type')]: text('longrope') },
      'corrupt-file',
      /rope_factors_short.weight is missing/,
    ],
    [
      'with RoPE scaling',
      { [key('rope.scaling.type')]: text('dynamic') },
      'unsupported-feature',
      /RoPE.*'dynamic'/,
    ],
    [
      'with another activation',
      { [key('hidden_activation')]: text('gelu') },
      'unsupported-feature',
      /'gelu'/,
    ],
    ['with another tokenizer', { 'tokenizer.ggml.model': text('rwkv') }, 'unsupported-tokenizer', /"rwkv"/],
    [
      'with another pre-tokenizer',
      { 'tokenizer.ggml.pre': text('tekken') },
      'unsupported-tokenizer',
      /"tekken"/,
    ],
    ['that is big endian or damaged', { 'general.alignment': u32(3) }, 'corrupt-file', /general.alignment/],
    ['with a context of no length', { [key('context_length')]: f32(0.5) }, 'corrupt-file', /context_length/],
  ];

  it.each(values)('%s', async (_name, changes, code, words) => {
    const metadata = new Map([...pieces.metadata, ...Object.entries(changes)]);
    const ends = await refused(oneFile(headerAlone({ ...pieces, metadata })), code, words);
    expect(ends.get('model.gguf')).toBeLessThanOrEqual(1 << 20);
  });

  const extra = (name: string): GgufTensor => ({
    name,
    shape: [256],
    type: 'F32',
    bytes: new Uint8Array(1024),
  });
  const changes: [string, (tensors: GgufTensor[]) => GgufTensor[], TernionErrorCode, RegExp][] = [
    [
      'with a tensor type that is not read',
      // 13 is Q5_K.
      (tensors) => [...tensors, { ...extra('blk.0.extra.weight'), type: 13 }],
      'unsupported-tensor-type',
      /blk.0.extra.weight.*Q5_K/,
    ],
    ...[
      [43, 'STQ1_0'],
      [143, 'PTQ1_0'],
      [200, 'unknown'],
    ].map(([type, name]): [string, (tensors: GgufTensor[]) => GgufTensor[], TernionErrorCode, RegExp] => [
      `with tensors of ${name}`,
      (tensors) => [...tensors, { ...extra('blk.0.extra.weight'), type: Number(type) }],
      'unsupported-tensor-type',
      new RegExp(`type ${type} \\(${name}\\)`),
    ]),
    [
      'with a norm before each matrix beside sub-norms',
      (tensors) => [...tensors, extra('blk.0.attn_q_norm_in.weight')],
      'unsupported-feature',
      /norm before each matrix/,
    ],
    [
      'with factors for long contexts that its metadata say nothing of',
      (tensors) => [...tensors, extra('rope_factors_long.weight')],
      'unsupported-feature',
      /rope_factors_long.weight has no place/,
    ],
    [
      'with layers that are not ternary',
      (tensors) =>
        tensors.map((each) => (each.name === 'blk.0.attn_q.weight' ? { ...each, type: 'F16' } : each)),
      'unsupported-tensor-type',
      /blk.0.attn_q.weight is F16/,
    ],
    [
      'without a tensor that is needed',
      (tensors) => tensors.filter(({ name }) => name !== 'blk.1.ffn_up.weight'),
      'corrupt-file',
      /blk.1.ffn_up.weight/,
    ],
    [
      'with biases',
      (tensors) => [...tensors, extra('blk.0.attn_q.bias')],
      'unsupported-feature',
      /attn_q.bias/,
    ],
    [
      'with scales apart',
      (tensors) => [...tensors, extra('blk.0.attn_q.scale')],
      'unsupported-feature',
      /q.scale/,
    ],
  ];

  it.each(changes)('%s', async (_name, change, code, words) => {
    const tensors = change(pieces.tensors);
    const ends = await refused(oneFile(headerAlone({ ...pieces, tensors })), code, words);
    expect(ends.get('model.gguf')).toBeLessThanOrEqual(1 << 20);
  });
});

describe('a packed Hugging Face model', () => {
  const tiny = folder('test/fixtures/models/ternion-tiny-safetensors');
  const parse = (name: string): Record<string, unknown> =>
    JSON.parse(new TextDecoder().decode(tiny[name])) as Record<string, unknown>;
  const weights = tiny['model.safetensors']!;

  /** Refuses the model with files replaced, and says that of the weights no more than the header was read. */
  async function refusedWith(
    replaced: Record<string, unknown>,
    code: TernionErrorCode,
    words: RegExp,
  ): Promise<void> {
    const all: Record<string, unknown> = { ...tiny, ...replaced };
    const ends = await refused(files({ 'config.json': all['config.json'], ...all }), code, words);
    const stored = all['model.safetensors'] as Uint8Array;
    const header = Number(new DataView(stored.buffer, stored.byteOffset).getBigUint64(0, true));
    expect(ends.get('config.json')).toBeGreaterThan(0);
    expect(ends.get('model.safetensors') ?? 0).toBeLessThanOrEqual(8 + header);
  }

  const quantization = (changes: object): object => ({
    quantization_config: { quant_method: 'bitnet', linear_class: 'autobitlinear', ...changes },
  });
  const configs: [string, object, TernionErrorCode, RegExp][] = [
    ['of another architecture', { model_type: 'mixtral' }, 'unsupported-architecture', /'mixtral'/],
    ['of MiniCPM', { model_type: 'minicpm' }, 'unsupported-feature', /'minicpm'.*GGUF/],
    ['with experts', { num_local_experts: 8 }, 'unsupported-feature', /[Mm]ixture.of.experts/],
    [
      'with RoPE scaling',
      { rope_scaling: { rope_type: 'dynamic', factor: 4 } },
      'unsupported-feature',
      /'dynamic'/,
    ],
    [
      'with RoPE scaling as once written',
      { rope_scaling: { type: 'longrope', factor: 4 } },
      'unsupported-feature',
      /'longrope'/,
    ],
    [
      'with RoPE scaling by no factor',
      { rope_scaling: { type: 'linear' } },
      'corrupt-file',
      /factor of rope_scaling/,
    ],
    ['with another activation', { hidden_act: 'gelu' }, 'unsupported-feature', /'gelu'/],
    ['with biases', { attention_bias: true }, 'unsupported-feature', /attention_bias/],
    ['with a sliding window', { use_sliding_window: true }, 'unsupported-feature', /use_sliding_window/],
    ['quantised by another method', quantization({ quant_method: 'gptq' }), 'unsupported-feature', /'gptq'/],
    [
      'that is not quantised',
      { quantization_config: undefined },
      'unsupported-feature',
      /quantization_config/,
    ],
    [
      'quantised while loading',
      quantization({ quantization_mode: 'online' }),
      'unsupported-feature',
      /'online'/,
    ],
    ['with norms in its layers', quantization({ use_rms_norm: true }), 'unsupported-feature', /use_rms_norm/],
    [
      'in the packing of MLX',
      { quantization: { group_size: 128, bits: 2 }, quantization_config: { group_size: 128, bits: 2 } },
      'unsupported-feature',
      /MLX.*2 bits in groups of 128/,
    ],
    ['of another linear class', quantization({ linear_class: 'other' }), 'unsupported-feature', /'other'/],
    ['without a width', { hidden_size: undefined }, 'corrupt-file', /hidden_size of config.json is missing/],
    ['with a width that is none', { hidden_size: '256' }, 'corrupt-file', /hidden_size.*should be a number/],
  ];

  it.each(configs)('%s', async (_name, changes, code, words) => {
    await refusedWith({ 'config.json': { ...parse('config.json'), ...changes } }, code, words);
  });

  it('with another tokenizer', async () => {
    const model = { type: 'Unigram', vocab: [] };
    const changed = { 'tokenizer.json': { ...parse('tokenizer.json'), model } };
    await refusedWith(changed, 'unsupported-tokenizer', /Unigram/);
  });

  it('with a file that is no JSON', async () => {
    await refusedWith({ 'tokenizer.json': '<!doctype html>' }, 'corrupt-file', /tokenizer.json/);
  });

  /** JSON text of an object that has `entry` besides what the file has. */
  const withEntry = (name: string, entry: string): string =>
    JSON.stringify(name in tiny ? parse(name) : { a: 1 }).replace('{', `{"extra":${entry},`);

  it.each(['config.json', 'tokenizer.json', 'tokenizer_config.json', 'generation_config.json'])(
    'with a %s that nests without end',
    async (name) => {
      const deep = withEntry(name, '['.repeat(200_000) + ']'.repeat(200_000));
      await refusedWith({ [name]: deep }, 'corrupt-file', new RegExp(`${name} nests.*64`));
    },
  );

  it('with more lists in a file than its length lets one think', async () => {
    const empty = withEntry('config.json', `[${'[],'.repeat(500_000)}[]]`);
    await refusedWith({ 'config.json': empty }, 'corrupt-file', /config.json has more than \d+ lists/);
    // Brackets in a text are no lists.
    const text = withEntry('config.json', `"\\"${'['.repeat(500_000)}"`);
    await refusedWith({ 'config.json': text, 'tokenizer.json': '?' }, 'corrupt-file', /tokenizer.json/);
  });

  it('with RoPE factors for heads of impossible size', async () => {
    const scaling = { rope_type: 'llama3', factor: 8, low_freq_factor: 1, high_freq_factor: 4 };
    const changed = { ...parse('config.json'), head_dim: 1e12, rope_scaling: scaling };
    await refusedWith({ 'config.json': changed }, 'corrupt-file', /RoPE scaling/);
  });

  it('with a token whose id leaves a hole of millions', async () => {
    const { model, ...rest } = parse('tokenizer.json') as { model: { vocab: object } };
    const changed = { ...rest, model: { ...model, vocab: { ...model.vocab, far: 9_000_000 } } };
    await refusedWith({ 'tokenizer.json': changed }, 'corrupt-file', /far: 9000000/);
  });

  it('with a special token that is longer than any text', async () => {
    const { added_tokens: added, ...rest } = parse('tokenizer.json') as { added_tokens: object[] };
    const long = { id: 1530, content: 'x'.repeat(300_000), special: true };
    const changed = { ...rest, added_tokens: [...added, long] };
    await refusedWith({ 'tokenizer.json': changed }, 'corrupt-file', /special token 1530 has 300000/);
  });

  const q = 'model.layers.1.self_attn.q_proj.weight';
  const tensors: [string, (stored: StoredTensors) => StoredTensors, TernionErrorCode, RegExp][] = [
    [
      'with a matrix that is not packed',
      () => ({ [q]: bfloats([256, 256], new Array<number>(65536).fill(1)) }),
      'unsupported-tensor-type',
      /blk.1.attn_q.weight is BF16/,
    ],
    [
      'with a dtype that is not read',
      (stored) => ({ [q]: { ...stored[q]!, dtype: 'I8' } }),
      'unsupported-tensor-type',
      /q_proj.*I8/,
    ],
    [
      'with a packed embedding',
      () => ({
        'model.embed_tokens.weight': { dtype: 'U8', shape: [384, 256], bytes: new Uint8Array(384 * 256) },
        'model.embed_tokens.weight_scale': bfloats([1], [1]),
      }),
      'unsupported-tensor-type',
      /token_embd.weight is packed/,
    ],
    [
      'with a tensor that has no use',
      () => ({ 'model.layers.0.mlp.experts.0.w1.weight': bfloats([1], [1]) }),
      'unsupported-feature',
      /mlp.experts.0.w1.weight/,
    ],
    [
      'with a bias',
      () => ({ 'model.layers.0.self_attn.q_proj.bias': bfloats([1], [1]) }),
      'unsupported-feature',
      /bias/,
    ],
    [
      'with a scale a row',
      () => ({ [`${q}_scale`]: bfloats([2], [1, 1]) }),
      'unsupported-feature',
      /weight_scale/,
    ],
    [
      'with a matrix of another shape',
      (s) => ({ [q]: { ...s[q]!, shape: [32, 512] } }),
      'corrupt-file',
      /attn_q/,
    ],
  ];

  it.each(tensors)('%s', async (_name, change, code, words) => {
    const stored = readSafetensors(weights);
    await refusedWith(
      { 'model.safetensors': writeSafetensors({ ...stored, ...change(stored) }) },
      code,
      words,
    );
  });

  it('without a scale', async () => {
    const stored = without(readSafetensors(weights), `${q}_scale`);
    await refusedWith({ 'model.safetensors': writeSafetensors(stored) }, 'corrupt-file', /no weight_scale/);
  });
});
