// One view of a model, whatever files it came in: what it computes, where each tensor is, and how it reads text.

import type { EncodingName } from '../formats/encodings';
import { isTernary } from '../formats/encodings';
import type { TensorInfo } from '../formats/gguf';
import type { TokenizerSpec } from '../tokenizer';
import type { ByteSource } from '../files/byte-source';
import type { ModelConfig } from './config';

/** A tensor of numbers of any encoding but packed codes, under its GGUF name. A GGUF file has only such. */
export type PlainTensor = TensorInfo;

/** A ternary matrix as Hugging Face packs it: uint8 [out / 4, in] in the file (src/formats/packed.ts), its scale apart. */
export interface PackedMatrix extends Omit<TensorInfo, 'encoding'> {
  /** [out, in]. */
  readonly shape: readonly [number, number];
  readonly encoding: 'PACKED';
  readonly scale: WeightScale;
}

/** A scale that is a tensor of its own, of one element. */
export interface WeightScale {
  readonly tensor: PlainTensor;
  /** Whether weights are the codes divided by it ("bitlinear"), and not multiplied ("autobitlinear"). */
  readonly divides: boolean;
}

/** Where a tensor is, and how to read it. `file` counts {@link ModelFile.sources}. */
export type ModelTensor = PlainTensor | PackedMatrix;

/** How a tensor is stored: an encoding of GGUF, or `PACKED`. */
export type TensorEncoding = EncodingName | 'PACKED';

/** Tensors by their GGUF name, for example `blk.0.attn_q.weight`. */
export type ModelTensors = ReadonlyMap<string, ModelTensor>;

/** What kinds of files make up a model. */
export type ModelFormat = 'gguf' | 'gguf-split' | 'safetensors';

/** A model whose headers were read; no tensor data was. */
export interface ModelFile {
  readonly format: ModelFormat;
  /** Version of the GGUF format, 2 or 3; undefined for safetensors, which have none. */
  readonly version: number | undefined;
  readonly config: ModelConfig;
  readonly tensors: ModelTensors;
  /** The files with tensors. */
  readonly sources: readonly ByteSource[];
  readonly tokenizer: TokenizerSpec;
  /** What was decided against the word of the files, or where they say nothing: whole sentences, for people. */
  readonly adjustments: readonly string[];
}

/** Whether a tensor is a matrix of ternary codes. */
export function isTernaryTensor({ encoding }: { encoding: TensorEncoding }): boolean {
  return encoding === 'PACKED' || isTernary(encoding);
}
