// Sampling for those who time kernels.

import type { GpuContext } from '../../src/gpu/context';
import {
  candidateRoom,
  maskWords,
  packSamplerOptions,
  sample,
  sampleThreadsFor,
  sliceCount,
  surveyWords,
  type SampleMode,
  type SamplerParameters,
} from '../../src/kernels/sample';
import { checkMasked } from '../../src/kernels/sample-check';
import { kernelCase, type KernelCase, type KernelProblem } from './kernel-case';

/** The modes of sampling stand for its variants. Parameters leave out nothing: with filters it depends on the logits. */
export function openSample(gpu: GpuContext, { shape }: KernelProblem): KernelCase {
  const [vocabulary = 0] = shape;
  const floats = (label: string): GPUBuffer => gpu.createBuffer(label, vocabulary * 4);
  const threads = sampleThreadsFor(gpu.capabilities);
  const buffers = {
    logits: floats('logits'),
    history: floats('history'),
    bias: floats('bias'),
    best: gpu.createBuffer('best', sliceCount(vocabulary) * 8),
    options: gpu.upload('options', packSamplerOptions(ALL_TOKENS)),
    state: gpu.createBuffer('state', 16),
    ids: gpu.createBuffer('ids', 4),
    survey: gpu.createBuffer('survey', surveyWords(vocabulary) * 4),
    candidates: gpu.createBuffer('candidates', candidateRoom(vocabulary) * 8),
    mask: gpu.upload('mask', new Uint32Array(maskWords(vocabulary)).fill(0x55555555)),
  };
  const flags = [false, true];
  const candidates = flags.flatMap((random) =>
    flags.flatMap((penalties) => flags.map((masked): SampleMode => ({ penalties, random, masked }))),
  );
  return kernelCase({
    candidates,
    check: async (mode) => !mode.masked || checkMasked(gpu, vocabulary, threads, mode),
    work: async (mode) => ({ dispatches: await sample(gpu, vocabulary, threads, mode, buffers) }),
    least: { bytes: vocabulary * 4, multiplyAdds: 0 },
    copies: 1,
  });
}

const ALL_TOKENS: SamplerParameters = {
  temperature: 1,
  topK: 0,
  topP: 1,
  minP: 0,
  repetitionPenalty: 1.1,
  frequencyPenalty: 0,
  presencePenalty: 0,
  seed: 1,
};
