// Rewrites rules so that xgrammar derives what they say.
//
// xgrammar makes an automaton of each rule and joins states that look alike, wrongly where two ways of a rule share both a
// beginning and an end: `"xab" | "xcb" | "xcd"` accepts "xad" (measured with 0.1.27: one in ten random choices of words derives a
// word that is in none). It does nothing of the kind across rules. So where two ways can begin with the same byte, each becomes a
// rule of its own, which begins with a rule for nothing: rules of literals alone would be put back into the place of their name.

import { expressionText, parsedExpression, type EbnfTree } from './ebnf-tree';

/** Bytes, a bit each. */
type ByteSet = bigint;

const NO_BYTES: ByteSet = 0n;
const ALL_BYTES: ByteSet = (1n << 256n) - 1n;

/** What a text can begin with, and whether it can be empty. */
interface Beginning {
  bytes: ByteSet;
  canBeEmpty: boolean;
}

const UNKNOWN: Beginning = { bytes: ALL_BYTES, canBeEmpty: true };

/**
 * The same grammar, in rules that are safe.
 *
 * @param rules Bodies by name. One whose syntax is not read stays as it is.
 */
export function deterministicRules(rules: ReadonlyMap<string, string>): Map<string, string> {
  const trees = new Map(Array.from(rules, ([name, body]) => [name, parsedExpression(body)] as const));
  const rewriter = new Rewriter(trees);
  return new Map([
    ...Array.from(rules, ([name, body]) => [name, rewriter.body(name) ?? body] as const),
    ...rewriter.added,
  ]);
}

class Rewriter {
  readonly added = new Map<string, string>();
  readonly #beginnings = new Map<string, Beginning>();

