// Whether a head in planes chooses the tokens that one in int8 does: both answer the same, step by step, and differences are counted.

import { openDevice } from '../../bench/node-device';
import { contenderShare, transformerOf } from '../../bench/core/internals';
import { GeneratedModel } from '../../bench/core/generated-model';
import { randomIds } from '../../bench/core/random';
import { SHAPES } from '../../bench/core/shapes';
import { LocalEngine } from '../../src/engine/engine';
import type { ByteSource } from '../../src/files/byte-source';
import { filesAtHand } from '../../src/files/model-files';
import { probeCapabilities } from '../../src/gpu/capabilities';
import { GpuContext } from '../../src/gpu/context';

/** Tokens of an answer. */
const LENGTH = 100;

/** How tokens are chosen, and with what seed in the n-th answer. */
export interface Way {
  name: string;
  options: { temperature?: number; topP?: number; topK?: number; minP?: number };
}

/** What `steps` steps came to. */
export interface Compared {
  steps: number;
  /** Steps that chose another token; what follows one is not compared. */
  differing: number;
  /** Of all rows, those that were made exact in the last step of an answer: on average. */
  contenders: number;
}

/** A layer of a model of 125 M, with a head of 8192 random rows. */
export function randomModel(): ByteSource {
  return new GeneratedModel('random', { ...SHAPES['125m'], layers: 1, vocabulary: 8192 });
}

/** The same model twice, its head in int8 and in planes. */
export class HeadPair {
  private constructor(
    private readonly int8: LocalEngine,
    private readonly planes: LocalEngine,
  ) {}

  static async open(bytes: ByteSource): Promise<HeadPair> {
    const device = await openDevice();
    const load = async (headPrecision: 'int8' | 'planes'): Promise<LocalEngine> => {
      const gpu = new GpuContext(device, await probeCapabilities(device));
      const files = filesAtHand([{ name: 'model.gguf', bytes }]);
      return LocalEngine.load(gpu, files, { headPrecision, tuning: false, contextLength: 2 * LENGTH });
    };
    return new HeadPair(await load('int8'), await load('planes'));
  }

  /** Answers of `LENGTH` tokens to random prompts, until there are so many steps. */
  async compare(steps: number, { options }: Way): Promise<Compared> {
    const total = { steps: 0, differing: 0 };
    const shares: number[] = [];
    for (let seed = 1; total.steps < steps; seed++) {
      const [expected, actual] = await Promise.all([
        this.#answer(this.int8, seed, options),
        this.#answer(this.planes, seed, options),
      ]);
      const first = expected.findIndex((id, i) => id !== actual[i]);
      total.steps += first < 0 ? expected.length : first + 1;
      if (first >= 0 || actual.length !== expected.length) total.differing++;
      shares.push(await contenderShare(this.planes));
    }
    return { ...total, contenders: shares.reduce((sum, share) => sum + share, 0) / shares.length };
  }

  async #answer(engine: LocalEngine, seed: number, options: Way['options']): Promise<number[]> {
    const { vocabularySize } = transformerOf(engine).config;
    const session = engine.createSession();
    const ids: number[] = [];
    const prompt = { tokenIds: randomIds(8, vocabularySize, seed) };
    for await (const chunk of session.generate(prompt, { ...options, seed, maxTokens: LENGTH }))
      ids.push(...chunk.tokenIds);
    await session.dispose();
    return ids;
  }
}
