// A model as its headers describe it, checked as far as that goes without reading tensor data.

import { chooseActivations, layerEncodings, type Activations } from '../model/activations';
import { architectures } from '../model/architectures';
import { checkTensors } from '../model/load';
import type { ModelFile } from '../model/model-file';
import { openModel } from '../model/open-model';
import { TernionError } from '../errors';
import type { ModelFiles } from '../files/model-files';
import { chatTemplateOf, Tokenizer, type ChatTemplate } from '../tokenizer';
import type { PrecisionOptions } from './load-options';

/** A model whose headers were read. */
export interface ReadModel {
  model: ModelFile;
  tokenizer: Tokenizer;
  template: ChatTemplate;
}

/**
 * Reads the headers. Rejects with `unsupported-…`, naming what is not supported, with `corrupt-file`, or with
 * `template-failed` for a chat template that cannot be read; `ownTemplate` says that the caller brings one, so that the
 * file's is not looked at.
 */
export async function readModel(
  files: ModelFiles,
  signal?: AbortSignal,
  ownTemplate = false,
): Promise<ReadModel> {
  const model = await openModel(files, architectures, signal);
  const tokenizer = new Tokenizer(model.tokenizer);
  const spec = ownTemplate ? { tokens: model.tokenizer.tokens } : model.tokenizer;
  const template = chatTemplateOf(spec, model.config.architecture);
  checkTensors(model);
  return { model, tokenizer, template };
}

/** Throws `invalid-argument` for precisions that do not exist. */
export function checkPrecisions({
  precision = 'fast',
  headPrecision = 'int8',
  kvCache = 'auto',
}: PrecisionOptions): void {
  if (!['fast', 'exact'].includes(precision))
    throw new TernionError('invalid-argument', `precision is ${precision}; it can be fast or exact.`);
  if (!['int8', 'f16'].includes(headPrecision))
    throw new TernionError('invalid-argument', `headPrecision is ${headPrecision}; it can be int8 or f16.`);
  if (!['auto', 'f16', 'int8'].includes(kvCache))
    throw new TernionError('invalid-argument', `kvCache is ${kvCache}; it can be auto, f16 or int8.`);
}

/** What the options mean for `model`. One that makes embeddings has no use for a head, and gets none in int8. */
export function choosePrecisions(
  { config, tensors }: Pick<ModelFile, 'config' | 'tensors'>,
  { precision = 'fast', headPrecision = precision === 'exact' ? 'f16' : 'int8' }: PrecisionOptions,
): { activations: Activations; headPrecision: 'int8' | 'f16' } {
  return {
    activations: chooseActivations(config, layerEncodings(tensors, config), precision),
    headPrecision: config.pooling === 'none' ? headPrecision : 'f16',
  };
}
