// The first BitNet b1.58 models (large, 3B): like their successor, with SiLU in the FFN.
// Source: "The Era of 1-bit LLMs", arXiv 2402.17764, and modeling_bitnet.py of 1bitLLM/bitnet_b1_58-large.

import type { Architecture } from './config';

export const bitnet: Architecture = {
  names: ['bitnet'],
  ropePairs: 'neox',
  activation: 'silu',
  subNorms: true,
  headNorms: false,
  tiedHead: true,
  weightOnly: [],
};
