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
  namesakes: [
    {
      // Converters since July 2026 give this name to bitnet_b1_58-large and -3B, too (see bitnet.ts).
      tokenizer: 'llama',
      vocabularySize: 32_002,
      traits: { activation: 'silu' },
      adjustment:
        'The file calls its architecture bitnet-b1.58, whose FFN has a squared ReLU; its vocabulary, SentencePiece with ' +
        '32,002 tokens, is that of bitnet_b1_58-large and -3B, whose FFN has SiLU: that is used.',
    },
  ],
};
