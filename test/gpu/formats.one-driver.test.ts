// One model in every form that its files can have: the same answers, id by id.
import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, test } from 'vitest';
import { LocalEngine } from '../../src/engine/engine';
import type { ModelInfo } from '../../src/engine/types';
import type { ModelFiles } from '../../src/files/model-files';
import { collect } from '../support/collect';
import { shareContext } from '../support/engine';
import { putTogether, split, takeApart } from '../support/gguf-rewriter';
import type { GoldenPrompt } from '../support/golden';
import { files, fixtureFiles, folder, oneFile } from '../support/model-files';
import { readSafetensors, shard } from '../support/safetensors-writer';

const read = (path: string): Uint8Array => readFileSync(new URL(`../../${path}`, import.meta.url));
const I2_S = read('public/models/ternion-tiny-i2_s.gguf');
const SAFETENSORS = 'test/fixtures/models/ternion-tiny-safetensors';

const prompts = JSON.parse(new TextDecoder().decode(read('test/fixtures/prompts.json'))) as GoldenPrompt[];

function shards(): ModelFiles {
  const { 'config.json': config, 'model.safetensors': weights, ...others } = folder(SAFETENSORS);
  return files({ 'config.json': config, ...others, ...shard(readSafetensors(weights!), 3) });
}

async function parts(): Promise<ModelFiles> {
  return files(split(await takeApart(I2_S), 3));
}

const gguf = { format: 'gguf', formatVersion: 3, tokenizer: { preTokenizer: 'llama-bpe' } };
const packed = { layers: 'PACKED', embedding: 'BF16', head: 'BF16', norms: 'BF16' };
const forms: [string, () => ModelFiles | Promise<ModelFiles>, object][] = [
  ['I2_S', () => oneFile(I2_S), { ...gguf, encodings: { layers: 'I2_S', embedding: 'F16' } }],
  [
    'TQ2_0',
    () => fixtureFiles('test/fixtures/models/ternion-tiny-tq2_0.gguf'),
    { ...gguf, encodings: { layers: 'TQ2_0' } },
  ],
  [
    'TQ1_0',
    () => fixtureFiles('test/fixtures/models/ternion-tiny-tq1_0.gguf'),
    { ...gguf, encodings: { layers: 'TQ1_0' } },
  ],
  [
    'GGUF version 2',
    async () => oneFile(putTogether(await takeApart(I2_S), 2)),
    { ...gguf, formatVersion: 2, encodings: { layers: 'I2_S' } },
  ],
  ['split GGUF', parts, { ...gguf, format: 'gguf-split', encodings: { layers: 'I2_S' } }],
  [
    'packed safetensors',
    () => fixtureFiles(SAFETENSORS),
    { format: 'safetensors', formatVersion: undefined, encodings: packed },
  ],
  ['packed safetensors in shards', shards, { format: 'safetensors', encodings: packed }],
];

describe.for(forms)('as %s', ([, open, recognised]) => {
  let info: ModelInfo;
  const answers: number[][] = [];

  beforeAll(async () => {
    const engine = await LocalEngine.load(await shareContext(), await open(), { tuning: false });
    info = engine.info;
    for (const { messages, sure } of prompts) {
      await using session = engine.createSession();
      answers.push((await collect(session.generate(messages, { maxTokens: sure }))).tokenIds);
    }
    await engine.dispose();
  });

  test('it answers as the reference does', () => {
    // Later ids depend on rounding: a scale is a float32 in I2_S, a half in TQ1_0 and TQ2_0, a bfloat16 in safetensors.
    const expected = prompts.map(({ greedy, sure }) => greedy.slice(0, sure));
    expect(expected.flat().length).toBeGreaterThan(200);
    expect(answers).toEqual(expected);
  });

  test('it is recognised for what it is', () => {
    expect(info).toMatchObject(recognised);
    expect(info).toMatchObject({
      architecture: 'bitnet-b1.58',
      vocabularySize: 1536,
      tokenizer: { kind: 'byte-level BPE' },
      chatTemplate: 'file',
    });
    // Scales are no parameters, wherever they are. 4 layers: q and output 256², k and v 128·256, three matrices of
    // 512·256, norms 3·256 + 512; the embedding 1536·256; a norm.
    const layer = 2 * 256 ** 2 + 2 * 128 * 256 + 3 * 512 * 256 + 3 * 256 + 512;
    expect(info.parameterCount).toBe(4 * layer + 1536 * 256 + 256);
  });
});
