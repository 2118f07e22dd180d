// Every variant that the tuner can pick, pinned: golden logits and greedy answers do not depend on the choice.
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { GpuContext, PipelineSpec } from '../../src/gpu/context';
import { LocalEngine, type EngineOptions } from '../../src/engine/engine';
import { storeInMemory } from '../../src/gpu/tuning-memory';
import { candidates, type Variants } from '../../src/inference/variants';
import type { AttentionShape } from '../../src/kernels/kv-layout';
import type { Activations } from '../../src/model/activations';
import { collect } from '../support/collect';
import { requestDevice } from '../support/dawn';
import { shareContext } from '../support/engine';
import {
  checkLogits,
  relativeError,
  type Golden,
  type GoldenPrompt,
  type Precision,
} from '../support/golden';
import { oneFile } from '../support/model-files';
import { PinnedModel } from '../support/pinned-model';

const RANDOM = 'test/fixtures/random-bitnet-b1.58-i2_s';
// Of both models.
const SHAPE: AttentionShape = { heads: 4, kvHeads: 2, headDim: 64 };
/** Models whose kernels have other forms, and the kernels that have them. */
const OTHERS: {
  name: string;
  shape: AttentionShape;
  precision: Precision;
  activations: Activations;
  kernels: (keyof Variants)[];
}[] = [
  // Scales of groups of activations and weights, and heads of 128.
  {
    name: 'random-qwen3-q2_0',
    shape: { heads: 4, kvHeads: 1, headDim: 128 },
    precision: 'fast',
    activations: 'int8-group',
    kernels: ['decodeMatmul', 'prefillMatmul', 'attention', 'normThreads'],
  },
  // Activations that are not rounded.
  {
    name: 'random-qwen3-q2_0',
    shape: { heads: 4, kvHeads: 1, headDim: 128 },
    precision: 'exact',
    activations: 'f32',
    kernels: ['decodeMatmul', 'prefillMatmul', 'normThreads'],
  },
];
const TINY = 'public/models/ternion-tiny-i2_s.gguf';
const read = async <T>(path: string): Promise<T> => JSON.parse(await readFile(path, 'utf8')) as T;

/** The candidates of software adapters and of GPUs; with subgroups of 4 and of 8. */
async function allVariants(
  shape: AttentionShape,
  activations: Activations = 'int8-token',
): Promise<Partial<Variants>[]> {
  const device = await requestDevice();
  const base = { shaderF16: false, packedDot: true, timestamps: false, vendor: 'unknown' as const };
  const lanes = device.adapterInfo.subgroupMaxSize ?? 0;
  device.destroy();
  const software = [4, 8].map((size) =>
    candidates(
      { ...base, subgroups: true, subgroupMinSize: size, subgroupMaxSize: size },
      shape,
      activations,
    ),
  );
  const none = { ...base, subgroups: false, subgroupMinSize: 0, subgroupMaxSize: 0 };
  const lists = [candidates(none, shape, activations)];
  if (lanes > 0) lists.push(...software);
  const pinned = lists.flatMap((list) =>
    Object.entries(list).flatMap(([kernel, variants]) => variants.map((variant) => ({ [kernel]: variant }))),
  );
  return [...new Map(pinned.map((each) => [JSON.stringify(each), each])).values()];
}

describe('every variant', async () => {
  const golden = await read<Golden>(`${RANDOM}.golden.json`);
  const prompts = await read<GoldenPrompt[]>('test/fixtures/prompts.json');
  const prompt = prompts.find(({ sure, greedy }) => sure === greedy.length)!;
  let gpu: GpuContext;
  let random: PinnedModel;
  let tiny: PinnedModel;
  let reference: Float32Array[];
  beforeAll(async () => {
    gpu = await shareContext();
    // With its vocabulary in f16, as the reference has it; the other has it in int8.
    random = await PinnedModel.load(gpu, `${RANDOM}.gguf`, { headPrecision: 'f16' });
    tiny = await PinnedModel.load(gpu, TINY, {});
    const transformer = await random.with({});
    reference = [];
    for (const { ids } of golden.cases) reference.push(await random.logits(transformer, ids));
  });
  afterAll(() => gpu.destroy());

  it.for(await allVariants(SHAPE))('%j reproduces golden logits and greedy ids', async (variants) => {
    const transformer = await random.with(variants);
    for (const [i, each] of golden.cases.entries()) {
      const logits = await random.logits(transformer, each.ids);
      checkLogits(logits, each, golden.activations);
      if (variants.decodeMatmul?.fused) {
        // Rounds differently what stands before the product; and most of that shows only where tokens go one by one.
        const stepwise = await random.logits(transformer, each.ids, { stepwise: true });
        checkLogits(stepwise, each, golden.activations);
      } else if ('decodeMatmul' in variants || 'prefillMatmul' in variants) {
        // Matrix products are exact, so matrix variants agree to the last bit; sums of the others round differently.
        expect(relativeError(logits, Array.from(reference[i]!))).toBe(0);
      }
    }
    const { promptIds, greedy } = prompt;
    expect(await tiny.greedy(await tiny.with(variants), promptIds, greedy.length)).toEqual(greedy);
  });
});

