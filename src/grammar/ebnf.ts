// Writes xgrammar's EBNF: rules with names of their own, literals, characters.

import { TernionError } from '../errors';
import { characterAlternatives, type CodePoints } from './code-points';
import { deterministicRules } from './deterministic-rules';

/** More than any schema that people write becomes; a grammar of this size takes seconds to compile. */
const MAX_CHARACTERS = 2 * 2 ** 20;

/** Collects the rules of one grammar. */
export class RuleBook {
  readonly #bodies = new Map<string, string>();
  readonly #names = new Map<string, string>();
  readonly #reserved = new Map<string, number>();
  readonly #once = new Map<string, string>();
  #characters = 0;

  /**
   * The name of a rule with this body: a new one, made of `hint`, or that of a rule that has the same body already.
   *
   * @throws TernionError `invalid-argument` if the rules come to more than 2 MiB.
   */
  rule(hint: string, body: string): string {
    const same = this.#names.get(body);
    if (same !== undefined) return same;
    const name = this.reserve(hint);
    this.define(name, body);
    this.#names.set(body, name);
    return name;
  }

  /** A name for a rule whose body is given later by `define`: rules that use themselves need one. */
  reserve(hint: string): string {
    const stem = hint
      .replace(/[^A-Za-z0-9_]+/g, '_')
      .replace(/^(?![A-Za-z])/, 'r_')
      .slice(0, 40);
    const count = this.#reserved.get(stem) ?? 0;
    this.#reserved.set(stem, count + 1);
    // The first has the name itself, so that `root` can be one. Two underscores keep others from meeting a stem with a number.
    return count === 0 ? stem : `${stem}__${count}`;
  }

  /** Gives a reserved name its rule. */
  define(name: string, body: string): void {
    this.#characters += name.length + body.length;
    if (this.#characters > MAX_CHARACTERS) {
      throw new TernionError(
        'invalid-argument',
        'The shape of the answer becomes a grammar of more than 2 MiB.',
      );
    }
    this.#bodies.set(name, body);
  }

  /** The name of the rule that is known by this key; the first time it is made, by a function that may use its name. */
  once(key: string, body: (name: string) => string): string {
    const known = this.#once.get(key);
    if (known !== undefined) return known;
    const name = this.reserve(key);
    this.#once.set(key, name);
    this.define(name, body(name));
    return name;
  }

  /** The rules by their names. */
  get rules(): ReadonlyMap<string, string> {
    return this.#bodies;
  }

  /** The grammar, a rule a line, in rules that xgrammar reads rightly. Its start symbol is `root`. */
  toString(): string {
    return Array.from(deterministicRules(this.#bodies), ([name, body]) => `${name} ::= ${body}\n`).join('');
  }
}

/**
 * The EBNF of exactly this text.
 *
 * @throws TernionError `invalid-argument` if it has half of a UTF-16 pair, which no answer can have.
 */
export function literal(text: string): string {
  return `"${Array.from(text, escaped).join('')}"`;
}

function escaped(character: string): string {
  const codePoint = character.codePointAt(0) ?? 0;
  if (codePoint >= 0xd800 && codePoint <= 0xdfff) {
    throw new TernionError(
      'invalid-argument',
      `A text of the shape has half of a UTF-16 pair: ${JSON.stringify(character)}.`,
    );
  }
  if (character === '"' || character === '\\') return `\\${character}`;
  const printable = codePoint >= 0x20 && (codePoint < 0x7f || codePoint > 0xa0);
  return printable ? character : `\\u${codePoint.toString(16).padStart(4, '0')}`;
}

/** The EBNF of any one of these expressions. */
export function anyOf(expressions: readonly string[]): string {
  const [only] = expressions;
  return expressions.length === 1 && only !== undefined ? only : `(${expressions.join(' | ')})`;
}

/** The EBNF of one character of the set; undefined if UTF-8 has none of them. */
export function oneOf(set: CodePoints): string | undefined {
  const alternatives = characterAlternatives(set);
  return alternatives.length === 0 ? undefined : anyOf(alternatives);
}

/** The EBNF of between `min` and `max` of an expression, which may be `Infinity`. */
export function repeated(expression: string, min: number, max: number): string {
  if (min === 1 && max === 1) return expression;
  const bounds =
    max === Infinity
      ? ({ 0: '*', 1: '+' }[min] ?? `{${min},}`)
      : min === 0 && max === 1
        ? '?'
        : `{${min},${max}}`;
  return `(${expression})${bounds}`;
}

/**
 * The EBNF of exactly one of these texts: as a tree of their characters, so that many of them compile soon.
 *
 * @throws TernionError as `literal` does.
 */
export function oneOfTexts(book: RuleBook, texts: readonly string[]): string {
  const sorted = [...new Set(texts)].map((text) => Array.from(text)).sort(byCharacters);
  return textsFrom(book, sorted, 0);
}

/** What follows the first `length` characters, which all of the texts have in common. They are in order. */
function textsFrom(book: RuleBook, texts: readonly (readonly string[])[], length: number): string {
  const groups = new Map<string, (readonly string[])[]>();
  for (const text of texts) {
    const next = text[length];
    if (next === undefined) continue;
    const group = groups.get(next) ?? [];
    group.push(text);
    groups.set(next, group);
  }
  const endsHere = texts.some((text) => text.length === length);
  const ways = Array.from(groups.values(), (group) => {
    const [first = [], last = first] = [group[0], group.at(-1)];
    let end = length + 1;
    // In order, what the first and the last have in common is common to all.
    while (end < first.length && first[end] === last[end]) end++;
    const shared = literal(first.slice(length, end).join(''));
    const isWhole = group.length === 1;
    return isWhole ? shared : `${shared} ${textsFrom(book, group, end)}`;
  });
  const all = endsHere ? [...ways, '""'] : ways;
  return all.length === 1 ? (all[0] ?? '""') : book.rule('texts', all.join(' | '));
}

function byCharacters(a: readonly string[], b: readonly string[]): number {
  const at = a.findIndex((character, i) => character !== b[i]);
  if (at < 0) return a.length - b.length;
  return (a[at] ?? '') < (b[at] ?? '') ? -1 : 1;
}
