// Packed Hugging Face models: which files are found, and what config.json and the tensors come to.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { architectures } from '../../../src/model/architectures';
import { checkTensors } from '../../../src/model/load';
import type { ModelFile, PackedMatrix } from '../../../src/model/model-file';
import { openModel } from '../../../src/model/open-model';
import { Tokenizer } from '../../../src/tokenizer';
import { files, folder, oneFile, without } from '../../support/model-files';
import { packedModel, readSafetensors, shard, writeSafetensors } from '../../support/safetensors-writer';
import { expectFailure } from '../../support/expect-failure';

const tiny = folder('test/fixtures/models/ternion-tiny-safetensors');
const { 'model.safetensors': weights, ...side } = tiny as Record<string, Uint8Array> & {
  'model.safetensors': Uint8Array;
};
const gguf = readFileSync(new URL('../../../public/models/ternion-tiny-i2_s.gguf', import.meta.url));

function json(bytes: Uint8Array | undefined): Record<string, unknown> {
  return JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown>;
}

/** The small model with `main` first. */
function open(main: string, all: Record<string, unknown> = tiny): Promise<ModelFile> {
  return openModel(files({ [main]: all[main], ...all }), architectures);
}

describe('a packed model', () => {
  it('is the model that its GGUF file is', async () => {
    const model = await open('model.safetensors');
    const theirs = await openModel(oneFile(gguf), architectures);
    expect(model.format).toBe('safetensors');
    expect(model.config).toEqual({ ...theirs.config, name: 'bitnet-b1.58' });
    const shapes = ({ tensors }: ModelFile): Map<string, readonly number[]> =>
      new Map([...tensors].map(([name, { shape }]) => [name, shape]));
    expect(shapes(model)).toEqual(shapes(theirs));
    expect(() => checkTensors(model)).not.toThrow();
    const [ours, expected] = [new Tokenizer(model.tokenizer), new Tokenizer(theirs.tokenizer)];
    expect(ours.encode('Count from 3 to 9. 😀')).toEqual(expected.encode('Count from 3 to 9. 😀'));
    expect(ours.endIds).toEqual(expected.endIds);
  });

  it.each(['config.json', 'model.safetensors'])('is found from %s', async (main) => {
    expect((await open(main)).tensors.size).toBe((await open('config.json')).tensors.size);
  });

  it('is found in shards, from the index, from config.json and from any shard', async () => {
    const stored = readSafetensors(weights);
    const all = { ...side, ...shard(stored, 3) };
    const expected = await open('config.json');
    const mains = Object.keys(all).filter((name) => /^config|index|-of-/.test(name));
    expect(mains).toHaveLength(5);
    for (const main of mains) {
      const model = await open(main, all);
      expect([...model.tensors.keys()].sort()).toEqual([...expected.tensors.keys()].sort());
      for (const [name, { file, offset, byteLength }] of model.tensors) {
        const theirs = expected.tensors.get(name)!;
        const bytes = await model.sources[file]!.read(offset, byteLength);
        const whole = await expected.sources[0]!.read(theirs.offset, byteLength);
        if (Buffer.compare(bytes, whole) !== 0) expect.fail(`${name} has other bytes`);
      }
    }
  });

  it('has scales that multiply or divide, as config.json says', async () => {
    const config = json(side['config.json']);
    const divides = async (changes: Record<string, unknown>): Promise<boolean> => {
      const quantization = { quant_method: 'bitnet', ...changes };
      const all = { ...tiny, 'config.json': { ...config, quantization_config: quantization } };
      const { tensors } = await open('config.json', all);
      return (tensors.get('blk.3.ffn_up.weight') as PackedMatrix).scale.divides;
    };
    expect(await divides({ linear_class: 'autobitlinear' })).toBe(false);
    expect(await divides({ linear_class: 'bitlinear' })).toBe(true);
    expect(await divides({})).toBe(true);
  });

  it('ends answers at what generation_config.json names, and takes a template from a file of its own', async () => {
    const { chat_template: template, ...config } = json(side['tokenizer_config.json']);
    const all = {
      ...tiny,
      'tokenizer_config.json': config,
      'chat_template.jinja': 'own',
      'generation_config.json': { eos_token_id: [1534, 7] },
    };
    const { tokenizer } = await open('config.json', all);
    expect(template).toBeTypeOf('string');
    expect(tokenizer.chatTemplate).toBe('own');
    expect(tokenizer.endIds).toContain(7);
  });

  it.each(['config.json', 'tokenizer.json', 'model.safetensors'])(
    'is refused without %s, which the error names',
    async (missing) => {
      const others = without(tiny, missing);
      const main = missing === 'config.json' ? 'model.safetensors' : 'config.json';
      await expectFailure(open(main, others), 'corrupt-file', missing);
    },
  );

  it('is refused without a shard, or a tensor that a shard should have', async () => {
    const all: Record<string, unknown> = { ...side, ...shard(readSafetensors(weights), 2) };
    const second = 'model-00002-of-00002.safetensors';
    const { [second]: bytes, ...others } = all;
    await expectFailure(open('config.json', others), 'corrupt-file', second);
    const first = readSafetensors(all['model-00001-of-00002.safetensors'] as Uint8Array);
    const rest = without(first, 'model.norm.weight');
    const damaged = {
      ...others,
      [second]: bytes,
      'model-00001-of-00002.safetensors': writeSafetensors(rest),
    };
    await expectFailure(open('config.json', damaged), 'corrupt-file', 'model.norm.weight');
  });
});

