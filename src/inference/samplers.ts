// The ways to choose the next token on one device, and what is read back of the choice.

import { TernionError } from '../errors';
import type { Dispatch, GpuContext } from '../gpu/context';
import {
  createLogprobBuffers,
  logprobs,
  readRecord,
  recordWords,
  type LogprobBuffers,
  type RatedToken,
} from '../kernels/logprobs';
import { checkLogprobs } from '../kernels/logprobs-check';
import { sample, type SampleBuffers, type SampleMode } from '../kernels/sample';

/** A token that was sampled. */
export interface SampledToken {
  token: number;
  /** Where they were asked for: natural logarithms of the model's own probabilities, before penalties and temperature. */
  logprobs?: { own: number; likeliest: RatedToken[] };
}

/** A way to choose. */
export interface Sampler {
  /** From the logits to ids[0], and to `result`. */
  readonly dispatches: readonly Dispatch[];
  /** What is read back: its first `words` words. */
  readonly result: GPUBuffer;
  readonly words: number;
  /** What these words say. */
  readonly read: (words: Uint32Array) => SampledToken;
}

/** Makes each way to choose at its first use. What log-probabilities need is not there before. */
export class Samplers {
  readonly #samples = new Map<string, Promise<Dispatch[]>>();
  readonly #rated = new Map<string, Promise<Sampler>>();
  #buffers: Promise<LogprobBuffers> | undefined;

  constructor(
    private readonly gpu: GpuContext,
    private readonly vocabularySize: number,
    private readonly threads: number,
    private readonly work: SampleBuffers,
  ) {}

  /** The dispatches that choose the next token from the logits. */
  dispatches(mode: SampleMode): Promise<Dispatch[]> {
    return remembered(this.#samples, keyOf(mode), () =>
      sample(this.gpu, this.vocabularySize, this.threads, mode, this.work),
    );
  }

  /** With `count` alternatives to each token; undefined for a choice without log-probabilities. */
  async sampler(mode: SampleMode, count: number | undefined): Promise<Sampler> {
    if (count !== undefined)
      return remembered(this.#rated, `${keyOf(mode)} ${count}`, () => this.#createRated(mode, count));
    const read = (words: Uint32Array): SampledToken => ({ token: words[0]! });
    return { dispatches: await this.dispatches(mode), result: this.work.ids, words: 1, read };
  }

  async #createRated(mode: SampleMode, count: number): Promise<Sampler> {
    const { gpu, vocabularySize, threads } = this;
    this.#buffers ??= this.#createBuffers();
    const buffers = await this.#buffers;
    const { before, behind } = await logprobs(gpu, vocabularySize, threads, count, buffers);
    return {
      dispatches: [before, ...(await this.dispatches(mode)), behind],
      result: buffers.record,
      words: recordWords(count),
      read(words) {
        const { chosen, likeliest } = readRecord(words);
        return { token: chosen.token, logprobs: { own: chosen.logprob, likeliest } };
      },
    };
  }

  async #createBuffers(): Promise<LogprobBuffers> {
    const { gpu, vocabularySize, threads, work } = this;
    if (!(await checkLogprobs(gpu, threads))) {
      const message = 'The kernels of log-probabilities give wrong results on this GPU. An update may help.';
      throw new TernionError('kernel-check-failed', message);
    }
    return gpu.checkedAllocation('log-probabilities', () => createLogprobBuffers(gpu, vocabularySize, work));
  }
}

function keyOf({ penalties, random }: SampleMode): string {
  return `${penalties} ${random}`;
}

/** What `make` gives, made once for each key, and again after a failure. */
function remembered<T>(made: Map<string, Promise<T>>, key: string, make: () => Promise<T>): Promise<T> {
  let value = made.get(key);
  if (!value) {
    value = make();
    made.set(key, value);
    value.catch(() => made.delete(key));
  }
  return value;
}
