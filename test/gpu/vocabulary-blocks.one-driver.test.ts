// Embedding and LM head that a file has in Q4_0, Q4_K or Q6_K stay so on the GPU, and give what the file says.
import { describe, expect, test } from 'vitest';
import { bytesSource } from '../../src/files/byte-source';
import { parseGguf } from '../../src/formats/gguf';
import { LocalEngine, type EngineOptions } from '../../src/engine/engine';
import { collect } from '../support/collect';
import { shareContext } from '../support/engine';
import { expectFailure } from '../support/expect-failure';
import { relativeError } from '../support/golden';
import { oneFile } from '../support/model-files';
import { referenceLogits } from '../support/reference-model';
import { smallModel, VOCABULARY, type SmallModel, type SmallShape } from '../support/small-model';

const IDS = [256, 72, 101, 108, 108, 111, 44, 32, 119, 111, 114, 108, 100];
const BASE = { width: 256, ffnWidth: 512, heads: 4, kvHeads: 2, headDim: 64 } as const;
/** Whole blocks of 32 columns, and no whole pieces of 64. */
const NARROW = { width: 224, ffnWidth: 256, heads: 4, kvHeads: 2, headDim: 64 } as const;

/** Models, and how their embedding and head are kept. */
const MODELS: [string, SmallShape, Record<'embedding' | 'head', string>][] = [
  [
    'llama with an embedding in Q4_K and a head in Q6_K',
    {
      ...BASE,
      architecture: 'llama',
      encoding: 'TQ2_0',
      embedding: 'Q4_K',
      head: 'Q6_K',
      variedScales: true,
    },
    { embedding: 'Q4_K', head: 'Q6_K' },
  ],
  [
    'llama with an embedding in F16 and a head in Q4_K',
    { ...BASE, architecture: 'llama', encoding: 'TQ2_0', head: 'Q4_K' },
    { embedding: 'int8', head: 'Q4_K' },
  ],
  [
    'qwen3, tied, in Q4_0',
    { ...NARROW, architecture: 'qwen3', encoding: 'Q2_0', embedding: 'Q4_0', tied: true },
    { embedding: 'Q4_0', head: 'Q4_0' },
  ],
  [
    'minicpm, tied, in Q6_K',
    {
      ...BASE,
      architecture: 'minicpm',
      encoding: 'TQ2_0',
      embedding: 'Q6_K',
      scales: { embedding: 12, residual: 0.35, logits: 4 },
      tied: true,
    },
    { embedding: 'Q6_K', head: 'Q6_K' },
  ],
];

async function load({ bytes }: SmallModel, options: EngineOptions = {}): Promise<LocalEngine> {
  return LocalEngine.load(await shareContext(), oneFile(bytesSource(bytes)), { tuning: false, ...options });
}

/** The logits after IDS, and how embedding and head were kept. */
async function logitsOf(model: SmallModel, options: EngineOptions) {
  const engine = await load(model, options);
  const { embedding, head } = engine.info.codePaths;
  const logits = await engine.nextLogits(IDS);
  await engine.dispose();
  return { logits, kept: { embedding, head } };
}

describe.for(MODELS)('%s', async ([, shape, kept]) => {
  const model = await smallModel(shape);
  const isKept = kept.embedding === (shape.embedding ?? 'F16');

  test('without roundings of activations logits are those of the file, to float32', async () => {
    const actual = await logitsOf(model, { precision: 'exact', headPrecision: 'int8' });
    expect(actual.kept).toEqual(kept);
    const expected = referenceLogits(model, IDS, 'f32');
    // Measured: 0.00002 at most; with f16 in their place it is 0.0003. An embedding in int8 is off by half a percent.
    expect(relativeError(actual.logits, expected)).toBeLessThan(isKept ? 0.0001 : 0.03);
  });

  test('with f16 in their place there is no difference but that of f16', async () => {
    const exact = { precision: 'exact', kvCache: 'f16' } as const;
    const own = await logitsOf(model, { ...exact, headPrecision: 'int8' });
    const f16 = await logitsOf(model, { ...exact, headPrecision: 'f16' });
    expect(f16.kept).toEqual({ embedding: 'f16', head: 'f16' });
    // Each number is off by 2^-12 at most, and layers pass that on.
    if (isKept) expect(relativeError(own.logits, Array.from(f16.logits))).toBeLessThan(0.001);
  });

  test('all that is exact without asking for f16 keeps what is exact', async () => {
    const actual = await logitsOf(model, { precision: 'exact' });
    expect(actual.kept).toEqual({ ...kept, embedding: isKept ? kept.embedding : 'f16' });
    // What is in F16 in the file is in f16.
    expect(relativeError(actual.logits, referenceLogits(model, IDS, 'f32'))).toBeLessThan(0.0001);
  });

  test('generations take the likeliest token', async () => {
    const engine = await load(model);
    expect(engine.info.codePaths).toMatchObject(kept);
    const { tokenIds } = await collect(engine.createSession().generate({ tokenIds: IDS }, { maxTokens: 4 }));
    expect(tokenIds.length).toBeGreaterThan(0);
    for (let i = 0; i < tokenIds.length; i++) {
      const logits = await engine.nextLogits([...IDS, ...tokenIds.slice(0, i)]);
      const best = Math.max(...logits);
      const spread = Math.sqrt(logits.reduce((sum, value) => sum + value ** 2, 0) / VOCABULARY);
      // The head's activations are rounded there, so of two that are nearly the same it may take the other.
      expect(best - logits[tokenIds[i]!]!).toBeLessThan(0.05 * spread);
    }
    await engine.dispose();
  });
});

test('the tuner checks and times the head that there is', async () => {
  const engine = await load(await smallModel(MODELS[0]![1]), { tuning: true });
  const { chosen, rejected } = engine.info.kernels;
  expect(Object.keys(chosen)).toContain(`head ${VOCABULARY}x256 Q6_K`);
  expect(rejected).toEqual([]);
  await engine.dispose();
});

test('blocks that run over the ends of rows are kept as int8', async () => {
  // Rows of 200 columns are no whole blocks of 32; 288 of them are.
  const shape = {
    ...BASE,
    width: 200,
    architecture: 'qwen3',
    encoding: 'Q2_0',
    embedding: 'Q4_0',
    tied: true,
  } as const;
  const { kept } = await logitsOf(await smallModel(shape), {});
  expect(kept).toEqual({ embedding: 'int8', head: 'int8' });
});

test('a scale that is no finite number is refused with the name of its tensor', async () => {
  const model = await smallModel(MODELS[0]![1]);
  const { tensors } = await parseGguf(bytesSource(model.bytes));
  // The minimum of the first block, after its scale.
  new DataView(model.bytes.buffer).setUint16(tensors.get('token_embd.weight')!.offset + 2, 0x7e00, true);
  await expectFailure(load(model), 'corrupt-file', 'token_embd.weight');
});
