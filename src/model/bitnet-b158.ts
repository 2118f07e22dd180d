// BitNet b1.58 2B4T: squared-ReLU gated FFN, RMSNorms before both output projections, the embedding as LM head.
// Source: "BitNet b1.58 2B4T Technical Report", arXiv 2504.12285.

import type { Architecture } from './config';

export const bitnetB158: Architecture = {
  names: ['bitnet-b1.58', 'bitnet-25'],
  ropePairs: 'neox',
  activation: 'relu2',
  subNorms: true,
  headNorms: false,
  tiedHead: true,
  weightOnly: [],
};
