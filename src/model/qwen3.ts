// Qwen3 with ternary matrices (Ternary-Bonsai): Llama with RMSNorms over each head of queries and keys. Only the weights
// are ternary. Source of the architecture: "Qwen3 Technical Report", arXiv 2505.09388.

import type { Architecture } from './config';

export const qwen3: Architecture = {
  names: ['qwen3'],
  ropePairs: 'neox',
  activation: 'silu',
  subNorms: false,
  headNorms: true,
  tiedHead: false,
  weightOnly: ['I2_S', 'TQ1_0', 'TQ2_0', 'Q2_0', 'Q2_0_128', 'PQ2_0'],
};
