// Rules for strings of patterns, of a format, and of bounded length, all at once if need be.

import { EVERYTHING, ONE_UNIT, type CodePoints } from './code-points';
import { literal, type RuleBook } from './ebnf';
import { formatTree } from './json-formats';
import { stringCharacter } from './json-strings';
import { matchingStringRule } from './regex';
import { automatonExpression, automatonOf, matches, product, type Automaton } from './regex-automaton';
import { hasOnly, ofLength, type RegexTree } from './regex-shape';
import { regexTree } from './regex-tree';
import { empty, unsupported } from './schema-document';
import type { FlatSchema } from './schema-keywords';
import { notationOf, type ValueStyle } from './value-text';

type StringKeywords = NonNullable<FlatSchema['strings']>;

/** A rule for the strings that patterns, a format and bounds of the length leave, of which there is a pattern or a format. */
export function constrainedStringRule(
  book: RuleBook,
  style: ValueStyle,
  keywords: StringKeywords,
  pointer: string,
): string {
  const { minLength: min = 0, maxLength: max = Infinity, format, patterns = [] } = keywords;
  const known = format === undefined ? undefined : formatTree(format, patterns.length > 0, pointer);
  const trees = [...(known ? [known] : []), ...patterns.map((pattern) => patternTree(pattern, pointer))];
  const [only, ...more] = trees;
  // Libraries count a character beyond U+FFFF as two: where there is a maximum, such characters are left out.
  const isCountedAlike = max === Infinity || (only !== undefined && hasOnly(only, ONE_UNIT));
  const bounded = only && more.length === 0 && isCountedAlike ? ofLength(only, min, max) : undefined;
  const rule = bounded
    ? matchingStringRule(book, style, bounded)
    : productRule(book, style, productOf([...trees, ...lengthTree(min, max)], pointer));
  if (rule === undefined)
    throw empty(pointer, 'no text without control characters has the pattern, format and length');
  return rule;
}

/** Whether a string has the patterns and the length. Its format is not asked about: who lists it beside one says that it has. */
export function hasPatternsAndLength(
  text: string,
  { minLength = 0, maxLength = Infinity, patterns = [] }: StringKeywords,
  pointer: string,
): boolean {
  const length = Array.from(text).length;
  if (length < minLength || length > maxLength) return false;
  return patterns.every((pattern) =>
    matches(checked(automatonOf(patternTree(pattern, pointer)), pointer), text),
  );
}

function patternTree(pattern: string, pointer: string): RegexTree {
  return regexTree(pattern, 'part', `The pattern at ${pointer}`);
}

function lengthTree(min: number, max: number): RegexTree[] {
  return min === 0 && max === Infinity
    ? []
    : [{ kind: 'repeat', of: { kind: 'set', set: EVERYTHING }, min, max }];
}

function productOf(trees: readonly RegexTree[], pointer: string): Automaton {
  const automata = trees.map((tree) => checked(automatonOf(tree), pointer));
  return automata.reduce((a, b) => checked(product(a, b), pointer));
}

function checked(automaton: Automaton | undefined, pointer: string): Automaton {
  if (automaton) return automaton;
  throw unsupported(pointer, 'a combination of pattern, format, minLength and maxLength that is too large');
}

function productRule(book: RuleBook, style: ValueStyle, automaton: Automaton): string | undefined {
  const quote = literal(notationOf(style).quote);
  const character = (set: CodePoints): string | undefined => stringCharacter(set, style);
  const expression = automatonExpression(book, automaton, character, quote);
  return expression === undefined ? undefined : book.rule('string', `${quote} ${expression}`);
}
