// Rules for strings: any, of bounded length, and keys that are none of those with a name of their own.

import { anyOf, literal, type RuleBook } from './ebnf';
import { characterAlternatives, CodePoints, EVERYTHING, ONE_UNIT, SURROGATES } from './code-points';
import { notationOf, type ValueStyle } from './value-text';

/** Up to how many needed characters those of two units are counted. */
const EXACT_MINIMUM = 3;

const UNESCAPED = CodePoints.of([0, 0x1f]).union(SURROGATES).complement();

/**
 * The EBNF of one character of `set` inside of a string, escaped where it has to be; undefined if no string has any of them.
 * Control characters that have no letter (U+0001) are never derived, nor are other escapes than the shortest: a string has
 * one text only.
 */
export function stringCharacter(set: CodePoints, style: ValueStyle): string | undefined {
  const { escapes } = notationOf(style);
  const escaped = CodePoints.of(
    ...Array.from(escapes.keys(), (codePoint) => [codePoint, codePoint] as const),
  );
  const alternatives = [...characterAlternatives(set.and(UNESCAPED).minus(escaped))];
  const letters = Array.from(escapes).filter(([codePoint]) => set.has(codePoint));
  if (letters.length > 0) {
    const [class_ = ''] = characterAlternatives(CodePoints.in(letters.map(([, letter]) => letter).join('')));
    alternatives.push(`"\\\\" ${class_}`);
  }
  return alternatives.length === 0 ? undefined : anyOf(alternatives);
}

/** A rule for any string, with its quotes. */
export function anyStringRule(book: RuleBook, style: ValueStyle): string {
  return stringOfLengthRule(book, style, 0, Infinity);
}

/**
 * A rule for strings of at least `min` code points, and at most `max` units of UTF-16.
 *
 * JSON Schema counts code points, and most schema libraries the units that JavaScript's `length` counts: such a string is right
 * to both. Characters of two units are derived only when no more than two others are needed, which saves many states.
 *
 * What is left of a string, with its closing quote, is a rule that uses the one for a character less. So a state decides
 * about every token (masks are looked up, not computed), and strings of different bounds share the rules of the shorter one.
 */
export function stringOfLengthRule(book: RuleBook, style: ValueStyle, min: number, max: number): string {
  const rest = max === Infinity ? restFrom(book, style, min) : restWithin(book, style, min, max);
  return book.rule('string', `${quoteOf(style)} ${rest}`);
}

/** What is left of a string of at least `min` more characters. */
function restFrom(book: RuleBook, style: ValueStyle, min: number): string {
  const character = stringCharacter(EVERYTHING, style) ?? '';
  let rest = restRule(book, style);
  for (let left = 1; left <= min; left++) rest = book.rule('string_from', `${character} ${rest}`);
  return rest;
}

/** What is left of a string of at least `min` more characters, which are at most `max` units. */
function restWithin(book: RuleBook, style: ValueStyle, min: number, max: number): string {
  return book.once(`string_${style}_${min}_to_${max}`, () => {
    const one = stringCharacter(ONE_UNIT, style) ?? '';
    const two = stringCharacter(ONE_UNIT.complement(), style) ?? '';
    const next = Math.max(min - 1, 0);
    const ways = min === 0 ? [quoteOf(style)] : [];
    if (max >= 1 && next <= max - 1) ways.push(`${one} ${restWithin(book, style, next, max - 1)}`);
    if (max >= 2 && next <= max - 2 && min <= EXACT_MINIMUM)
      ways.push(`${two} ${restWithin(book, style, next, max - 2)}`);
    return ways.join(' | ');
  });
}

/** A rule for what follows an opening quote: any characters and the closing one. */
function restRule(book: RuleBook, style: ValueStyle): string {
  const character = stringCharacter(EVERYTHING, style) ?? '';
  return book.once(`string_rest_${style}`, (name) => `${quoteOf(style)} | ${character} ${name}`);
}

/** A rule for strings that are none of `texts`, with quotes. */
export function otherStringRule(book: RuleBook, style: ValueStyle, texts: readonly string[]): string {
  if (texts.length === 0) return anyStringRule(book, style);
  const root: Branch = { ends: false, next: new Map() };
  for (const text of texts) {
    let branch = root;
    for (const character of text) {
      const codePoint = character.codePointAt(0) ?? 0;
      const next = branch.next.get(codePoint) ?? { ends: false, next: new Map() };
      branch.next.set(codePoint, next);
      branch = next;
    }
    branch.ends = true;
  }
  return book.rule('other_key', `${quoteOf(style)} ${differingRest(book, style, root)}`);
}

/** The texts that have a beginning in common, by their next character. */
interface Branch {
  /** Whether one of them ends here. */
  ends: boolean;
  next: Map<number, Branch>;
}

function differingRest(book: RuleBook, style: ValueStyle, branch: Branch): string {
  const taken = CodePoints.of(
    ...Array.from(branch.next.keys(), (codePoint) => [codePoint, codePoint] as const),
  );
  const alternatives = branch.ends ? [] : [quoteOf(style)];
  const other = stringCharacter(taken.complement(), style);
  if (other !== undefined) alternatives.push(`${other} ${restRule(book, style)}`);
  for (const [codePoint, next] of branch.next) {
    const same = stringCharacter(CodePoints.of([codePoint, codePoint]), style);
    if (same !== undefined) alternatives.push(`${same} ${differingRest(book, style, next)}`);
  }
  return book.rule('key_rest', alternatives.join(' | '));
}

function quoteOf(style: ValueStyle): string {
  return literal(notationOf(style).quote);
}
