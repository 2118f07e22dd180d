// Small models of every architecture, in encodings and widths that no fixture has, against a float64 reference.
import { describe, expect, test } from 'vitest';
import type { ScaleGroup } from '../../src/formats/canonical';
import type { EncodingName } from '../../src/formats/encodings';
import { parseGguf } from '../../src/formats/gguf';
import { LocalEngine } from '../../src/engine/engine';
import type { ModelWeights } from '../../src/model/weights';
import { bytesSource } from '../../src/files/byte-source';
import { transformerOf } from '../../bench/core/internals';
import { collect } from '../support/collect';
import { shareContext } from '../support/engine';
import { relativeError, type Precision } from '../support/golden';
import { oneFile } from '../support/model-files';
import { normals } from '../support/reference';
import { referenceLogits, type ReferenceActivations } from '../support/reference-model';
import { expectFailure } from '../support/expect-failure';
import { smallModel, type SmallModel, type SmallShape } from '../support/small-model';

/** One token (the decode kernels), and more than a prefill tile has. */
const PROMPTS: readonly number[][] = [
  [65],
  [256, 72, 101, 108, 108, 111, 44, 32, 119, 111, 114, 108, 100, 33, 10, 84, 101, 114, 110, 105, 111, 110],
];

/** 200 columns are no multiple of 64 (nor 240 and 336, the other rows), and tensors still are whole blocks of 64 and 128. */
const RAGGED = { width: 200, ffnWidth: 336, heads: 5, kvHeads: 1, headDim: 48 } as const;
/** Of MiniCPM: none is near 1, so that one that is left out shows. */
const SCALES = { embedding: 12, residual: 0.35, logits: 4 } as const;
const NARROW_HEADS = { width: 128, ffnWidth: 192, heads: 4, kvHeads: 2, headDim: 36 } as const;
/** Heads wider than width / heads. */
const WIDE_HEADS = { width: 256, ffnWidth: 512, heads: 4, kvHeads: 2, headDim: 128 } as const;

async function load(model: SmallModel, precision: Precision): Promise<LocalEngine> {
  // With the vocabulary in f16, as the reference has it.
  const options = { precision, headPrecision: 'f16', tuning: false } as const;
  return LocalEngine.load(await shareContext(), oneFile(bytesSource(model.bytes)), options);
}

/** The relative errors of a model's logits after each prompt. */
async function errorsOf(
  model: SmallModel,
  precision: Precision,
  activations: ReferenceActivations,
): Promise<number[]> {
  const engine = await load(model, precision);
  const errors: number[] = [];
  for (const ids of PROMPTS) {
    errors.push(relativeError(await engine.nextLogits(ids), referenceLogits(model, ids, activations)));
  }
  await engine.dispose();
  return errors;
}

describe('trained with int8 activations', () => {
  const shapes: [string, SmallShape][] = [
    ['bitnet-b1.58', { ...RAGGED, architecture: 'bitnet-b1.58', encoding: 'I2_S' }],
    ['bitnet with relu2', { ...RAGGED, architecture: 'bitnet', encoding: 'Q2_0', hiddenActivation: 'relu2' }],
    [
      'bitnet with a scale a block',
      { ...WIDE_HEADS, architecture: 'bitnet', encoding: 'TQ2_0', variedScales: true },
    ],
    // As bitnet_b1_58-3B, whose heads have 100 dimensions: a multiple of 4, not of 8.
    ['bitnet with heads of 36', { ...NARROW_HEADS, architecture: 'bitnet', encoding: 'I2_S' }],
    ['llama, tied', { ...RAGGED, architecture: 'llama', encoding: 'I2_S', tied: true }],
  ];
  test.for(shapes)('%s', async ([, shape]) => {
    const [one, many] = await errorsOf(await smallModel(shape), 'fast', 'int8-token');
    // As for the golden files: f32 may round an activation to the other side of a step.
    expect(one).toBeLessThan(0.03);
    expect(many).toBeLessThan(0.03);
  });
});

