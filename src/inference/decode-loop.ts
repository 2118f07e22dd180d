// What the loops that decode have in common: what they work with, and what the GPU is told before it chooses.

import type { ReadbackRing } from '../gpu/readback';
import { contenderWindow } from '../kernels/lm-head-planes';
import { packSamplerOptions } from '../kernels/sample';
import type { Continuation } from './continuation';
import type { KvCache } from './kv-cache';
import type { SampledToken, Sampler } from './samplers';
import type { ForwardPass, Transformer } from './transformer';

/** Marks a token of the prompt in the history; see shaders/penalize_max.wgsl. */
const IN_PROMPT = 2 ** 31;

/** What a loop works with. */
export interface LoopParts {
  readonly transformer: Transformer;
  readonly readbacks: ReadbackRing;
  readonly cache: KvCache;
  readonly pass: ForwardPass;
  readonly sampler: Sampler;
  readonly continuation: Continuation;
}

/** Chooses token after token, once what is there of the sequence was evaluated. */
export interface DecodeLoop {
  /** Tokens of the sequence whose keys and values are in the cache once what was submitted has run. */
  readonly evaluated: number;
  /** Puts the GPU's state to where the sequence is, at the beginning and after others used it. All tokens were taken. */
  resume(): void;
  /** The tokens that come next, one or several; none where the limit is reached. All before were taken. */
  next(signal?: AbortSignal): Promise<SampledToken[]>;
  /** Waits for tokens that are on their way. */
  settle(): Promise<SampledToken[]>;
}

/** Puts parameters, history and biases where the kernels read them. */
export function writeSampler({ transformer, continuation }: LoopParts): void {
  const { gpu, work, config } = transformer;
  const { promptIds, sampled, sampling } = continuation;
  const { sampler, mode, logitBias } = sampling;
  gpu.write(work.options, 0, packSamplerOptions(sampler));
  transformer.writeWindow(contenderWindow(mode.random, sampler, config.vocabularySize));
  if (!mode.penalties) return;
  const history = new Uint32Array(config.vocabularySize);
  for (const id of promptIds) history[id] = IN_PROMPT;
  for (const id of sampled) history[id]!++;
  gpu.write(work.history, 0, history);
  const bias = new Float32Array(config.vocabularySize);
  for (const [id, value] of logitBias) bias[id] = value;
  gpu.write(work.bias, 0, bias);
}

/** Brings the history of `ids` up to date: the GPU counts only what it samples. */
export function writeCounts({ transformer, continuation }: LoopParts, ids: readonly number[]): void {
  const { promptIds, sampled, sampling } = continuation;
  if (!sampling.mode.penalties) return;
  for (const id of new Set(ids)) {
    const times = sampled.filter((each) => each === id).length;
    const word = (promptIds.includes(id) ? IN_PROMPT : 0) + times;
    transformer.gpu.write(transformer.work.history, id * 4, Uint32Array.of(word));
  }
}
