// MiniCPM with ternary matrices (BitCPM-CANN): Llama with three constants that keep activations in step across sizes, and
// frequencies of its own for long contexts. Only the weights are ternary.
// Sources: "MiniCPM", arXiv 2404.06395; keys and defaults: `LLM_ARCH_MINICPM` in llama.cpp.

import type { Architecture } from './config';

export const minicpm: Architecture = {
  names: ['minicpm'],
  ropePairs: 'normal',
  activation: 'silu',
  subNorms: false,
  headNorms: false,
  tiedHead: false,
  weightOnly: ['TQ1_0', 'TQ2_0', 'Q2_0', 'Q2_0_128', 'PQ2_0'],
  // Files of the first converters have no keys for them.
  defaultScales: ({ layers, width }) => ({
    embedding: 12,
    residual: 1.4 / Math.sqrt(layers),
    logits: 256 / width,
  }),
};