describe('with ternary weights alone', () => {
  const ropeFactors = normals(64, 5).map((value) => 1 + Math.abs(value));
  const longrope = { attentionFactor: 1.1, short: ropeFactors, long: ropeFactors.map((value) => 2 * value) };
  const shapes: [string, SmallShape][] = [
    ['llama', { ...RAGGED, architecture: 'llama', encoding: 'Q2_0' }],
    ['llama with rope_freqs', { ...WIDE_HEADS, architecture: 'llama', encoding: 'TQ1_0', ropeFactors }],
    [
      'llama with a scale a block',
      { ...WIDE_HEADS, architecture: 'llama', encoding: 'TQ2_0', variedScales: true },
    ],
    ['minicpm', { ...WIDE_HEADS, architecture: 'minicpm', encoding: 'TQ2_0', scales: SCALES, tied: true }],
    [
      'minicpm with a scale a block, in a context as long as the original one',
      {
        ...WIDE_HEADS,
        architecture: 'minicpm',
        encoding: 'TQ2_0',
        scales: SCALES,
        variedScales: true,
        longrope: { ...longrope, originalContext: 128 },
      },
    ],
    [
      'minicpm in a longer context than the original one',
      {
        ...WIDE_HEADS,
        architecture: 'minicpm',
        encoding: 'TQ2_0',
        scales: SCALES,
        longrope: { ...longrope, originalContext: 64 },
      },
    ],
    ['qwen3', { ...RAGGED, architecture: 'qwen3', encoding: 'I2_S', tied: true }],
    [
      'qwen3 with YaRN',
      { ...WIDE_HEADS, architecture: 'qwen3', encoding: 'PQ2_0', yarn: { factor: 4, originalContext: 256 } },
    ],
    [
      'qwen3 with a scale for 128 weights, and weights of +2',
      { ...WIDE_HEADS, architecture: 'qwen3', encoding: 'Q2_0_128', variedScales: true, twos: true },
    ],
  ];
  describe.for(shapes)('%s', ([, shape]) => {
    test('exact activations reproduce the reference', async () => {
      const [one, many] = await errorsOf(await smallModel(shape), 'exact', 'f32');
      expect(one).toBeLessThan(0.001);
      expect(many).toBeLessThan(0.001);
    });

    test('int8 in groups comes near it', async () => {
      const [one, many] = await errorsOf(await smallModel(shape), 'fast', 'f32');
      // The bound of the golden files, measured here: 0.01 to 0.03.
      expect(one).toBeLessThan(0.05);
      expect(many).toBeLessThan(0.05);
      expect(many).toBeGreaterThan(0);
    });
  });

  test('prefill, then decode token by token, takes the ids that the reference takes', async () => {
    const model = await smallModel({ ...RAGGED, architecture: 'qwen3', encoding: 'Q2_0', seed: 2 });
    const engine = await load(model, 'exact');
    const prompt = PROMPTS[1]!;
    const { tokenIds } = await collect(
      engine.createSession().generate({ tokenIds: prompt }, { maxTokens: 8 }),
    );
    await engine.dispose();
    for (const [i, id] of tokenIds.entries()) {
      const logits = referenceLogits(model, [...prompt, ...tokenIds.slice(0, i)], 'f32');
      // The best one, or as good.
      expect(Math.max(...logits) - logits[id]!).toBeLessThan(0.01);
    }
    expect(tokenIds.length).toBeGreaterThan(0);
  });
});

describe('embedding, head and norms in every encoding', () => {
  const encodings: EncodingName[] = [
    ...(['F32', 'F16', 'BF16', 'Q8_0', 'Q4_0', 'Q4_K', 'Q6_K'] as const),
    ...(['I2_S', 'TQ1_0', 'TQ2_0', 'Q2_0', 'Q2_0_128'] as const),
  ];
  test.for(encodings)('%s', async (embedding) => {
    const norms = embedding === 'F16' || embedding === 'BF16' ? embedding : 'F32';
    const shape = { ...WIDE_HEADS, architecture: 'llama', encoding: 'TQ2_0', layers: 1 } as const;
    const model = await smallModel({ ...shape, embedding, norms, variedScales: true });
    const errors = await errorsOf(model, 'exact', 'f32');
    // What is not exact in f16 (F32, products of scales) loses 2^-12 of each number at most.
    for (const error of errors) expect(error).toBeLessThan(0.001);
  });
});

test('a number beyond the range of f16 in the embedding is refused, not made infinite', async () => {
  const shape = { ...RAGGED, architecture: 'llama', encoding: 'I2_S', embedding: 'F32', layers: 1 } as const;
  const model = await smallModel(shape);
  const { tensors } = await parseGguf(bytesSource(model.bytes));
  const at = tensors.get('token_embd.weight')!.offset;
  new DataView(model.bytes.buffer).setFloat32(at, 65520, true);
  await expectFailure(load(model, 'fast'), 'unsupported-feature', 'token_embd.weight');
  // The largest that f16 rounds to a number.
  new DataView(model.bytes.buffer).setFloat32(at, 65519, true);
  await (await load(model, 'fast')).dispose();
});

describe('scales are kept', () => {
  /** The groups that the scales of the matrices of layer 0 are kept in. */
  async function groupsOf(variedScales: boolean): Promise<ScaleGroup[]> {
    const shape = { ...WIDE_HEADS, architecture: 'bitnet', encoding: 'TQ2_0', layers: 1 } as const;
    const engine = await load(await smallModel({ ...shape, variedScales }), 'fast');
    const { weights } = transformerOf(engine) as unknown as { weights: ModelWeights };
    const { qkv, attnOutput, gateUp, ffnDown } = weights.layers[0]!;
    await engine.dispose();
    return [qkv, attnOutput, gateUp, ffnDown].map(({ scaleGroup }) => scaleGroup);
  }

  test('once a row where the blocks of every row have the same', async () => {
    expect(await groupsOf(false)).toEqual(['row', 'row', 'row', 'row']);
  });

  test('once a block where they differ, and rows have more than one', async () => {
    // q, k, v, gate and up have rows of one block of 256; attn_output and ffn_down of two.
    expect(await groupsOf(true)).toEqual(['row', 256, 'row', 256]);
  });
});
