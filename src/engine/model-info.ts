// What an engine says about itself: which model the files were recognised as, and how it runs.

import type { ModelFile, TensorEncoding } from '../model/model-file';
import type { ChatFormat } from '../tokenizer';
import type { Resident } from './resident';
import type { ModelInfo } from './types';

/** The part of `Engine.info` that says how the model runs where it is. */
export type DeviceInfo = Pick<ModelInfo, 'kernels' | 'adapter' | 'codePaths' | 'loadTimes'>;

/** The part that says which model it is. */
export type StaticInfo = Omit<ModelInfo, keyof DeviceInfo | 'gpuBytes' | 'source' | 'sharing'>;

/** Describes a model that has come onto its first device, of which a context of `askedContext` tokens was asked for. */
export function describeModel(
  model: ModelFile,
  chat: ChatFormat,
  resident: Resident,
  askedContext = 0,
): StaticInfo {
  const { config, tokenizer } = model;
  return {
    format: model.format,
    formatVersion: model.version,
    architecture: config.architecture,
    name: config.name,
    contextLength: resident.placement.contextLength,
    vocabularySize: config.vocabularySize,
    parameterCount: resident.parameterCount,
    encodings: encodingsByRole(model),
    tokenizer: {
      kind: tokenizer.model === 'gpt2' ? 'byte-level BPE' : 'SentencePiece BPE',
      preTokenizer: tokenizer.preTokenizer,
    },
    chatTemplate: chat.template.origin,
    toolCalls: chat.template.toolCalls,
    adjustments: [...model.adjustments, ...contextNote(askedContext, config.contextLength)],
  };
}

/** A model gives no sense beyond the context that it was made for. */
function contextNote(asked: number, most: number): string[] {
  if (asked <= most) return [];
  return [`A context of ${asked} tokens was asked for; the model was made for ${most}, and has that.`];
}

/** Describes how a model runs on a device. */
export function describeResident({ gpu, transformer, formats, loadTimes }: Resident): DeviceInfo {
  const { vendor, architecture, device, description } = gpu.device.adapterInfo;
  const { attention, decodeMatmul, cacheFormat } = transformer.variants;
  const { chosen, rejected } = transformer.tuning;
  const dot = gpu.capabilities.packedDot ? 'dot4I8Packed' : 'unpack';
  return {
    kernels: { chosen, rejected },
    loadTimes,
    adapter: { vendor, architecture, device, description },
    codePaths: {
      stream: 'local',
      reduction: attention.kind === 'lanes' ? 'subgroups' : 'workgroup',
      f16: 'pack2x16float',
      kvCache: cacheFormat,
      activations: transformer.activations,
      int8Dot: decodeMatmul.products === 'bytes' ? dot : decodeMatmul.products,
      ...formats,
    },
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
