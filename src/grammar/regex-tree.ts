// Regular expressions of JavaScript as trees of sets of characters, or refused by what they ask for.

import { AST, RegExpParser } from '@eslint-community/regexpp';
import { TernionError } from '../errors';
import { CodePoints, EVERYTHING, type CodePointRange } from './code-points';
import { simplified, type RegexTree } from './regex-shape';

/** Whether the whole text has to match, as between `^(?:` and `)$`, or some part of it, as JSON Schema's `pattern` has it. */
export type RegexExtent = 'whole' | 'part';

/** The text before and behind the part that matches. */
const ANYTHING: RegexTree = { kind: 'repeat', of: { kind: 'set', set: EVERYTHING }, min: 0, max: Infinity };

const MAX_LENGTH = 16 * 1024;
const MAX_DEPTH = 100;
const MAX_REPETITIONS = 2000;
/** Characters of the expression with every bounded repetition written out. */
const MAX_WRITTEN_OUT = 10_000;
/** Each asks about every code point, which takes 50 ms. */
const MAX_PROPERTIES = 4;

/**
 * Reads an expression with the meaning that it has with the flag `u`.
 *
 * @param what The expression's name in messages, as the beginning of a sentence.
 * @throws TernionError `invalid-argument` if it is malformed or too large, `unsupported-feature` if it has what no grammar
 *   has: lookaround, backreferences, word boundaries, anchors between characters.
 */
export function regexTree(pattern: string, extent: RegexExtent, what: string): RegexTree {
  if (pattern.length > MAX_LENGTH) throw tooLarge(what, `is longer than ${MAX_LENGTH} characters`);
  if (parenthesesOpenAtOnce(pattern) > MAX_DEPTH)
    throw tooLarge(what, `is nested more than ${MAX_DEPTH} deep`);
  const reader = new Reader(what, extent);
  const tree = reader.choice(parsed(pattern, what), true, true);
  if (writtenOut(tree) > MAX_WRITTEN_OUT) {
    throw tooLarge(
      what,
      `comes to more than ${MAX_WRITTEN_OUT} characters when its repetitions are written out`,
    );
  }
  return tree;
}

function parsed(pattern: string, what: string): readonly AST.Alternative[] {
  try {
    return new RegExpParser({ ecmaVersion: 2025 }).parsePattern(pattern, 0, pattern.length, { unicode: true })
      .alternatives;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new TernionError('invalid-argument', `${what} is malformed: ${reason}`, { cause });
  }
}

/** The parser recurses, so this is counted before it; parentheses in classes count too, which does no harm. */
function parenthesesOpenAtOnce(pattern: string): number {
  let open = 0;
  let most = 0;
  for (let i = 0; i < pattern.length; i++) {
    if (pattern[i] === '\\') i++;
    else if (pattern[i] === '(') most = Math.max(most, ++open);
    else if (pattern[i] === ')') open--;
  }
  return most;
}

/** Makes trees of parts of one expression. `first` and `last` say whether a part stands at an end of the whole expression. */
class Reader {
  #properties = 0;

  constructor(
    private readonly what: string,
    private readonly extent: RegexExtent,
  ) {}

  choice(alternatives: readonly AST.Alternative[], first: boolean, last: boolean): RegexTree {
    const options = alternatives.map(({ elements }) => this.#sequence(elements, first, last));
    const [only] = options;
    return options.length === 1 && only ? only : { kind: 'choice', options };
  }

  #sequence(all: readonly AST.Element[], first: boolean, last: boolean): RegexTree {
    let elements = all;
    const begins = first && isAnchor(elements[0], 'start');
    if (begins) elements = elements.slice(1);
    const ends = last && isAnchor(elements.at(-1), 'end');
    if (ends) elements = elements.slice(0, -1);
    const [head, tail] = [elements[0], elements.at(-1)];
    // A group at an end of the expression sees to what stands before or behind itself: it may have an anchor of its own.
    const opens = first && !begins;
    const closes = last && !ends;
    const parts = elements.map((element) =>
      this.#element(element, opens && element === head, closes && element === tail),
    );
    if (this.extent === 'part' && opens && !isGroup(head)) parts.unshift(ANYTHING);
    if (this.extent === 'part' && closes && !isGroup(tail)) parts.push(ANYTHING);
    const [only, ...more] = simplified(parts);
    return only && more.length === 0 ? only : { kind: 'sequence', parts: only ? [only, ...more] : [] };
  }

