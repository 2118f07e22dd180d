// Loads a model as the engine does, but for one thing: no kernel is checked, so that one that is wrong can be looked at.

import { TernionError } from '../../src/errors';
import type { ModelFiles } from '../../src/files/model-files';
import type { GpuContext } from '../../src/gpu/context';
import { Transformer, type TransformerOptions } from '../../src/inference/transformer';
import type { VocabularyMatrix } from '../../src/kernels/matrices';
import type { Precision } from '../../src/model/activations';
import { loadWeights } from '../../src/model/load';
import { roundsActivations } from '../../src/model/vocabulary';
import { choosePrecisions, readModel } from '../../src/plan/read-model';
import type { ModelFile } from '../../src/model/model-file';
import type { Tokenizer } from '../../src/tokenizer';

/** A model on a device, and where its numbers can be read again. */
export interface Subject {
  model: ModelFile;
  tokenizer: Tokenizer;
  transformer: Transformer;
  /** How embedding and LM head are kept. */
  formats: Record<'embedding' | 'head', VocabularyMatrix['format']>;
}

/** How to load what is to be looked at. */
export interface SubjectOptions {
  precision?: Precision | undefined;
  /** Kernel variants to run; for others, the likeliest ones of the adapter. */
  variants?: TransformerOptions['variants'];
}

/** More tokens than one chunk of a prompt are not looked at. */
const CONTEXT_LENGTH = 128;

/** Loads the GGUF model `files` onto `gpu`. Rejects as `loadModel` does, and for what the formulas here do not cover. */
export async function loadSubject(
  gpu: GpuContext,
  files: ModelFiles,
  { precision, variants }: SubjectOptions = {},
): Promise<Subject> {
  const { model, tokenizer } = await readModel(files);
  if (model.format === 'safetensors')
    throw new TernionError('unsupported-format', 'Only GGUF files can be inspected, not packed safetensors.');
  const { perMatrixNorms, scales } = model.config;
  if (perMatrixNorms || Object.values(scales).some((scale) => scale !== 1)) {
    const message =
      'Models with a norm before each matrix, or with scales as MiniCPM has them, cannot be inspected.';
    throw new TernionError('unsupported-feature', message);
  }
  const { activations, headPrecision } = choosePrecisions(model, { precision });
  const weights = await loadWeights(gpu, model, { vocabulary: headPrecision });
  const contextLength = Math.min(CONTEXT_LENGTH, model.config.contextLength);
  const transformer = await Transformer.create(gpu, model.config, weights, {
    contextLength,
    exactHead: !roundsActivations(headPrecision),
    activations,
    variants,
    tuner: { unchecked: true },
  });
  const formats = { embedding: weights.embedding.format, head: weights.head.format };
  return { model, tokenizer, transformer, formats };
}

/** Most tokens that one look can have. */
export function mostTokens({ contextLength, variants }: Transformer): number {
  return Math.min(contextLength, variants.prefillTokens);
}
