// A model as its headers describe it, checked as far as that goes without reading tensor data.

import { chooseActivations, layerEncodings, type Activations } from '../model/activations';
import { architectures } from '../model/architectures';
import { checkTensors } from '../model/load';
import type { ModelFile } from '../model/model-file';
import { openModel } from '../model/open-model';
import type { VocabularyPrecision } from '../model/vocabulary';
import type { ModelFiles } from '../files/model-files';
import { chatTemplateOf, Tokenizer, type ConversationTemplate } from '../tokenizer';
import type { PrecisionOptions } from './load-options';

/** A model whose headers were read. */
export interface ReadModel {
  model: ModelFile;
  tokenizer: Tokenizer;
  template: ConversationTemplate;
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
  const template = await chatTemplateOf(spec, model.config.architecture);
  checkTensors(model);
  return { model, tokenizer, template };
}

/**
 * What the options mean for `model`. `headPrecision` is that of embedding and LM head, where the file has more than ternary
 * codes of them.
 */
export function choosePrecisions(
  { config, tensors }: Pick<ModelFile, 'config' | 'tensors'>,
  { precision = 'fast', headPrecision }: PrecisionOptions,
): { activations: Activations; headPrecision: VocabularyPrecision } {
  return {
    activations: chooseActivations(config, layerEncodings(tensors, config), precision),
    headPrecision: headPrecision ?? (precision === 'exact' ? 'exact' : 'int8'),
  };
}