describe.for(OTHERS)(
  'every variant of $kernels for $name ($precision)',
  async ({ name, shape, precision, activations, kernels }) => {
    const golden = await read<Golden>(`test/fixtures/${name}.golden.json`);
    const variants = await allVariants(shape, activations);
    const own = variants.filter((pinned) => kernels.some((kernel) => kernel in pinned));
    let gpu: GpuContext;
    let model: PinnedModel;
    beforeAll(async () => {
      gpu = await shareContext();
      model = await PinnedModel.load(gpu, `test/fixtures/${name}.gguf`, { precision, headPrecision: 'f16' });
    });
    afterAll(() => gpu.destroy());

    it.for(own)('%j reproduces golden logits', async (pinned) => {
      const transformer = await model.with(pinned);
      for (const each of golden.cases) {
        checkLogits(await model.logits(transformer, each.ids), each, golden.activations, precision);
      }
    });
  },
);

describe('a model without norms inside of attention and FFN', () => {
  let gpu: GpuContext;
  beforeAll(async () => {
    gpu = await shareContext();
  });
  afterAll(() => gpu.destroy());

  it('has golden logits token by token where its matrices make their own input', async () => {
    const name = 'random-llama-i2_s';
    const golden = await read<Golden>(`test/fixtures/${name}.golden.json`);
    const model = await PinnedModel.load(gpu, `test/fixtures/${name}.gguf`, { headPrecision: 'f16' });
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

describe('a driver that miscompiles', () => {
  /** Loads with the stores of a matmul of these block counts compiled into something else. */
  async function loadSabotaged(
    isWrong: (spec: PipelineSpec) => boolean,
    options: EngineOptions = {},
  ): Promise<LocalEngine> {
    const gpu = await shareContext();
    const compile = gpu.pipeline.bind(gpu);
    gpu.pipeline = (spec) =>
      compile(
        isWrong(spec)
          ? { ...spec, conditions: { ...spec.conditions, add: !spec.conditions?.['add'] } }
          : spec,
      );
    try {
      return await LocalEngine.load(gpu, oneFile(await readFile(TINY)), options);
    } catch (error) {
      expect(gpu.bytes).toBe(0);
      throw error;
    }
  }

  it('costs a variant, not an answer: it is rejected and named', async () => {
    const engine = await loadSabotaged(
      (spec) => spec.shader === 'ternary_matmul' && spec.constants?.['BLOCKS'] === 4,
    );
    expect(engine.info.kernels.rejected.join()).toContain('"blocks":4');
    expect(JSON.stringify(engine.info.kernels.chosen)).not.toContain('"blocks\\":4,\\"tokens');
    expect((await collect(engine.createSession().send('Spell planet.'))).text).toBe('p-l-a-n-e-t');
    await engine.dispose();
  });

  it('is not believed on the next load either, which checks nothing again', async () => {
    const options = { tuning: false, tuningStore: storeInMemory() };
    const first = await loadSabotaged(
      (spec) => spec.shader === 'ternary_matmul' && spec.constants?.['BLOCKS'] === 4,
      options,
    );
    const { rejected, chosen } = first.info.kernels;
    expect(rejected.join()).toContain('"blocks":4');
    await first.dispose();
    const checked: string[] = [];
    const second = await loadSabotaged(({ shader, constants }) => {
      checked.push(`${shader} ${JSON.stringify(constants)}`);
      return false;
    }, options);
    expect(second.info.kernels).toEqual({ rejected, chosen });
    expect(checked.filter((each) => each.startsWith('ternary_matmul {"BLOCKS":4'))).toEqual([]);
    expect((await collect(second.createSession().send('Spell planet.'))).text).toBe('p-l-a-n-e-t');
    await second.dispose();
  });

  it('fails the load where no variant is right, and leaves nothing on the GPU', async () => {
    const load = loadSabotaged((spec) => spec.shader === 'ternary_matmul');
    await expect(load).rejects.toMatchObject({ code: 'kernel-check-failed' });
  });
});
