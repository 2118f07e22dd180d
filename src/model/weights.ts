// A model's tensors on the GPU, in the order and layout that the forward pass wants them.

import type { TernaryMatrix, VocabularyMatrix } from '../kernels/matrices';
import type { RopeFactors } from './rope-frequencies';
import type { InputNorms } from './tensors';

/** One transformer layer. Norms are f32 [length]. */
export interface LayerWeights {
  attnNorm: GPUBuffer;
  /** Norms behind attnNorm and ffnNorm, one for each matrix. Without them q, k and v share an input, and so do gate and up. */
  inputNorms: InputNorms<GPUBuffer> | undefined;
  /** Rows of q, k and v. */
  qkv: TernaryMatrix;
  headNorms: { q: GPUBuffer; k: GPUBuffer } | undefined;
  attnSubNorm: GPUBuffer | undefined;
  attnOutput: TernaryMatrix;
  ffnNorm: GPUBuffer;
  /** Rows of gate, then of up. */
  gateUp: TernaryMatrix;
  ffnSubNorm: GPUBuffer | undefined;
  ffnDown: TernaryMatrix;
}

/** All of a model. */
export interface ModelWeights {
  embedding: VocabularyMatrix;
  layers: LayerWeights[];
  /** Of the last norm, times the scale of the logits. */
  outputNorm: GPUBuffer;
  /** The same as `embedding` where the head is tied to it. */
  head: VocabularyMatrix;
  /** What RoPE frequencies are divided by; not on the GPU. */
  ropeFactors: RopeFactors | undefined;
  /** Elements of all tensors. */
  parameterCount: number;
}
