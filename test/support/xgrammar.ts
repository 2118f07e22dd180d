// The real xgrammar in this process, over a small vocabulary: what a grammar derives is asked of what will use it.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type * as Xgrammar from '@mlc-ai/web-xgrammar';
import type { LengthTracker } from '../../src/grammar/string-lengths';

/** Every byte, and some tokens of several characters, which end in the middle of rules. */
const PIECES = [
  ...[
    '": ',
    '", "',
    '"}',
    '": "',
    '{"',
    '[{"',
    ', ',
    '[[',
    ']]',
    '}, {',
    '"]',
    '},',
    '\\"',
    '\\n',
    '\\\\',
    'true',
    'null',
  ],
  ...[
    'the',
    'name',
    'ab',
    '10',
    '2024',
    '-1',
    '0.',
    '.5',
    '漢字',
    'é"',
    ' 😀',
    "'",
    "', '",
    '=',
    '-0',
    '@',
    'www.',
  ],
];

/** A vocabulary of bytes and pieces for tests. */
export interface TestVocabulary {
  /** The bytes of each token; none for the one that ends an answer. */
  tokens: readonly Uint8Array[];
  endId: number;
}

/** How a random answer is drawn. */
export interface WalkOptions {
  /** From how many tokens on it looks for an end. */
  soft?: number;
  most?: number;
  /** What restricts the answer beside the grammar, at its beginning. */
  beside?: LengthTracker;
}

/** Follows answers through grammars. */
export class TestCompiler {
  private constructor(
    readonly vocabulary: TestVocabulary,
    private readonly module: typeof Xgrammar,
    private readonly compiler: Xgrammar.GrammarCompiler,
  ) {}

  static async create(): Promise<TestCompiler> {
    const module = loadXgrammar();
    const encoder = new TextEncoder();
    const tokens = [
      ...Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte)),
      ...PIECES.map((piece) => encoder.encode(piece)),
      new Uint8Array(),
    ];
    const names = [...Array.from({ length: 256 }, (_, byte) => byteName(byte)), ...PIECES, '</s>'];
    const endId = tokens.length - 1;
    const info = await module.TokenizerInfo.createTokenizerInfo(names, 'byte_fallback', false, names.length, [
      endId,
    ]);
    const compiler = await module.GrammarCompiler.createGrammarCompiler(info, false);
    return new TestCompiler({ tokens, endId }, module, compiler);
  }

  /** @throws Error if xgrammar refuses the grammar. */
  async compile(ebnf: string): Promise<TestGrammar> {
    const compiled = await this.compiler.compileGrammar(ebnf);
    const matcher = await this.module.GrammarMatcher.createGrammarMatcher(compiled);
    return new TestGrammar(this.vocabulary, matcher);
  }
}

/** One compiled grammar. */
export class TestGrammar {
  constructor(
    private readonly vocabulary: TestVocabulary,
    private readonly matcher: Xgrammar.GrammarMatcher,
  ) {}

  /** Whether the grammar derives exactly this text, given as characters or bytes. */
  accepts(text: string | Uint8Array): boolean {
    this.matcher.reset();
    const bytes = typeof text === 'string' ? new TextEncoder().encode(text) : text;
    return (
      bytes.every((byte) => this.matcher.acceptToken(byte)) && this.matcher.acceptToken(this.vocabulary.endId)
    );
  }

  /** The ids that may come after those that were accepted, ascending. */
  async allowed(beside?: LengthTracker): Promise<number[]> {
    const mask = new Uint32Array(await this.matcher.getNextTokenBitmask());
    beside?.filter(mask);
    return Array.from(this.vocabulary.tokens.keys()).filter(
      (id) => (((mask[id >> 5] ?? 0) >>> (id & 31)) & 1) === 1,
    );
  }

  accept(id: number): boolean {
    return this.matcher.acceptToken(id);
  }

  reset(): void {
    this.matcher.reset();
  }

  dispose(): void {
    this.matcher.dispose();
  }

  /**
   * A random answer: the text that tokens drawn from the masks make, with the token that ends it. From `soft` tokens on it
   * ends where it can, closes what is open, and tries the ends of `examples`, so that most answers end.
   *
   * @returns undefined if it has not ended after `most` tokens.
   */
  async walk(
    next: () => number,
    examples: readonly string[] = [],
    { soft = 40, most = 600, beside }: WalkOptions = {},
  ): Promise<string | undefined> {
    this.matcher.reset();
    const { tokens, endId } = this.vocabulary;
    const bytes: number[] = [];
    for (let step = 0; step < most; step++) {
      const allowed = await this.allowed(beside);
      if (allowed.length === 0) throw new Error(`Nothing may follow ${decode(bytes)}`);
      const id = this.#draw(allowed, step >= soft, next);
      if (!this.matcher.acceptToken(id))
        throw new Error(`A token of the mask is refused behind ${decode(bytes)}`);
      if (id === endId) return decode(bytes);
      beside?.accept(id);
      bytes.push(...(tokens[id] ?? []));
      const example = examples[Math.floor(next() * examples.length)];
      if (step >= soft && !beside && example !== undefined && next() < 0.3)
        bytes.push(...this.#endOf(example, next));
    }
    return undefined;
  }

  /** The bytes of some end of a text, as far as they are accepted. */
  #endOf(text: string, next: () => number): number[] {
    const bytes = [...new TextEncoder().encode(text)];
    const end = bytes.slice(Math.floor(next() * bytes.length));
    const refused = end.findIndex((byte) => !this.matcher.acceptToken(byte));
    return refused < 0 ? end : end.slice(0, refused);
  }

  #draw(allowed: readonly number[], isLate: boolean, next: () => number): number {
    const { endId } = this.vocabulary;
    if (allowed.includes(endId) && (isLate || next() < 0.3)) return endId;
    const closing = allowed.filter((id) => CLOSING.includes(id));
    // Bytes at random are mostly the middle of some character: ASCII gets its share.
    const ascii = allowed.filter((id) => id < 128);
    const pool =
      closing.length > 0 && next() < (isLate ? 0.9 : 0.15) ? closing : next() < 0.5 ? ascii : allowed;
    const from = pool.length > 0 ? pool : allowed;
    return from[Math.floor(next() * from.length)] ?? endId;
  }
}

const CLOSING: readonly number[] = Array.from(`"']})`, (character) => character.charCodeAt(0));

function byteName(byte: number): string {
  return `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`;
}

function decode(bytes: readonly number[]): string {
  return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Uint8Array.from(bytes));
}

/**
 * The package says that it is an ES module, but is none: its text is run as the CommonJS module that it is. It imports a module
 * of Node's by `import()`, which text that is run so cannot do itself.
 */
function loadXgrammar(): typeof Xgrammar {
  const require = createRequire(import.meta.url);
  const path = require.resolve('@mlc-ai/web-xgrammar');
  const text = readFileSync(path, 'utf8').replaceAll(/\bimport\(/g, 'importModule(');
  const module: { exports: unknown } = { exports: {} };
  const importModule = async (name: string): Promise<unknown> => require(name);
  // eslint-disable-next-line @typescript-eslint/no-implied-eval, @typescript-eslint/no-unsafe-call
  new Function('module', 'exports', 'require', '__filename', 'importModule', text)(
    module,
    module.exports,
    require,
    path,
    importModule,
  );
  return module.exports as typeof Xgrammar;
}
