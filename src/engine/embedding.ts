// What a caller calls texts becomes the ids to embed, and models are told apart: those that generate, those that embed.

import { TernionError } from '../errors';
import type { ModelConfig } from '../model/config';
import { encodeForEmbedding, type Tokenizer } from '../tokenizer';

/** Throws `unsupported-feature` for a model that makes embeddings: what follows a text it was not trained to say. */
export function requireGenerating({ name, pooling }: ModelConfig): void {
  if (pooling === 'none') return;
  const message = `The model '${name}' makes embeddings (engine.embed); it does not generate.`;
  throw new TernionError('unsupported-feature', message);
}

/** Throws `unsupported-feature` for a model that generates. */
export function requireEmbedding({ name, architecture, pooling }: ModelConfig): void {
  if (pooling !== 'none') return;
  const message =
    `The model '${name}' generates; it makes no embeddings. Models that do have a pooling_type in their file ` +
    `(${architecture}.pooling_type), as BitNet-embedding 0.6B has.`;
  throw new TernionError('unsupported-feature', message);
}

/**
 * The ids of each text, with `prefix` in front. Throws `invalid-argument` for an empty text that the model has no token for,
 * and `context-overflow`, saying which, for one of more than `contextLength` tokens.
 */
export function encodeTexts(
  tokenizer: Tokenizer,
  texts: string | readonly string[],
  prefix: string,
  contextLength: number,
): number[][] {
  const list = typeof texts === 'string' ? [texts] : texts;
  return list.map((text, i) => {
    const ids = encodeForEmbedding(tokenizer, prefix + text);
    if (ids.length === 0) throw new TernionError('invalid-argument', `Text ${i} is empty.`);
    if (ids.length <= contextLength) return ids;
    const message = `Text ${i} has ${ids.length} tokens, which do not fit the context of ${contextLength}.`;
    throw new TernionError('context-overflow', message);
  });
}
