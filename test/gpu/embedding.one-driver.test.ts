// Vectors of texts: what an embedding model makes of them, against a float64 reference.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { LocalEngine, type EngineOptions } from '../../src/engine/engine';
import { bytesSource } from '../../src/files/byte-source';
import { collect } from '../support/collect';
import { shareContext } from '../support/engine';
import { expectFailure } from '../support/expect-failure';
import { fixtureFiles, oneFile } from '../support/model-files';
import { referenceLast } from '../support/reference-model';
import { smallModel, type SmallModel, type SmallShape } from '../support/small-model';
import { TINY } from '../support/watched-engine';

/** As BitNet-embedding 0.6B: heads wider than width / heads, norms in F16. 200 columns are no multiple of 64. */
const SHAPE: SmallShape = {
  architecture: 'qwen3',
  width: 200,
  ffnWidth: 336,
  heads: 6,
  kvHeads: 2,
  headDim: 48,
  encoding: 'I2_S',
  norms: 'F16',
  contextLength: 256,
  perMatrixNorms: true,
  embeds: true,
};
const EOS = 257;

const TEXTS = [
  'a',
  'The capital of Switzerland is Bern.',
  'Grüezi mitenand! 你好',
  // More than the 128 tokens of a prefill chunk.
  'long '.repeat(40),
];

async function load(model: SmallModel, options: EngineOptions = {}): Promise<LocalEngine> {
  const files = oneFile(bytesSource(model.bytes));
  return LocalEngine.load(await shareContext(), files, { tuning: false, ...options });
}

function cosine(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let [product, aa, bb] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    product += a[i]! * b[i]!;
    aa += a[i]! ** 2;
    bb += b[i]! ** 2;
  }
  return product / Math.sqrt(aa * bb);
}

/** The least cosine between what the engine and what the reference makes of each text. */
async function leastCosine(engine: LocalEngine, model: SmallModel): Promise<number> {
  const vectors = await engine.embed(TEXTS);
  const cosines: number[] = [];
  for (const [i, text] of TEXTS.entries()) {
    const ids = [...(await engine.tokenize(text, { addBos: true })), EOS];
    cosines.push(cosine(vectors[i]!, referenceLast(model, ids, 'int8-token')));
  }
  return Math.min(...cosines);
}

describe('a model with a norm before each matrix', () => {
  let model: SmallModel;
  let engine: LocalEngine;
  beforeAll(async () => {
    model = await smallModel(SHAPE);
    engine = await load(model);
  });
  afterAll(() => engine.dispose());

  test('makes the vectors of the reference', async () => {
    expect(engine.info.codePaths.activations).toBe('int8-token');
    expect(engine.info.encodings).toMatchObject({ layers: 'I2_S', norms: 'F16' });
    expect(await leastCosine(engine, model)).toBeGreaterThan(0.999);
  });

  test('makes them of length 1', async () => {
    for (const vector of await engine.embed(TEXTS)) {
      expect(vector).toHaveLength(SHAPE.width);
      expect(vector.reduce((sum, value) => sum + value ** 2, 0)).toBeCloseTo(1, 5);
    }
  });

  test('makes the same ones whatever the order and the number of texts', async () => {
    const together = await engine.embed(TEXTS);
    const reversed = await engine.embed(TEXTS.toReversed());
    expect(reversed.toReversed()).toEqual(together);
    for (const [i, text] of TEXTS.entries()) expect(await engine.embed(text)).toEqual([together[i]]);
    // And different ones of different texts.
    expect(cosine(together[0]!, together[1]!)).toBeLessThan(0.99);
  });

  test('puts a prefix in front', async () => {
    const prefix = 'Instruct: Find it.\nQuery: ';
    expect(await engine.embed(['a', 'b'], { prefix })).toEqual(
      await engine.embed([`${prefix}a`, `${prefix}b`]),
    );
  });

  test('takes a control token that is spelled out for text', async () => {
    const [spelled, plain] = await engine.embed(['a<|end|>', 'a']);
    expect(cosine(spelled!, plain!)).toBeLessThan(0.999);
  });

  test('takes texts as long as the context, and no longer ones', async () => {
    // Begin and end take two of 256.
    const [vector] = await engine.embed('x'.repeat(254));
    expect(vector!.every(Number.isFinite)).toBe(true);
    await expectFailure(
      engine.embed(['a', 'x'.repeat(255)]),
      'context-overflow',
      /Text 1 has 257 tokens.*256/,
    );
  });

  test('has nothing for no texts', async () => {
    expect(await engine.embed([])).toEqual([]);
  });

  test('stops when the signal fires, and goes on with the next call', async () => {
    const controller = new AbortController();
    const aborted = engine.embed(TEXTS, { signal: controller.signal });
    controller.abort();
    await expectFailure(aborted, 'aborted');
    await expect(engine.embed('a')).resolves.toHaveLength(1);
  });

  test('does not generate', async () => {
    await expectFailure(engine.nextLogits([1]), 'unsupported-feature', /makes embeddings/);
    const session = engine.createSession();
    await expectFailure(collect(session.generate('a')), 'unsupported-feature', /makes embeddings/);
    await session.dispose();
  });
});

test('a tuned engine makes the vectors of the reference, too', async () => {
  const model = await smallModel({ ...SHAPE, seed: 2 });
  const engine = await load(model, { tuning: true });
  expect(engine.info.kernels.rejected).toEqual([]);
  expect(await leastCosine(engine, model)).toBeGreaterThan(0.999);
  await engine.dispose();
});

test('a model without these norms makes embeddings, too, if its file says so', async () => {
  const model = await smallModel({ ...SHAPE, perMatrixNorms: false, architecture: 'llama' });
  const engine = await load(model);
  expect(await leastCosine(engine, model)).toBeGreaterThan(0.999);
  await engine.dispose();
});

test('a model that generates makes no embeddings', async () => {
  const gpu = await shareContext();
  const engine = await LocalEngine.load(gpu, fixtureFiles(TINY), { tuning: false });
  await expectFailure(engine.embed('a'), 'unsupported-feature', /makes no embeddings.*pooling_type/);
  await engine.dispose();
});
