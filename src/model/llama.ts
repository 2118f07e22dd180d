// Llama with ternary matrices: Falcon-E, Falcon3 1.58 and Llama3-8B-1.58, trained with int8 activations (their files have
// I2_S, or the packed form of safetensors), and TriLM, of which only the weights are ternary.
// Source of the architecture: "Llama 2", arXiv 2307.09288; of TriLM: "Spectra", arXiv 2407.12327.

import type { Architecture } from './config';

export const llama: Architecture = {
  names: ['llama'],
  ropePairs: 'normal',
  activation: 'silu',
  subNorms: false,
  headNorms: false,
  tiedHead: false,
  weightOnly: ['TQ1_0', 'TQ2_0', 'Q2_0', 'Q2_0_128', 'PQ2_0'],
};
