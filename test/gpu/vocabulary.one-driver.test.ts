// Embedding and LM head that a file has in ternary codes stay so on the GPU, and give what the file says.
import { describe, expect, test } from 'vitest';
import { bytesSource } from '../../src/files/byte-source';
import { LocalEngine, type EngineOptions } from '../../src/engine/engine';
import { collect } from '../support/collect';
import { shareContext } from '../support/engine';
import { relativeError } from '../support/golden';
import { oneFile } from '../support/model-files';
import { referenceLogits } from '../support/reference-model';
import { smallModel, VOCABULARY, type SmallShape } from '../support/small-model';

const IDS = [256, 72, 101, 108, 108, 111, 44, 32, 119, 111, 114, 108, 100];
const BASE = { width: 256, ffnWidth: 512, heads: 4, kvHeads: 2, headDim: 64 } as const;

const SHAPES: [string, SmallShape][] = [
  [
    'qwen3, tied, a scale for 64',
    { ...BASE, architecture: 'qwen3', encoding: 'Q2_0', embedding: 'Q2_0', variedScales: true, tied: true },
  ],
  [
    'qwen3, tied, a scale for 128',
    { ...BASE, architecture: 'qwen3', encoding: 'PQ2_0', embedding: 'PQ2_0', variedScales: true, tied: true },
  ],
  [
    'llama with a head of its own, one scale',
    { ...BASE, architecture: 'llama', encoding: 'TQ2_0', embedding: 'TQ2_0' },
  ],
  [
    'bitnet in I2_S, whose scale is behind the codes',
    { ...BASE, architecture: 'bitnet', encoding: 'I2_S', embedding: 'I2_S', tied: true },
  ],
];

describe.for(SHAPES)('%s', async ([, shape]) => {
  const model = await smallModel(shape);
  const trained = shape.encoding === 'I2_S';

  async function load(options: EngineOptions = {}): Promise<LocalEngine> {
    const gpu = await shareContext();
    const files = oneFile(bytesSource(model.bytes));
    const engine = await LocalEngine.load(gpu, files, { tuning: false, ...options });
    expect(engine.info.codePaths).toMatchObject({ embedding: 'ternary', head: 'ternary' });
    return engine;
  }

  test('logits are those of the file', async () => {
    const engine = await load();
    const expected = referenceLogits(model, IDS, trained ? 'int8-token' : 'f32');
    // As for the golden files: int8 rounding may fall to either side, or is not done by the reference.
    expect(relativeError(await engine.nextLogits(IDS), expected)).toBeLessThan(trained ? 0.03 : 0.05);
    await engine.dispose();
  });

  test('without roundings they are so to float32', async () => {
    if (trained) return;
    const engine = await load({ precision: 'exact' });
    const expected = referenceLogits(model, IDS, 'f32');
    expect(relativeError(await engine.nextLogits(IDS), expected)).toBeLessThan(0.001);
    await engine.dispose();
  });

  test('generations take the likeliest token of them', async () => {
    const engine = await load();
    const session = engine.createSession();
    const { tokenIds } = await collect(session.generate({ tokenIds: IDS }, { maxTokens: 4 }));
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
