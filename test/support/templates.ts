// Templates in Jinja where a test has them at once: the engine loads the language with the first of them.

import { ChatTemplate } from '../../src/tokenizer';
import * as jinja from '../../src/tokenizer/template-guard';

/** A template, as if a model's file had it. */
export function jinjaTemplate(source: string): ChatTemplate {
  return new ChatTemplate(jinja, source);
}