describe('a packed llama', () => {
  const shape = { layers: 2, width: 64, ffnWidth: 128, heads: 4, kvHeads: 2, vocabulary: 1536, head: true };
  const config = {
    model_type: 'llama',
    hidden_act: 'silu',
    hidden_size: 64,
    intermediate_size: 128,
    num_hidden_layers: 2,
    num_attention_heads: 4,
    num_key_value_heads: 2,
    max_position_embeddings: 131072,
    rms_norm_eps: 1e-5,
    rope_theta: 500000,
    tie_word_embeddings: false,
    quantization_config: { quant_method: 'bitnet', modules_to_not_convert: null },
  };

  function openLlama(changes: Record<string, unknown> = {}, head = true): Promise<ModelFile> {
    const all = {
      'config.json': { ...config, ...changes },
      'model.safetensors': writeSafetensors(packedModel({ ...shape, head }, 2)),
      'tokenizer.json': side['tokenizer.json'],
      'tokenizer_config.json': side['tokenizer_config.json'],
    };
    return openModel(files(all), architectures);
  }

  it('turns NeoX pairs, whatever GGUF files of its architecture do', async () => {
    const { config } = await openLlama();
    expect(config).toMatchObject({
      architecture: 'llama',
      ropePairs: 'neox',
      activation: 'silu',
      headDim: 16,
      rotary: 16,
      ropeTheta: 500000,
      contextLength: 131072,
    });
  });

  it('has a head of its own, unless it is tied or there is none', async () => {
    expect((await openLlama()).config.tiedHead).toBe(false);
    const tied = await openLlama({ tie_word_embeddings: true });
    expect(tied.config.tiedHead).toBe(true);
    expect(tied.tensors.has('output.weight')).toBe(false);
    expect((await openLlama({ tie_word_embeddings: undefined }, false)).config.tiedHead).toBe(true);
    await expectFailure(openLlama({}, false), 'corrupt-file', 'lm_head.weight');
  });

  it('may have heads of another width, theta in rope_parameters, and a part of each head turned', async () => {
    const parameters = { rope_type: 'default', rope_theta: 7, partial_rotary_factor: 0.25 };
    const { config } = await openLlama({ head_dim: 32, rope_theta: undefined, rope_parameters: parameters });
    expect(config).toMatchObject({ headDim: 32, rotary: 8, ropeTheta: 7 });
  });

  const yarn = { rope_type: 'yarn', factor: 4, original_max_position_embeddings: 8192 };
  it.each([
    ['in rope_scaling', { rope_scaling: yarn }, {}],
    ['in rope_parameters', { rope_parameters: { ...yarn, rope_theta: 7 } }, {}],
    [
      'with a magnitude of its own',
      { rope_scaling: { ...yarn, attention_factor: 1 } },
      { attentionFactor: 1 / (1 + 0.1 * Math.log(4)) },
    ],
    [
      'with the magnitudes of DeepSeek',
      { rope_scaling: { ...yarn, mscale: 2, mscale_all_dim: 1 } },
      {
        attentionFactor: expect.closeTo((1 + 0.2 * Math.log(4)) / (1 + 0.1 * Math.log(4)) ** 2, 12) as number,
      },
    ],
    ['with betas', { rope_scaling: { ...yarn, beta_fast: 16, beta_slow: 2 } }, { betaFast: 16, betaSlow: 2 }],
    [
      'from the whole context, where none is named',
      { rope_scaling: { type: 'yarn', factor: 4 } },
      { originalContext: 131072 },
    ],
  ])('has YaRN %s', async (_name, changes, differs) => {
    const { config } = await openLlama(changes);
    expect(config.ropeScaling).toEqual({
      kind: 'yarn',
      factor: 4,
      originalContext: 8192,
      betaFast: 32,
      betaSlow: 1,
      extrapolation: 1,
      attentionFactor: 1,
      ...differs,
    });
  });

  it('has linear scaling, or none by a factor of 1', async () => {
    const scaled = async (factor: number) =>
      (await openLlama({ rope_scaling: { type: 'linear', factor } })).config.ropeScaling;
    expect(await scaled(4)).toEqual({ kind: 'linear', factor: 4 });
    expect(await scaled(1)).toEqual({ kind: 'none' });
  });

  it('has the RoPE factors of Llama 3.1 that a converter writes', async () => {
    const scaling = {
      rope_type: 'llama3',
      factor: 8,
      low_freq_factor: 1,
      high_freq_factor: 4,
      original_max_position_embeddings: 8192,
    };
    const { tensors, sources } = await openLlama({ head_dim: 128, rope_scaling: scaling });
    const { shape, encoding, file, offset, byteLength } = tensors.get('rope_freqs.weight')!;
    expect({ shape, encoding }).toEqual({ shape: [64], encoding: 'F32' });
    const bytes = Uint8Array.from(await sources[file]!.read(offset, byteLength));
    const factors = new Float32Array(bytes.buffer);
    // Wavelengths 2π · 500000^(i/64): below 2048 (8192 / 4) up to i = 28, beyond 8192 from i = 35 on.
    expect(factors.subarray(0, 29).every((factor) => factor === 1)).toBe(true);
    expect(factors.subarray(35).every((factor) => factor === 8)).toBe(true);
    const smooth = (8192 / (2 * Math.PI * 500000 ** (32 / 64)) - 1) / 3;
    expect(factors[32]).toBeCloseTo(1 / ((1 - smooth) / 8 + smooth), 5);
  });
});
