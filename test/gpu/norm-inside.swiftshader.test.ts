// A model without norms inside of attention and FFN, whose matrices make their own input in decode: golden logits, token by token.
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { GpuContext } from '../../src/gpu/context';
import { shareContext } from '../support/engine';
import { checkLogits, type Golden } from '../support/golden';
import { PinnedModel } from '../support/pinned-model';

const NAME = 'test/fixtures/random-llama-i2_s';

describe('a model without norms inside of attention and FFN', () => {
  let gpu: GpuContext;
  beforeAll(async () => {
    gpu = await shareContext();
  });
  afterAll(() => gpu.destroy());

  it('has golden logits token by token where its matrices make their own input', async () => {
    const golden = JSON.parse(await readFile(`${NAME}.golden.json`, 'utf8')) as Golden;
    const model = await PinnedModel.load(gpu, `${NAME}.gguf`, { headPrecision: 'f16' });
    const decodeMatmul = { blocks: 1, tokens: 1, split: 8, products: 'bytes', broadcast: false } as const;
    const transformer = await model.with({ decodeMatmul: { ...decodeMatmul, fused: true } });
    const { decode } = await transformer.forwardPass(await model.cache(transformer));
    expect(decode.filter(({ label }) => label.startsWith('norm + matmul'))).toHaveLength(
      4 * transformer.config.layers,
    );
    expect(decode.map(({ label }) => label)).not.toContain('norm');
    for (const each of golden.cases) {
      checkLogits(await model.logits(transformer, each.ids, { stepwise: true }), each, golden.activations);
    }
  });
});
