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
import { maskWords, sample, type SampleBuffers, type SampleMode } from '../kernels/sample';
import { checkMasked } from '../kernels/sample-check';

/** A token that was sampled, or that a guide has appended. */
export interface SampledToken {
  token: number;
  /** Nothing was sampled: it was the only one that could come. */
  forced?: true;
  /** Where they were asked for: natural logarithms of the model's own probabilities, before penalties and temperature. */
  logprobs?: { own: number; likeliest: RatedToken[] };
}

/** Which logits have to be right: all, or those of tokens that could be chosen by logits alone. */
export type LogitsWanted = 'all' | 'contenders';

/** A way to choose. */
export interface Sampler {
  /** What looks at the model's own logits, before anything changes them: right behind the head. */
  readonly before: readonly Dispatch[];
  /** Which logits it has to find right: penalties, masks and log-probabilities look at any. */
  readonly wanted: LogitsWanted;
  /** Behind that: from the logits to ids[0], and to `result`. */
  readonly dispatches: readonly Dispatch[];
  /** Where the mask is written before a masked choice; undefined for others. */
  readonly mask: GPUBuffer | undefined;
  /** What is read back: its first `words` words. */
  readonly result: GPUBuffer;
  readonly words: number;
  /** What these words say. */
  readonly read: (words: Uint32Array) => SampledToken;
}

/** Makes each way to choose at its first use. What log-probabilities and masks need is not there before. */
export class Samplers {
  readonly #choices = new Map<string, Promise<Pick<Sampler, 'dispatches' | 'mask'>>>();
  readonly #rated = new Map<string, Promise<Sampler>>();
  readonly #buffers = new Map<'logprobs', Promise<LogprobBuffers>>();
  readonly #masks = new Map<'mask', Promise<GPUBuffer>>();

  constructor(
    private readonly gpu: GpuContext,
    private readonly vocabularySize: number,
    private readonly threads: number,
    private readonly work: SampleBuffers,
  ) {}

  /** With `count` alternatives to each token; undefined for a choice without log-probabilities. */
  async sampler(mode: SampleMode, count: number | undefined): Promise<Sampler> {
    if (count !== undefined)
      return remembered(this.#rated, `${keyOf(mode)} ${count}`, () => this.#createRated(mode, count));
    const read = (words: Uint32Array): SampledToken => ({ token: words[0]! });
    const wanted = mode.penalties || mode.masked ? 'all' : 'contenders';
    return { before: [], wanted, ...(await this.#choice(mode)), result: this.work.ids, words: 1, read };
  }

  /** The dispatches that choose the next token from the logits. */
  #choice(mode: SampleMode): Promise<Pick<Sampler, 'dispatches' | 'mask'>> {
    return remembered(this.#choices, keyOf(mode), async () => {
      const { gpu, vocabularySize, threads, work } = this;
      if (!mode.masked) {
        return { dispatches: await sample(gpu, vocabularySize, threads, mode, work), mask: undefined };
      }
      if (!(await checkMasked(gpu, vocabularySize, threads, mode))) throw wrongKernels('masks');
      const mask = await remembered(this.#masks, 'mask', () =>
        gpu.checkedAllocation('a mask', () => gpu.createBuffer('mask', maskWords(vocabularySize) * 4)),
      );
      return { dispatches: await sample(gpu, vocabularySize, threads, mode, { ...work, mask }), mask };
    });
  }

  async #createRated(mode: SampleMode, count: number): Promise<Sampler> {
    const { gpu, vocabularySize, threads } = this;
    const buffers = await remembered(this.#buffers, 'logprobs', () => this.#createBuffers());
    const { before, behind } = await logprobs(gpu, vocabularySize, threads, count, buffers);
    const { dispatches, mask } = await this.#choice(mode);
    return {
      before: [before],
      wanted: 'all',
      dispatches: [...dispatches, behind],
      mask,
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
    if (!(await checkLogprobs(gpu, threads))) throw wrongKernels('log-probabilities');
    return gpu.checkedAllocation('log-probabilities', () => createLogprobBuffers(gpu, vocabularySize, work));
  }
}

function keyOf({ penalties, random, masked }: SampleMode): string {
  return `${penalties} ${random} ${masked}`;
}

function wrongKernels(what: string): TernionError {
  const message = `The kernels of ${what} give wrong results on this GPU. An update may help.`;
  return new TernionError('kernel-check-failed', message);
}

/** What `make` gives, made once for each key, and again after a failure. */
function remembered<K extends string, T>(
  made: Map<K, Promise<T>>,
  key: K,
  make: () => Promise<T>,
): Promise<T> {
  let value = made.get(key);
  if (!value) {
    value = make();
    made.set(key, value);
    value.catch(() => made.delete(key));
  }
  return value;
}
