// Rules for what a regular expression matches: as an answer, or inside of a string's quotes.

import { TernionError } from '../errors';
import { literal, oneOf, type RuleBook } from './ebnf';
import type { CodePoints } from './code-points';
import { stringCharacter } from './json-strings';
import type { RegexTree } from './regex-shape';
import { regexTree } from './regex-tree';
import { notationOf, type ValueStyle } from './value-text';

/**
 * A rule for the texts that an expression matches from end to end, with the flag `u`.
 *
 * @throws TernionError as `regexTree` does; `invalid-argument` if there is no such text.
 */
export function regexRule(book: RuleBook, pattern: string): string {
  const what = 'The regular expression';
  const tree = regexTree(pattern, 'whole', what);
  const expression = new RegexWriter(book, oneOf).before(tree, '""');
  if (expression === undefined) throw nothingMatches(what);
  return book.rule('regex', expression);
}

/** A rule for strings, with their quotes, whose contents match; undefined if no string does that is written without `\u`. */
export function matchingStringRule(book: RuleBook, style: ValueStyle, tree: RegexTree): string | undefined {
  const quote = literal(notationOf(style).quote);
  const expression = new RegexWriter(book, (set) => stringCharacter(set, style)).before(tree, quote);
  return expression === undefined ? undefined : book.rule('string', `${quote} ${expression}`);
}

function nothingMatches(what: string): TernionError {
  return new TernionError('invalid-argument', `${what} matches no text at all.`);
}

/**
 * Writes trees as rules, from the end of the text backwards: each expression has in it what follows. So a state of the grammar
 * knows all about the next token, which rules that end in the middle of one do not (measured with 128,000 tokens: 0.05 instead of
 * 4 to 130 ms for a mask).
 */
class RegexWriter {
  constructor(
    private readonly book: RuleBook,
    private readonly character: (set: CodePoints) => string | undefined,
  ) {}

  /** The EBNF of the tree's texts, each followed by `next`; undefined if there are none. */
  before(tree: RegexTree, next: string): string | undefined {
    switch (tree.kind) {
      case 'set': {
        const character = this.character(tree.set);
        return character === undefined ? undefined : `${character} ${next}`;
      }
      case 'sequence':
        return tree.parts.reduceRight<string | undefined>(
          (following, part) => (following === undefined ? undefined : this.before(part, following)),
          next,
        );
      case 'choice':
        return this.#choice(tree.options, this.#named(next));
      case 'repeat':
        return tree.max === Infinity
          ? this.#times(tree.of, tree.min, this.#unbounded(tree.of, next))
          : this.#counted(tree.of, tree.min, tree.max, next);
    }
  }

  #choice(options: readonly RegexTree[], next: string): string | undefined {
    const expressions = options
      .map((option) => this.before(option, next))
      .filter((option) => option !== undefined);
    return expressions.length === 0 ? undefined : this.#named(expressions.join(' | '));
  }

  /** Any number of times. What can be empty adds nothing by being so. */
  #unbounded(of: RegexTree, next: string): string {
    const after = this.#named(next);
    const name = this.book.reserve('repeated');
    const once = this.before(of, name);
    this.book.define(name, once === undefined ? after : `${once} | ${after}`);
    return name;
  }

  #counted(of: RegexTree, min: number, max: number, next: string): string | undefined {
    const after = this.#named(next);
    let following = after;
    for (let left = 1; left <= max - min; left++) {
      const once = this.before(of, following);
      if (once === undefined) break;
      following = this.#named(`${once} | ${after}`);
    }
    return this.#times(of, min, following);
  }

  #times(of: RegexTree, count: number, next: string): string | undefined {
    let following: string | undefined = next;
    for (let left = 0; left < count && following !== undefined; left++) {
      following = this.before(of, this.#named(following));
    }
    return following;
  }

  /** As a rule of its own, if it is not one already: it is going to be used more than once. */
  #named(expression: string): string {
    return /^[\w"]+$/.test(expression) ? expression : this.book.rule('text', expression);
  }
}
