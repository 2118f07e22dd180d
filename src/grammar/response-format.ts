// The grammar of an answer of a given shape.

import { TernionError } from '../errors';
import { literal, RuleBook } from './ebnf';
import type { Grammar, PlainFormat } from './grammar';
import { anyObjectRule, schemaRule } from './json-schema';
import { regexRule } from './regex';

const MAX_GRAMMAR = 256 * 1024;
const MAX_OPTIONS = 10_000;
const MAX_OPTION_CHARACTERS = 256 * 1024;

/**
 * The grammar that derives exactly the answers of a shape.
 *
 * @throws TernionError `invalid-argument` for what is malformed or too large; `unsupported-feature`, by its name, for what no grammar
 *   holds an answer to. What is wrong with an EBNF is found where it is compiled.
 */
export function grammarOfFormat(format: PlainFormat): Grammar {
  if (format.type === 'grammar') return written(format.ebnf);
  const book = new RuleBook();
  const name = book.reserve('root');
  book.define(name, expressionOf(book, format));
  return { ebnf: book.toString() };
}

function expressionOf(book: RuleBook, format: Exclude<PlainFormat, { type: 'grammar' }>): string {
  switch (format.type) {
    case 'json':
      return format.schema === undefined ? anyObjectRule(book) : schemaRule(book, format.schema, 'json');
    case 'regex':
      return regexRule(book, format.pattern);
    case 'choice':
      return choice(format.options);
  }
}

function written(ebnf: string): Grammar {
  if (ebnf.length > MAX_GRAMMAR) throw invalid(`The grammar has more than ${MAX_GRAMMAR / 1024} KiB.`);
  return { ebnf };
}

function choice(options: readonly string[]): string {
  if (options.length === 0) throw invalid('There is nothing to choose among.');
  if (options.length > MAX_OPTIONS)
    throw invalid(`There are more than ${MAX_OPTIONS} texts to choose among.`);
  const characters = options.reduce((sum, option) => sum + option.length, 0);
  if (characters > MAX_OPTION_CHARACTERS)
    throw invalid(`The texts to choose among have more than ${MAX_OPTION_CHARACTERS / 1024} KiB.`);
  return [...new Set(options)].map((option) => literal(option)).join(' | ');
}

function invalid(message: string): TernionError {
  return new TernionError('invalid-argument', message);
}
