// What a file's metadata and tensor table say about a model, and what is refused before any tensor data is read.
import { describe, expect, test } from 'vitest';
import type { TernionErrorCode } from '../../../src/errors';
import { parseGguf } from '../../../src/formats/gguf';
import { architectures } from '../../../src/model/architectures';
import { configFromMetadata, type ModelConfig } from '../../../src/model/config';
import type { MetadataReader } from '../../../src/model/metadata-reader';
import { checkTensors } from '../../../src/model/load';
import { bytesSource } from '../../../src/files/byte-source';
import { expectFailure } from '../../support/expect-failure';
import { smallModel, VOCABULARY, type SmallShape } from '../../support/small-model';

const SHAPE = { width: 64, ffnWidth: 128, heads: 4, kvHeads: 2, headDim: 32, layers: 1 } as const;

async function open(shape: Pick<SmallShape, 'architecture' | 'encoding'> & Partial<SmallShape>) {
  return parseGguf(bytesSource((await smallModel({ ...SHAPE, ...shape })).bytes));
}

const configOf = (metadata: MetadataReader): ModelConfig =>
  configFromMetadata(metadata, architectures, VOCABULARY);

/** `metadata` with some values replaced. */
function patched(metadata: MetadataReader, values: Record<string, number | string>): MetadataReader {
  const replaced = <T>(key: string, read: (key: string) => T): T =>
    key in values ? (values[key] as T) : read(key);
  return {
    getString: (key) => replaced(key, (k) => metadata.getString(k)),
    getInteger: (key) => replaced(key, (k) => metadata.getInteger(k)),
    getNumber: (key) => replaced(key, (k) => metadata.getNumber(k)),
    optionalString: (key) => replaced(key, (k) => metadata.optionalString(k)),
    optionalInteger: (key) => replaced(key, (k) => metadata.optionalInteger(k)),
    optionalNumber: (key) => replaced(key, (k) => metadata.optionalNumber(k)),
  };
}

/** Throws at once. */
const expectRefusal = (run: () => unknown, code: TernionErrorCode, words: string): Promise<void> =>
  expectFailure((async () => run())(), code, words);

test.each([
  [
    'bitnet-b1.58',
    { ropePairs: 'neox', activation: 'relu2', subNorms: true, headNorms: false, tiedHead: true },
  ],
  ['bitnet', { ropePairs: 'neox', activation: 'silu', subNorms: true, headNorms: false, tiedHead: true }],
  ['llama', { ropePairs: 'normal', activation: 'silu', subNorms: false, headNorms: false, tiedHead: false }],
  ['qwen3', { ropePairs: 'neox', activation: 'silu', subNorms: false, headNorms: true, tiedHead: false }],
] as const)('%s has the traits of its family and the numbers of the file', async (architecture, traits) => {
  const { metadata } = await open({ architecture, encoding: 'I2_S' });
  expect(configOf(metadata)).toMatchObject({
    ...traits,
    architecture,
    // head_dim is not width / heads, which is 16.
    ...SHAPE,
    rotary: 32,
    ropeTheta: 10000,
    vocabularySize: VOCABULARY,
  });
});

test('hidden_activation overrides the usual one, and an unknown one is named', async () => {
  const { metadata } = await open({ architecture: 'bitnet', encoding: 'I2_S', hiddenActivation: 'relu2' });
  expect(configOf(metadata).activation).toBe('relu2');
  const odd = patched(metadata, { 'bitnet.hidden_activation': 'gelu' });
  await expectRefusal(() => configOf(odd), 'unsupported-feature', 'gelu');
});

describe('a file of bitnet_b1_58-large that calls itself bitnet-b1.58', () => {
  const opened = async (vocabularySize: number, values: Record<string, string>) => {
    const { metadata } = await open({ architecture: 'bitnet-b1.58', encoding: 'I2_S' });
    const adjustments: string[] = [];
    const config = configFromMetadata(patched(metadata, values), architectures, vocabularySize, adjustments);
    return { activation: config.activation, adjustments };
  };

  test('is told by its vocabulary, and it is said', async () => {
    const { activation, adjustments } = await opened(32_002, { 'tokenizer.ggml.model': 'llama' });
    expect(activation).toBe('silu');
    expect(adjustments).toEqual([expect.stringMatching(/squared ReLU.*32,002.*SiLU/)]);
  });

  test('is what it says where it names its activation, or has another vocabulary', async () => {
    const relu2 = { activation: 'relu2', adjustments: [] };
    const named = { 'tokenizer.ggml.model': 'llama', 'bitnet-b1.58.hidden_activation': 'relu2' };
    expect(await opened(32_002, named)).toEqual(relu2);
    expect(await opened(32_000, { 'tokenizer.ggml.model': 'llama' })).toEqual(relu2);
    expect(await opened(32_002, { 'tokenizer.ggml.model': 'gpt2' })).toEqual(relu2);
  });
});

