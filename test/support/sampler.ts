// A sampler on its own for kernel tests, and what it should choose, by plain formulas.
import type { GpuContext, Dispatch } from '../../src/gpu/context';
import {
  candidateRoom,
  maskWords,
  packSamplerOptions,
  sample,
  sliceCount,
  surveyWords,
  type SampleBuffers,
  type SampleMode,
  type SamplerParameters,
} from '../../src/kernels/sample';
import { filled, readWords, run } from './reference-gpu';

/** Every filter and penalty off. */
export const OFF: SamplerParameters = {
  temperature: 1,
  topK: 0,
  topP: 1,
  minP: 0,
  repetitionPenalty: 1,
  frequencyPenalty: 0,
  presencePenalty: 0,
  seed: 1,
};

/** Marks a token of the prompt in the history. */
export const IN_PROMPT = 2 ** 31;

/** What a sampler has before it. */
export interface Setting {
  logits: Float32Array;
  mode?: Partial<SampleMode>;
  options?: Partial<SamplerParameters>;
  history?: Uint32Array;
  bias?: Float32Array;
  threads?: number;
  /** Which tokens may come, where the mode is masked. Default: all. */
  allowed?: (token: number) => boolean;
}

/** A sampler with buffers of its own. */
export class Sampler {
  private constructor(
    private readonly gpu: GpuContext,
    readonly vocabulary: number,
    readonly buffers: SampleBuffers,
    private readonly dispatches: Dispatch[],
    private readonly options: SamplerParameters,
  ) {}

  static async create(
    gpu: GpuContext,
    { logits, mode, options, history, bias, threads = 8, allowed = () => true }: Setting,
  ): Promise<Sampler> {
    const vocabulary = logits.length;
    const all = { ...OFF, ...options };
    const buffers: SampleBuffers = {
      logits: gpu.upload('logits', logits),
      best: filled(gpu, 'best', sliceCount(vocabulary) * 2),
      options: gpu.upload('options', packSamplerOptions(all)),
      history: gpu.upload('history', history ?? new Uint32Array(vocabulary)),
      bias: gpu.upload('bias', bias ?? new Float32Array(vocabulary)),
      state: gpu.upload('state', Uint32Array.of(5, 7, 0, 0)),
      ids: filled(gpu, 'ids', 1),
      survey: filled(gpu, 'survey', surveyWords(vocabulary), 0),
      candidates: filled(gpu, 'candidates', 2 * candidateRoom(vocabulary)),
      mask: gpu.upload('mask', maskOf(vocabulary, allowed)),
    };
    const modes = { penalties: false, random: false, masked: false, ...mode };
    return new Sampler(gpu, vocabulary, buffers, await sample(gpu, vocabulary, threads, modes, buffers), all);
  }

  /** One token, with `seed` at `step`. */
  async draw(seed = this.options.seed, step = 0): Promise<number> {
    this.#prepare(seed, step);
    run(this.gpu, this.dispatches);
    return (await readWords(this.gpu, this.buffers.ids, 1))[0]!;
  }

  /** How often each token comes in `steps` steps of one seed. */
  async histogram(steps: number): Promise<Uint32Array> {
    this.#prepare(this.options.seed, 0);
    run(this.gpu, this.dispatches, { times: steps });
    return readWords(this.gpu, this.buffers.history, this.vocabulary);
  }

  /** How often each token comes as the first one of the seeds from 0 to `seeds` - 1. */
  async histogramOfSeeds(seeds: number): Promise<Uint32Array> {
    for (let seed = 0; seed < seeds; seed++) {
      this.#prepare(seed, 0);
      run(this.gpu, this.dispatches);
    }
    return readWords(this.gpu, this.buffers.history, this.vocabulary);
  }

  /** How many candidates a draw finds, whether or not there is room for them. */
  async countCandidates(): Promise<number> {
    this.#prepare(this.options.seed, 0);
    run(this.gpu, this.dispatches.slice(0, -1));
    return (await readWords(this.gpu, this.buffers.survey, 1))[0]!;
  }

  /** One token, had the survey found only `count` of the candidates. */
  async drawOf(count: number, step: number): Promise<number> {
    this.#prepare(this.options.seed, step);
    run(this.gpu, this.dispatches.slice(0, -1));
    this.gpu.write(this.buffers.survey, 0, Uint32Array.of(count));
    run(this.gpu, this.dispatches.slice(-1));
    return (await readWords(this.gpu, this.buffers.ids, 1))[0]!;
  }

