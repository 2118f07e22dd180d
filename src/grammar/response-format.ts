// What an answer is to be like, as a grammar.

import { TernionError } from '../errors';
import { oneOfTexts, RuleBook } from './ebnf';
import type { Grammar, JsonSchema, PlainFormat, StringLengths } from './grammar';
import { openSchemaRule } from './json-schema';
import { regexRule } from './regex';
import { readableGrammar } from './written-grammar';

const MAX_OPTIONS = 10_000;
const MAX_OPTION_CHARACTERS = 256 * 1024;
const MAX_EBNF = 256 * 1024;
const ANY_OBJECT: JsonSchema = { type: 'object' };

/**
 * The grammar of an answer.
 *
 * @throws TernionError `invalid-argument` if the shape is malformed or too large, `unsupported-feature` if it asks for what
 *   would not be enforced.
 */
export function grammarOfFormat(format: PlainFormat): Grammar {
  switch (format.type) {
    case 'json':
      return grammarOfSchema(format.schema ?? ANY_OBJECT);
    case 'regex':
      return written((book) => regexRule(book, format.pattern));
    case 'choice':
      return written((book) => choiceRule(book, format.options));
    case 'grammar':
      if (format.ebnf.length > MAX_EBNF) throw invalid(`The grammar is longer than ${MAX_EBNF / 1024} KiB.`);
      return { ebnf: readableGrammar(format.ebnf) };
  }
}

function grammarOfSchema(schema: JsonSchema): Grammar {
  let bounds: StringLengths['bounds'] = [];
  const { ebnf } = written((book) => {
    const open = openSchemaRule(book, schema);
    bounds = open.bounds;
    return open.rule;
  });
  return bounds.length === 0 ? { ebnf } : { ebnf, lengths: { behind: '', bounds } };
}

function choiceRule(book: RuleBook, options: readonly string[]): string {
  if (options.length === 0) throw invalid('A choice has no options.');
  if (options.length > MAX_OPTIONS) throw invalid(`A choice has more than ${MAX_OPTIONS} options.`);
  const characters = options.reduce((sum, option) => sum + option.length, 0);
  if (characters > MAX_OPTION_CHARACTERS)
    throw invalid(`The options of a choice are longer than ${MAX_OPTION_CHARACTERS / 1024} KiB.`);
  if (options.includes('')) throw invalid('An option of a choice is empty.');
  return book.rule('choice', oneOfTexts(book, options));
}

/** A grammar that derives what one rule does. */
function written(write: (book: RuleBook) => string): Grammar {
  const book = new RuleBook();
  const root = book.reserve('root');
  book.define(root, write(book));
  return { ebnf: book.toString() };
}

function invalid(message: string): TernionError {
  return new TernionError('invalid-argument', message);
}
