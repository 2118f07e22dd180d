// The grammar of whatever an answer is to be held to.

import type { Grammar, GrammarSource } from '../grammar';
import { grammarOfFormat } from '../response-format';
import { grammarOfTools } from '../tool-grammar';

/** Throws a `TernionError` that says what of the source no grammar is made of. */
export function grammarOf(source: GrammarSource): Grammar {
  if ('ebnf' in source) return source;
  if ('format' in source) return grammarOfFormat(source.format);
  const { convention, tools, choice, parallel } = source.calls;
  return grammarOfTools(convention, tools, choice, parallel);
}