  #prepare(seed: number, step: number): void {
    const { queue } = this.gpu.device;
    const words = packSamplerOptions({ ...this.options, seed });
    queue.writeBuffer(this.buffers.options, 0, words as GPUAllowSharedBufferSource);
    queue.writeBuffer(this.buffers.state, 0, Uint32Array.of(5, 7, step, 0));
  }
}

/** Probability of each token under softmax with a temperature, among those that `keep`. */
export function softmax(logits: Float32Array, temperature: number, keep?: ReadonlySet<number>): Float64Array {
  const top = Math.max(...logits);
  const masses = Float64Array.from(logits, (logit, token) =>
    keep && !keep.has(token) ? 0 : Math.exp((logit - top) / temperature),
  );
  const total = masses.reduce((sum, mass) => sum + mass, 0);
  return masses.map((mass) => mass / total);
}

/**
 * The tokens that all filters keep: the topK likeliest; of those the fewest whose probability is at least topP; and
 * those with at least minP of the best's probability. What ties with the last one kept is kept.
 */
export function keptTokens(logits: Float32Array, options: Partial<SamplerParameters>): Set<number> {
  const { temperature, topK, topP, minP } = { ...OFF, ...options };
  const order = [...logits.keys()].sort((a, b) => logits[b]! - logits[a]!);
  const from = (last: number): number => logits[order[Math.min(last, order.length - 1)]!]!;
  const afterK = topK > 0 ? order.filter((token) => logits[token]! >= from(topK - 1)) : order;
  const masses = softmax(logits, temperature, new Set(afterK));
  let sum = 0;
  const reached = afterK.findIndex((token) => (sum += masses[token]!) >= topP - 1e-9);
  const afterP = topP < 1 ? afterK.filter((token) => logits[token]! >= from(reached)) : afterK;
  return new Set(afterP.filter((token) => (logits[token]! - from(0)) / temperature >= Math.log(minP) - 1e-9));
}

/** Σ (seen - expected)² / expected. */
export function chiSquare(histogram: Uint32Array, probabilities: Float64Array): number {
  const draws = histogram.reduce((sum, count) => sum + count, 0);
  return histogram.reduce((sum, count, token) => {
    const expected = probabilities[token]! * draws;
    return sum + (count - expected) ** 2 / expected;
  }, 0);
}

/** The mask of the tokens that `allowed` says. */
export function maskOf(vocabulary: number, allowed: (token: number) => boolean): Uint32Array {
  const mask = new Uint32Array(maskWords(vocabulary));
  for (let token = 0; token < vocabulary; token++) {
    if (allowed(token)) mask[token >> 5]! |= 1 << (token % 32);
  }
  return mask;
}

/** The token that is drawn: the largest sum of z and noise, in float64, among those that all filters keep. */
export function drawnToken(
  logits: Float32Array,
  options: Partial<SamplerParameters>,
  kept: ReadonlySet<number>,
  step: number,
): number {
  const { temperature, seed } = { ...OFF, ...options };
  let [most, chosen] = [-Infinity, -1];
  for (const token of kept) {
    const value = logits[token]! / temperature + gumbel(seed, step, token);
    if (value > most) [most, chosen] = [value, token];
  }
  return chosen;
}

/** -log(-log(1 - v)) of the first word of pcg3d (Jarzynski and Olano 2020), as shaders/lib/draw.wgsl has it. */
function gumbel(seed: number, step: number, token: number): number {
  let [x, y, z] = [seed, step, token].map((word) => (Math.imul(word, 1664525) + 1013904223) | 0) as [
    number,
    number,
    number,
  ];
  const turn = (): void => {
    x = (x + Math.imul(y, z)) | 0;
    y = (y + Math.imul(z, x)) | 0;
    z = (z + Math.imul(x, y)) | 0;
  };
  turn();
  [x, y, z] = [x ^ (x >>> 16), y ^ (y >>> 16), z ^ (z >>> 16)];
  turn();
  return -Math.log(-Math.log1p(-((x >>> 0) + 0.5) / 2 ** 32));
}