  #element(element: AST.Element, first: boolean, last: boolean): RegexTree {
    switch (element.type) {
      case 'Group':
        if (element.modifiers) throw this.#refusal(element, 'flags of a group');
        return this.choice(element.alternatives, first, last);
      case 'CapturingGroup':
        return this.choice(element.alternatives, first, last);
      case 'Quantifier':
        return this.#quantifier(element);
      case 'Assertion':
        throw this.#refusal(element, NAMES[element.kind]);
      case 'Backreference':
        throw this.#refusal(element, 'backreferences');
      default:
        return { kind: 'set', set: this.#set(element) };
    }
  }

  #quantifier({ element, min, max, raw }: AST.Quantifier): RegexTree {
    const most = Number.isFinite(max) ? max : min;
    if (most > MAX_REPETITIONS)
      throw tooLarge(this.what, `repeats more than ${MAX_REPETITIONS} times: ${shortened(raw)}`);
    return { kind: 'repeat', of: this.#element(element, false, false), min, max };
  }

  #set(element: AST.Element | AST.CharacterClassElement): CodePoints {
    switch (element.type) {
      case 'Character':
        return CodePoints.of([element.value, element.value]);
      case 'CharacterClassRange':
        return CodePoints.of([element.min.value, element.max.value]);
      case 'CharacterClass': {
        const ranges = element.elements.flatMap((part) => this.#set(part).ranges);
        const set = CodePoints.of(...ranges);
        return element.negate ? set.complement() : set;
      }
      case 'CharacterSet':
        return element.kind === 'property' ? this.#property(element) : classOf(element);
      default:
        throw this.#refusal(element, 'sets of the flag v');
    }
  }

  /** Asked of this engine's own tables, as a validator in the same engine would. */
  #property(element: AST.UnicodePropertyCharacterSet): CodePoints {
    this.#properties++;
    if (this.#properties > MAX_PROPERTIES)
      throw tooLarge(this.what, `has more than ${MAX_PROPERTIES} Unicode properties`);
    const test = new RegExp(element.raw, 'u');
    const ranges: CodePointRange[] = [];
    let from: number | undefined;
    for (let codePoint = 0; codePoint <= 0x110000; codePoint++) {
      const isIn = codePoint <= 0x10ffff && test.test(String.fromCodePoint(codePoint));
      if (isIn) from ??= codePoint;
      else if (from !== undefined) {
        ranges.push([from, codePoint - 1]);
        from = undefined;
      }
    }
    return CodePoints.of(...ranges);
  }

  #refusal({ raw }: { raw: string }, name: string): TernionError {
    return new TernionError(
      'unsupported-feature',
      `${this.what} has what no grammar has: ${name}, ${shortened(raw)}.`,
    );
  }
}

const NAMES: Readonly<Record<AST.Assertion['kind'], string>> = {
  lookahead: 'lookahead',
  lookbehind: 'lookbehind',
  word: 'word boundaries',
  start: 'an anchor between characters',
  end: 'an anchor between characters',
};

function isAnchor(element: AST.Element | undefined, kind: 'start' | 'end'): boolean {
  return element?.type === 'Assertion' && element.kind === kind;
}

function isGroup(element: AST.Element | undefined): boolean {
  return element?.type === 'Group' || element?.type === 'CapturingGroup';
}

const DIGITS = CodePoints.of([0x30, 0x39]);
const WORD = CodePoints.in('_').union(CodePoints.of([0x30, 0x39], [0x41, 0x5a], [0x61, 0x7a]));
const LINE_ENDS = CodePoints.in('\n\r\u2028\u2029');
/** WhiteSpace and LineTerminator of ECMA-262. */
const SPACE = CodePoints.of([0x2000, 0x200a]).union(
  CodePoints.in('\t\n\v\f\r \u00a0\u1680\u2028\u2029\u202f\u205f\u3000\ufeff'),
);

function classOf(element: AST.AnyCharacterSet | AST.EscapeCharacterSet): CodePoints {
  if (element.kind === 'any') return LINE_ENDS.complement();
  const set = { digit: DIGITS, space: SPACE, word: WORD }[element.kind];
  return element.negate ? set.complement() : set;
}

/** The characters of the expression when its repetitions are written out. */
function writtenOut(tree: RegexTree): number {
  switch (tree.kind) {
    case 'set':
      return 1;
    case 'sequence':
      return tree.parts.reduce((sum, part) => sum + writtenOut(part), 0);
    case 'choice':
      return tree.options.reduce((sum, option) => sum + writtenOut(option), 1);
    case 'repeat':
      return (
        Math.max(writtenOut(tree.of), 1) * Math.max(Number.isFinite(tree.max) ? tree.max : tree.min + 1, 1)
      );
  }
}

function tooLarge(what: string, why: string): TernionError {
  return new TernionError('invalid-argument', `${what} ${why}.`);
}

function shortened(raw: string): string {
  return raw.length > 60 ? `${raw.slice(0, 60)}…` : raw;
}