  constructor(private readonly trees: ReadonlyMap<string, EbnfTree | undefined>) {
    for (const [name, tree] of trees)
      if (tree) this.#beginnings.set(name, { bytes: NO_BYTES, canBeEmpty: false });
    for (let hasChanged = true; hasChanged;) {
      hasChanged = false;
      for (const [name, tree] of trees)
        if (tree && this.#learns(name, this.#beginning(tree))) hasChanged = true;
    }
  }

  /** The body of a rule, rewritten; undefined if its syntax was not read. */
  body(name: string): string | undefined {
    const tree = this.trees.get(name);
    if (!tree) return undefined;
    const rewritten = this.#rewritten(tree, NO_BYTES);
    const options = rewritten.kind === 'choice' ? rewritten.options : [rewritten];
    return options.map(expressionText).join(' | ');
  }

  #learns(name: string, found: Beginning): boolean {
    const known = this.#beginnings.get(name) ?? UNKNOWN;
    if ((known.bytes | found.bytes) === known.bytes && (known.canBeEmpty || !found.canBeEmpty)) return false;
    this.#beginnings.set(name, {
      bytes: known.bytes | found.bytes,
      canBeEmpty: known.canBeEmpty || found.canBeEmpty,
    });
    return true;
  }

  #beginning(tree: EbnfTree): Beginning {
    switch (tree.kind) {
      case 'literal':
        return { bytes: firstByte(tree.characters), canBeEmpty: tree.characters === '' };
      case 'class':
        return { bytes: bytesOfClass(tree), canBeEmpty: false };
      case 'name':
        return this.#beginnings.get(tree.name) ?? UNKNOWN;
      case 'choice': {
        const all = tree.options.map((option) => this.#beginning(option));
        return { bytes: union(all), canBeEmpty: all.some(({ canBeEmpty }) => canBeEmpty) };
      }
      case 'sequence':
        return this.#beginningOf(tree.parts);
      case 'repeat': {
        const { bytes, canBeEmpty } = this.#beginning(tree.of);
        return { bytes, canBeEmpty: canBeEmpty || tree.mayBeNone };
      }
    }
  }

  #beginningOf(parts: readonly EbnfTree[]): Beginning {
    let bytes = NO_BYTES;
    for (const part of parts) {
      const next = this.#beginning(part);
      bytes |= next.bytes;
      if (!next.canBeEmpty) return { bytes, canBeEmpty: false };
    }
    return { bytes, canBeEmpty: true };
  }

  /** `following` are the bytes that can come next in the same rule. */
  #rewritten(tree: EbnfTree, following: ByteSet): EbnfTree {
    switch (tree.kind) {
      case 'choice':
        return this.#choice(tree.options, following);
      case 'sequence': {
        const parts = tree.parts.map((part, i) => {
          const { bytes, canBeEmpty } = this.#beginningOf(tree.parts.slice(i + 1, i + 1 + LOOK_AHEAD));
          return this.#rewritten(part, canBeEmpty ? bytes | following : bytes);
        });
        return { kind: 'sequence', parts };
      }
      case 'repeat': {
        const { bytes, canBeEmpty } = this.#beginning(tree.of);
        const isSafe = !canBeEmpty && (bytes & following) === NO_BYTES;
        const of = isSafe ? this.#rewritten(tree.of, bytes | following) : this.#apart(tree.of);
        return { ...tree, of };
      }
      default:
        return tree;
    }
  }

  #choice(options: readonly EbnfTree[], following: ByteSet): EbnfTree {
    const beginnings = options.map((option) => this.#beginning(option));
    let seen = beginnings.some(({ canBeEmpty }) => canBeEmpty) ? following : NO_BYTES;
    let isSafe = beginnings.filter(({ canBeEmpty }) => canBeEmpty).length <= 1;
    for (const { bytes } of beginnings) {
      isSafe &&= (bytes & seen) === NO_BYTES;
      seen |= bytes;
    }
    const rewritten = options.map((option) =>
      isSafe ? this.#rewritten(option, following) : this.#apart(option),
    );
    return { kind: 'choice', options: rewritten };
  }

  /** The expression as a rule of its own. */
  #apart(tree: EbnfTree): EbnfTree {
    const isEmpty = tree.kind === 'literal' && tree.characters === '';
    if (isEmpty) return tree;
    const nothing = this.#add('nothing', '""');
    const rewritten = this.#rewritten(tree, NO_BYTES);
    return { kind: 'name', name: this.#add('way', `${nothing} ${expressionText(rewritten)}`) };
  }

  readonly #names = new Map<string, string>();

  #add(hint: string, body: string): string {
    const known = this.#names.get(body);
    if (known !== undefined) return known;
    let name = `${hint}_${this.added.size}`;
    while (this.trees.has(name)) name = `${name}_`;
    this.added.set(name, body);
    this.#names.set(body, name);
    return name;
  }
}

/** Parts of a sequence that are looked at for what comes next; more of them can hardly all be empty. */
const LOOK_AHEAD = 50;

function union(all: readonly Beginning[]): ByteSet {
  return all.reduce((bytes, next) => bytes | next.bytes, NO_BYTES);
}

function firstByte(text: string): ByteSet {
  const [byte] = new TextEncoder().encode(text.slice(0, 2));
  return byte === undefined ? NO_BYTES : 1n << BigInt(byte);
}

/** A class is one of bytes; whatever is beyond is taken to be any byte that is not ASCII. */
function bytesOfClass({ negated, ranges }: Extract<EbnfTree, { kind: 'class' }>): ByteSet {
  let bytes = NO_BYTES;
  for (const [first, last] of ranges) bytes |= bytesBetween(first, last);
  if (!negated) return bytes;
  const ascii = (1n << 128n) - 1n;
  return ALL_BYTES & ~(bytes & ascii);
}

function bytesBetween(first: number, last: number): ByteSet {
  if (last > 0xff) return ALL_BYTES;
  return ((1n << BigInt(last + 1)) - 1n) & ~((1n << BigInt(first)) - 1n);
}
