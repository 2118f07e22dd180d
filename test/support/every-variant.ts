// Forward passes with pinned kernel variants, against golden logits and greedy answers. Several kernels have a variant pinned at once, so
// that there are as many passes as the longest list has variants, and not as all have together.
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { GpuContext } from '../../src/gpu/context';
import type { Variants } from '../../src/inference/variants';
import type { AttentionShape } from '../../src/kernels/kv-layout';
import type { Activations } from '../../src/model/activations';
import { storeInMemory } from '../../src/gpu/tuning-memory';
import { shareContext } from './engine';
import { checkLogits, relativeError, type Golden, type GoldenPrompt, type Precision } from './golden';
import { PinnedModel } from './pinned-model';

/** Token by token a prompt of so many takes minutes where a workgroup of 256 threads is a loop. */
const MANY = 20;

/** What is in int8 only in the embedded model, and what a long answer asks most of. Matrices have had theirs in golden logits. */
const OF_ANSWERS = ['head', 'attention', 'normThreads'] as const;

/** By kernel, the variants to run. */
export type VariantLists = { [Kernel in keyof Variants]: readonly Variants[Kernel][] };

/** The variants to run for a model with such attention and activations. */
export type ListVariants = (shape: AttentionShape, activations: Activations) => VariantLists;

const TINY = 'public/models/ternion-tiny-i2_s.gguf';

/** A model whose logits are known, and the kernels that have forms of their own for it. */
interface KnownModel {
  name: string;
  shape: AttentionShape;
  precision: Precision;
  activations: Activations;
  kernels: (keyof Variants)[];
}

const MODELS: KnownModel[] = [
  {
    name: 'random-bitnet-b1.58-i2_s',
    shape: { heads: 4, kvHeads: 2, headDim: 64 },
    precision: 'fast',
    activations: 'int8-token',
    kernels: ['decodeMatmul', 'prefillMatmul', 'attention', 'normThreads'],
  },
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

const read = async <T>(path: string): Promise<T> => JSON.parse(await readFile(path, 'utf8')) as T;

/** Each of them once. */
function distinct<T>(all: readonly T[]): T[] {
  return [...new Map(all.map((each) => [JSON.stringify(each), each])).values()];
}

/** The variants of several lists together, by kernel. */
export function joined(lists: readonly VariantLists[]): VariantLists {
  const all = <Kernel extends keyof Variants>(kernel: Kernel): Variants[Kernel][] =>
    distinct(lists.flatMap((list): readonly Variants[Kernel][] => list[kernel]));
  return {
    decodeMatmul: all('decodeMatmul'),
    prefillMatmul: all('prefillMatmul'),
    head: all('head'),
    attention: all('attention'),
    normThreads: all('normThreads'),
  };
}

/**
 * As few sets of a variant for each of `kernels` as have every variant of each list in one of them. Behind the end of a list its last one
 * stays, so that few meet: the forms of norms are compiled for each packing that a matrix asks for.
 */
export function covering(lists: VariantLists, kernels: readonly (keyof Variants)[]): Partial<Variants>[] {
  const most = Math.max(...kernels.map((kernel) => lists[kernel].length));
  return Array.from({ length: most }, (_, i) => {
    const pick = (kernel: keyof Variants): Partial<Variants> => {
      const list = lists[kernel];
      return { [kernel]: list[Math.min(i, list.length - 1)] };
    };
    return kernels.map(pick).reduce((set, each) => ({ ...set, ...each }), {});
  });
}

/** Tries a set. If it fails, the error says which of its variants fail without the others, beside those that come first here. */
async function narrowed(
  set: Partial<Variants>,
  attempt: (pinned: Partial<Variants>) => Promise<void>,
): Promise<void> {
  try {
    await attempt(set);
  } catch (error) {
    const wrong: string[] = [];
    for (const [kernel, variant] of Object.entries(set)) {
      const alone = { [kernel]: variant };
      await attempt(alone).catch(() => wrong.push(JSON.stringify(alone)));
    }
    throw new Error(
      `${String(error)}\nWith the kernels of any load these fail alone: ${wrong.join(', ') || 'none'}`,
      {
        cause: error,
      },
    );
  }
}

/** Tests with all variants that `list` gives, each of which is checked with its known answers first, as in a load. */
export function testEveryVariant(list: ListVariants): void {
  // Known answers depend on the device and the form of a model's numbers, not on the model: each is checked once.
  const store = storeInMemory();

  describe.for(MODELS)('for $name ($precision)', async (known) => {
    const { name, shape, precision, activations, kernels } = known;
    const golden = await read<Golden>(`test/fixtures/${name}.golden.json`);
    let gpu: GpuContext;
    let model: PinnedModel;
    beforeAll(async () => {
      gpu = await shareContext();
      // With its vocabulary in f16, as the reference has it.
      const path = `test/fixtures/${name}.gguf`;
      model = await PinnedModel.load(gpu, path, { precision, headPrecision: 'f16' }, store);
    });
    afterAll(() => gpu.destroy());

    const lists = list(shape, activations);
    const sets = covering(lists, kernels);

    it.for(kernels)('%s has each of its variants in one of the sets', (kernel) => {
      const missing = lists[kernel].filter((variant) => !sets.some((set) => set[kernel] === variant));
      expect(missing).toEqual([]);
    });

    it.for(sets)('%j reproduces golden logits', async (set) => {
      await narrowed(set, async (pinned) => {
        const transformer = await model.with(pinned);
        const { decodeMatmul, prefillMatmul, ...others } = pinned;
        // Products are exact where scales have no groups, so matrix variants agree to the last bit; sums of the others round differently.
        const isExact = activations === 'int8-token' && (decodeMatmul ?? prefillMatmul) !== undefined;
        // A norm inside of a matrix rounds differently too, and most of that shows only where tokens go one by one.
        const isFused = decodeMatmul?.fused ?? false;
        const first = isExact && !isFused ? await model.with(others) : undefined;
        for (const each of golden.cases) {
          const { ids } = each;
          const logits = await model.logits(transformer, ids);
          checkLogits(logits, each, golden.activations, precision);
          if (ids.length >= MANY) continue;
          const stepwise = await model.logits(transformer, ids, { stepwise: true });
          checkLogits(stepwise, each, golden.activations, precision);
          if (first) expect(relativeError(logits, Array.from(await model.logits(first, ids)))).toBe(0);
        }
      });
    });
  });

  // Its vocabulary is in int8.
  describe('for the embedded model', async () => {
    const { shape, activations } = MODELS[0]!;
    const prompts = await read<GoldenPrompt[]>('test/fixtures/prompts.json');
    const prompt = prompts.find(({ sure, greedy }) => sure === greedy.length)!;
    let gpu: GpuContext;
    let model: PinnedModel;
    beforeAll(async () => {
      gpu = await shareContext();
      model = await PinnedModel.load(gpu, TINY, {}, store);
    });
    afterAll(() => gpu.destroy());

    const lists = list(shape, activations);
    const sets = covering(lists, OF_ANSWERS);

    it.for(OF_ANSWERS)('%s has each of its variants in one of the sets', (kernel) => {
      expect(lists[kernel].filter((variant) => !sets.some((set) => set[kernel] === variant))).toEqual([]);
    });

    it.for(sets)('%j gives the same greedy ids', async (set) => {
      await narrowed(set, async (pinned) => {
        const { promptIds, greedy } = prompt;
        expect(await model.greedy(await model.with(pinned), promptIds, greedy.length)).toEqual(greedy);
      });
    });
  });
}
