// What an engine says about itself: which model the files were recognised as, and how it runs.

import type { GpuContext } from '../gpu/context';
import type { ModelFile, TensorEncoding } from '../model/model-file';
import type { ModelWeights } from '../model/weights';
import type { ChatFormat } from '../tokenizer';
import type { Transformer } from '../inference/transformer';
import type { ModelInfo } from './types';

/** What the description is made of. */
export interface LoadedModel {
  gpu: GpuContext;
  model: ModelFile;
  weights: ModelWeights;
  transformer: Transformer;
  chat: ChatFormat;
}

/** `Engine.info`, but for what changes as it runs. */
export function describeModel(loaded: LoadedModel): Omit<ModelInfo, 'gpuBytes' | 'source'> {
  const { gpu, model, weights, transformer, chat } = loaded;
  const { config, tokenizer } = model;
  const { vendor, architecture, device, description } = gpu.device.adapterInfo;
  return {
    format: model.format,
    formatVersion: model.version,
    architecture: config.architecture,
    name: config.name,
    contextLength: transformer.contextLength,
    vocabularySize: config.vocabularySize,
    parameterCount: weights.parameterCount,
    encodings: encodingsByRole(model),
    tokenizer: {
      kind: tokenizer.model === 'gpt2' ? 'byte-level BPE' : 'SentencePiece BPE',
      preTokenizer: tokenizer.preTokenizer,
    },
    chatTemplate: chat.template.origin,
    adjustments: [...model.adjustments],
    kernels: transformer.tuning,
    adapter: { vendor, architecture, device, description },
    codePaths: codePaths(loaded),
  };
}

function encodingsByRole({ config, tensors }: ModelFile): ModelInfo['encodings'] {
  const embedding = tensors.get('token_embd.weight')!.encoding;
  const head = config.tiedHead ? undefined : tensors.get('output.weight')?.encoding;
  const layers = [...tensors].filter(([name]) => name.startsWith('blk.'));
  const isNorm = (name: string): boolean => /norm(_in)?\.weight$/.test(name);
  return {
    layers: joined(layers.filter(([name]) => !isNorm(name))),
    embedding,
    head: head ?? embedding,
    norms: joined([...tensors].filter(([name]) => isNorm(name))),
  };
}

/** `I2_S`, or several: `TQ2_0, TQ1_0`. */
function joined(tensors: readonly [string, { encoding: TensorEncoding }][]): string {
  return [...new Set(tensors.map(([, { encoding }]) => encoding))].join(', ');
}

function codePaths({ gpu, weights, transformer }: LoadedModel): ModelInfo['codePaths'] {
  const { attention, decodeMatmul } = transformer.variants;
  const dot = gpu.capabilities.packedDot ? 'dot4I8Packed' : 'unpack';
  return {
    stream: 'local',
    reduction: attention.kind === 'lanes' ? 'subgroups' : 'workgroup',
    f16: 'pack2x16float',
    kvCache: transformer.variants.cacheFormat,
    activations: transformer.activations,
    int8Dot: decodeMatmul.products === 'bytes' ? dot : decodeMatmul.products,
    embedding: weights.embedding.format,
    head: weights.head.format,
  };
}