describe('minicpm', () => {
  const scales = async (values: Record<string, number>) => {
    const { metadata } = await open({ architecture: 'llama', encoding: 'TQ2_0', width: 128, layers: 4 });
    const asMinicpm: MetadataReader = {
      getString: (key) => (key === 'general.architecture' ? 'minicpm' : metadata.getString(key)),
      getInteger: (key) => metadata.getInteger(key.replace('minicpm', 'llama')),
      getNumber: (key) => metadata.getNumber(key.replace('minicpm', 'llama')),
      optionalString: (key) => metadata.optionalString(key.replace('minicpm', 'llama')),
      optionalInteger: (key) => metadata.optionalInteger(key.replace('minicpm', 'llama')),
      optionalNumber: (key) => values[key] ?? metadata.optionalNumber(key.replace('minicpm', 'llama')),
    };
    return configOf(asMinicpm).scales;
  };

  test('has three scales; logits are divided by theirs', async () => {
    const given = { embedding_scale: 10, residual_scale: 0.25, logit_scale: 8 };
    const keys = Object.fromEntries(Object.entries(given).map(([name, value]) => [`minicpm.${name}`, value]));
    expect(await scales(keys)).toEqual({ embedding: 10, residual: 0.25, logits: 1 / 8 });
  });

  test('has those of its first models where the file does not say', async () => {
    // 1.4 / √4 layers, 256 / 128.
    expect(await scales({})).toEqual({ embedding: 12, residual: 0.7, logits: 2 });
  });

  test('cannot have a scale of 0', async () => {
    await expectFailure(scales({ 'minicpm.logit_scale': 0 }), 'corrupt-file', 'scale of logits');
  });
});

test('other families have no scales, whatever the file says', async () => {
  const { metadata } = await open({ architecture: 'llama', encoding: 'I2_S' });
  const scaled = patched(metadata, { 'llama.logit_scale': 8 });
  expect(configOf(scaled).scales).toEqual({ embedding: 1, residual: 1, logits: 1 });
});

test.each([
  [0, 'none'],
  [3, 'last'],
])('pooling of type %i is %s', async (type, pooling) => {
  const { metadata } = await open({ architecture: 'qwen3', encoding: 'I2_S' });
  expect(configOf(patched(metadata, { 'qwen3.pooling_type': type })).pooling).toBe(pooling);
});

describe('what no kernel is made for is refused by name', () => {
  test.each([
    [{ 'llama.expert_count': 8 }, 'Mixture-of-experts'],
    [{ 'llama.rope.scaling.type': 'dynamic' }, 'dynamic'],
    [{ 'llama.attention.value_length': 64 }, 'values of 64'],
  ])('%j', async (values, words) => {
    const { metadata } = await open({ architecture: 'llama', encoding: 'I2_S' });
    await expectRefusal(() => configOf(patched(metadata, values)), 'unsupported-feature', words);
  });

  test('a tensor that the architecture has no place for, such as a bias', async () => {
    const { metadata, tensors } = await open({ architecture: 'llama', encoding: 'I2_S' });
    const bias = { ...tensors.get('blk.0.attn_norm.weight')!, name: 'blk.0.attn_q.bias' };
    const more = new Map([...tensors, [bias.name, bias] as const]);
    await expectRefusal(
      () => checkTensors({ tensors: more, config: configOf(metadata) }),
      'unsupported-feature',
      'blk.0.attn_q.bias',
    );
  });
});

test.each(['attn_q_norm', 'attn_k_norm'])('a qwen3 model without %s is corrupt', async (norm) => {
  const file = await open({ architecture: 'qwen3', encoding: 'I2_S' });
  const fewer = new Map(file.tensors);
  expect(fewer.delete(`blk.0.${norm}.weight`)).toBe(true);
  await expectRefusal(
    () => checkTensors({ tensors: fewer, config: configOf(file.metadata) }),
    'corrupt-file',
    norm,
  );
});
