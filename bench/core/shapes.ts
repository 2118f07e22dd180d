// The shapes of real models, for benchmarks that need a model's size and not its knowledge.

import type { FloatEncoding, TernaryEncoding } from '../../src/formats/encodings';

/** What a generated model is like. Widths are in elements. */
export interface ModelShape {
  /** The architecture of the real model, as `general.architecture` says it. */
  architecture: string;
  layers: number;
  width: number;
  ffnWidth: number;
  heads: number;
  kvHeads: number;
  headDim: number;
  vocabulary: number;
  contextLength: number;
  ropeTheta: number;
  eps: number;
  /** How the matrices of the layers are stored. */
  ternary: Extract<TernaryEncoding, 'I2_S' | 'TQ2_0' | 'Q2_0' | 'PQ2_0'>;
  /** How the embedding is stored. */
  embedding: Extract<FloatEncoding, 'F16' | 'Q4_K' | 'Q6_K'> | ModelShape['ternary'];
  /** How an LM head of its own is stored. Default: as the embedding. */
  head?: ModelShape['embedding'];
  /** Whether the LM head is the embedding. */
  tied: boolean;
}

/** Names of the shapes that can be generated. */
export type ShapeName =
  'bitnet-2b4t' | 'bitnet-large-0.7b' | 'falcon-e-1b' | 'trilm-3.9b' | 'bonsai-1.7b' | '125m' | 'tiny';

/**
 * The shapes. Sources: config.json of microsoft/bitnet-b1.58-2B-4T, 1bitLLM/bitnet_b1_58-large, SpectraSuite/TriLM_3.9B_Unpacked and
 * Qwen/Qwen3-1.7B (which Ternary-Bonsai-1.7B is made of; all its matrices are ternary). `falcon-e-1b` is what its published size allows (635 MB; 24 layers, two F16
 * embeddings). `125m` has the proportions of GPT-2 small; `tiny` is the model in public/models.
 */
export const SHAPES: Readonly<Record<ShapeName, ModelShape>> = {
  'bitnet-2b4t': {
    architecture: 'bitnet-b1.58',
    layers: 30,
    width: 2560,
    ffnWidth: 6912,
    heads: 20,
    kvHeads: 5,
    headDim: 128,
    vocabulary: 128256,
    contextLength: 4096,
    ropeTheta: 500000,
    eps: 1e-5,
    ternary: 'I2_S',
    embedding: 'F16',
    tied: true,
  },
  'bitnet-large-0.7b': {
    architecture: 'bitnet',
    layers: 24,
    width: 1536,
    ffnWidth: 4096,
    heads: 16,
    kvHeads: 16,
    headDim: 96,
    vocabulary: 32002,
    contextLength: 2048,
    ropeTheta: 10000,
    eps: 1e-5,
    ternary: 'I2_S',
    embedding: 'F16',
    tied: true,
  },
  'falcon-e-1b': {
    architecture: 'llama',
    layers: 24,
    width: 2048,
    ffnWidth: 8192,
    heads: 16,
    kvHeads: 2,
    headDim: 128,
    vocabulary: 32768,
    contextLength: 8192,
    ropeTheta: 1000042,
    eps: 1e-5,
    ternary: 'I2_S',
    embedding: 'F16',
    tied: false,
  },
  'trilm-3.9b': {
    architecture: 'llama',
    layers: 30,
    width: 3072,
    ffnWidth: 9216,
    heads: 24,
    kvHeads: 24,
    headDim: 128,
    vocabulary: 50688,
    contextLength: 2048,
    ropeTheta: 10000,
    eps: 1e-5,
    ternary: 'TQ2_0',
    embedding: 'Q4_K',
    head: 'Q6_K',
    tied: false,
  },
  'bonsai-1.7b': {
    architecture: 'qwen3',
    layers: 28,
    width: 2048,
    ffnWidth: 6144,
    heads: 16,
    kvHeads: 8,
    headDim: 128,
    vocabulary: 151936,
    contextLength: 32768,
    ropeTheta: 1000000,
    eps: 1e-6,
    ternary: 'PQ2_0',
    embedding: 'PQ2_0',
    tied: true,
  },
  '125m': {
    architecture: 'bitnet-b1.58',
    layers: 12,
    width: 768,
    ffnWidth: 3072,
    heads: 12,
    kvHeads: 12,
    headDim: 64,
    vocabulary: 32000,
    contextLength: 4096,
    ropeTheta: 10000,
    eps: 1e-5,
    ternary: 'I2_S',
    embedding: 'F16',
    tied: true,
  },
  tiny: {
    architecture: 'bitnet-b1.58',
    layers: 4,
    width: 256,
    ffnWidth: 512,
    heads: 4,
    kvHeads: 2,
    headDim: 64,
    vocabulary: 1536,
    contextLength: 1024,
    ropeTheta: 10000,
    eps: 1e-5,
    ternary: 'I2_S',
    embedding: 'F16',
    tied: true,
  },
};

const SHORT_NAMES: ReadonlyMap<string, ShapeName> = new Map([
  ['2b4t', 'bitnet-2b4t'],
  ['700m', 'bitnet-large-0.7b'],
]);

/** The shape that a name or a short name (`2b4t`, `700m`) means, or undefined. */
export function shapeNamed(name: string): ShapeName | undefined {
  return Object.hasOwn(SHAPES, name) ? (name as ShapeName) : SHORT_NAMES.get(name);
}
