// Choosing the next token on the GPU: shaders/penalize_max.wgsl and sample.wgsl, and between them, for a draw,
// sample_survey.wgsl and sample_candidates.wgsl.

import { isSoftwareAdapter, type Capabilities } from '../gpu/capabilities';
import type { Dispatch, GpuContext } from '../gpu/context';
import { fixedRounds, trips, type Cost } from '../gpu/cost';
import { fixedGrid } from '../gpu/grid';
import type { ShaderConstants } from '../gpu/shader-expansion';
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
  /** `surveyWords(vocabulary)` words: what many workgroups tell the one that chooses. Zeros between two choices. */
  survey: GPUBuffer;
  /** u32 [2, candidateRoom(vocabulary)]. */
  candidates: GPUBuffer;
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

/** Bins of shaders/lib/survey.wgsl. */
const BINS = 256;

/** The most tokens among which thresholds are looked for before they are looked for among all. */
const MOST_CANDIDATES = 8192;

/** Tokens that there is room for among the candidates: whole vectors of four. */
export function candidateRoom(vocabulary: number): number {
  return Math.min(MOST_CANDIDATES, Math.ceil(vocabulary / 4) * 4);
}

/** Words of the struct Survey of shaders/lib/survey.wgsl, whose parts are slices at the smallest. */
export function surveyWords(vocabulary: number): number {
  return 4 + BINS + 3 * sliceCount(vocabulary);
}

/** Tokens of a part for so many threads: few threads spend less time on bins that way. */
function partSize(threads: number): number {
  return areMany(threads) ? SLICE : 8 * SLICE;
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
 * Two dispatches of at most 256 threads a workgroup, or four for a draw: logits [vocabulary] → ids[0], and the state of the next
 * step. With penalties or a mask, the logits are changed.
 */
export async function sample(
  gpu: GpuContext,
  vocabulary: number,
  threads: number,
  mode: SampleMode,
  buffers: SampleBuffers,
): Promise<Dispatch[]> {
  const { logits, best, options, history, bias, mask } = buffers;
  const slices = sliceCount(vocabulary);
  const [penalties, choice] = await Promise.all([
    gpu.dispatch(
      'penalties + max',
      {
        shader: 'penalize_max',
        constants: { VOCABULARY: vocabulary, SLICE, THREADS: threads },
        conditions: { penalties: mode.penalties, masked: mode.masked, many: areMany(threads) },
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
    mode.random
      ? draw(gpu, vocabulary, threads, mode.masked, buffers)
      : greedy(gpu, vocabulary, threads, buffers),
  ]);
  return [penalties, ...choice];
}

/** The constants of all that comes behind `penalize_max`. */
function sizesOf(vocabulary: number, threads: number): ShaderConstants {
  const part = partSize(threads);
  return {
    VOCABULARY: vocabulary,
    SLICES: sliceCount(vocabulary),
    THREADS: threads,
    PART: part,
    PARTS: Math.ceil(vocabulary / part),
    ROOM: candidateRoom(vocabulary),
    AHEAD: areMany(threads) ? 2 : 1,
  };
}

async function greedy(
  gpu: GpuContext,
  vocabulary: number,
  threads: number,
  { best, state, ids, history }: SampleBuffers,
): Promise<Dispatch[]> {
  const constants = sizesOf(vocabulary, threads);
  const spec = { shader: 'sample', constants, conditions: { many: areMany(threads) } };
  const slices = sliceCount(vocabulary);
  const cost: Cost = {
    // The best of the slices, and the chosen token's history.
    rounds: fixedRounds(trips(slices, threads) + 1),
    bytes: () => slices * 8,
  };
  return [await gpu.dispatch('sample', spec, [best, state, ids, history], fixedGrid(1), cost)];
}

/** Candidates that a draw is taken to have; as many as 256 threads read at once. */
const USUAL_CANDIDATES = 2048;

/** What the steps of a draw ask of memory under top_k and top_p: as much as under any filters, unless all logits are looked through. */
function drawCosts(vocabulary: number, threads: number): Record<'survey' | 'candidates' | 'choice', Cost> {
  const part = partSize(threads);
  const parts = Math.ceil(vocabulary / part);
  const logits = 4 * vocabulary;
  const candidates = Math.min(USUAL_CANDIDATES, candidateRoom(vocabulary));
  const search = trips(candidates / 4, threads, areMany(threads) ? 2 : 1);
  return {
    survey: {
      rounds: fixedRounds(trips(sliceCount(vocabulary), threads) + trips(part / 4, threads)),
      bytes: () => logits + 8 * sliceCount(vocabulary) + 12 * parts,
    },
    // Bins, masses and logits, and the place for what is found.
    candidates: {
      rounds: fixedRounds(trips(BINS, threads) + trips(parts, threads) + 2 * trips(part / 4, threads)),
      bytes: () => logits + 4 * BINS + 12 * parts + 8 * candidates,
    },
    // Eight readings to find thresholds by their bytes, three more to count, to add up and to draw, and the chosen token's history.
    choice: { rounds: fixedRounds(11 * search + 1), bytes: () => 8 * candidates },
  };
}

function draw(
  gpu: GpuContext,
  vocabulary: number,
  threads: number,
  masked: boolean,
  { best, state, ids, history, logits, options, survey, candidates }: SampleBuffers,
): Promise<Dispatch[]> {
  const constants = sizesOf(vocabulary, threads);
  const many = areMany(threads);
  const meeting = many ? reduction(gpu.capabilities, threads).conditions : {};
  const conditions = { random: true, masked, many, ...meeting };
  const parts = fixedGrid(Math.ceil(vocabulary / partSize(threads)));
  const costs = drawCosts(vocabulary, threads);
  return Promise.all([
    gpu.dispatch(
      'survey',
      { shader: 'sample_survey', constants, conditions },
      [best, logits, options, state, survey],
      parts,
      costs.survey,
    ),
    gpu.dispatch(
      'candidates',
      { shader: 'sample_candidates', constants, conditions },
      [logits, options, survey, candidates],
      parts,
      costs.candidates,
    ),
    gpu.dispatch(
      'sample',
      { shader: 'sample', constants, conditions },
      [undefined, state, ids, history, logits, options, survey, candidates],
      fixedGrid(1),
      costs.choice,
    ),
  ]);
}
