// Choosing the next token on the GPU (shaders/penalize_max.wgsl, shaders/sample.wgsl).

import { isSoftwareAdapter, type Capabilities } from '../gpu/capabilities';
import type { Dispatch, GpuContext } from '../gpu/context';
import { fixedRounds, trips } from '../gpu/cost';
import { fixedGrid } from '../gpu/grid';
import { reduction } from './reduction';

/** The buffers of sampling, all written by the kernels or by `SamplerOptions`' owner. */
export interface SampleBuffers {
  /** f32 [vocabulary]. */
  logits: GPUBuffer;
  /** Room for `sliceCount(vocabulary)` pairs (f32 logit, u32 token). */
  best: GPUBuffer;
  /** The 8 words of `packSamplerOptions`. */
  options: GPUBuffer;
  /** u32 [vocabulary]: times generated, plus 2^31 for tokens of the prompt. */
  history: GPUBuffer;
  /** f32 [vocabulary]. */
  bias: GPUBuffer;
  state: GPUBuffer;
  ids: GPUBuffer;
  /** u32 [maskWords(vocabulary)], only for masked choices: bit `token % 32` of word `token >> 5` is set if the token may come. */
  mask?: GPUBuffer;
}

/** Which parts of the kernels are compiled in. Greedy decoding without penalties needs none. */
export interface SampleMode {
  penalties: boolean;
  random: boolean;
  /** Only tokens of a mask can be chosen. */
  masked: boolean;
}

/**
 * What stands in the place of a token where the logits are not all finite, those of forbidden tokens included, or where the
 * mask allows none: NO_TOKEN of shaders/lib/sampler.wgsl.
 */
export const NO_TOKEN = 0xffffffff;

/** Tokens that one workgroup looks through. */
export const SLICE = 1024;

/** Slices that the vocabulary is searched in. */
export function sliceCount(vocabulary: number): number {
  return Math.ceil(vocabulary / SLICE);
}

/** Words of a mask. */
export function maskWords(vocabulary: number): number {
  return Math.ceil(vocabulary / 32);
}

/** Threads of a workgroup for a device; not worth a measurement. */
export function sampleThreadsFor(capabilities: Capabilities): number {
  return isSoftwareAdapter(capabilities) ? capabilities.subgroupMaxSize : 256;
}

/** Whether a workgroup of so many threads is a GPU's: loads take long there, and whatever one thread does alone. */
export function areMany(threads: number): boolean {
  return threads >= 64;
}

/** Sampling parameters with every default filled in. */
export interface SamplerParameters {
  temperature: number;
  topK: number;
  topP: number;
  minP: number;
  repetitionPenalty: number;
  frequencyPenalty: number;
  presencePenalty: number;
  /** 32 bits. */
  seed: number;
}

/** The struct SamplerOptions of shaders/lib/sampler.wgsl. */
export function packSamplerOptions(p: SamplerParameters): Uint32Array {
  const words = new Uint32Array(8);
  const floats = new Float32Array(words.buffer);
  floats.set([p.temperature, p.topP, p.minP]);
  words[3] = p.topK;
  floats.set([p.repetitionPenalty, p.frequencyPenalty, p.presencePenalty], 4);
  words[7] = p.seed;
  return words;
}

/**
 * Two dispatches of at most 256 threads a workgroup: logits [vocabulary] → ids[0], and the state of the next step. With
 * penalties or a mask, the logits are changed.
 */
export function sample(
  gpu: GpuContext,
  vocabulary: number,
  threads: number,
  mode: SampleMode,
  buffers: SampleBuffers,
): Promise<Dispatch[]> {
  const { logits, best, options, history, bias, state, ids, mask } = buffers;
  const slices = sliceCount(vocabulary);
  const many = areMany(threads);
  const meeting = many ? reduction(gpu.capabilities, threads).conditions : {};
  const ahead = many ? 2 : 1;
  // With a temperature alone all logits are read twice; filters read them four times each, which the kernel learns when it runs.
  const readings = mode.random ? 2 : 0;
  return Promise.all([
    gpu.dispatch(
      'penalties + max',
      {
        shader: 'penalize_max',
        constants: { VOCABULARY: vocabulary, SLICE, THREADS: threads },
        conditions: { penalties: mode.penalties, masked: mode.masked, many },
      },
      [
        logits,
        best,
        ...(mode.penalties ? [options, history, bias] : [undefined, undefined, undefined]),
        mode.masked ? mask : undefined,
      ],
      fixedGrid(slices),
      {
        rounds: fixedRounds(trips(SLICE / 4, threads)),
        bytes: () => vocabulary * (mode.penalties ? 16 : mode.masked ? 8 : 4),
      },
    ),
    gpu.dispatch(
      'sample',
      {
        shader: 'sample',
        constants: { VOCABULARY: vocabulary, SLICES: slices, THREADS: threads, AHEAD: ahead },
        conditions: { random: mode.random, masked: mode.random && mode.masked, many, ...meeting },
      },
      mode.random ? [best, state, ids, history, logits, options] : [best, state, ids, history],
      fixedGrid(1),
      {
        // The best of the slices, and the chosen token's history.
        rounds: fixedRounds(trips(slices, threads) + readings * trips(vocabulary / 4, threads, ahead) + 1),
        bytes: () => slices * 8 + (mode.random ? vocabulary * 4 : 0),
      },
    ),
  ]);
}
