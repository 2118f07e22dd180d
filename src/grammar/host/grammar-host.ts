// The thread's side: one vocabulary, the grammars compiled for it, and the answers that follow them.

import { TernionError } from '../../errors';
import type { Grammar } from '../grammar';
import type { GrammarFailure, GrammarReplies, GrammarStep } from '../protocol';
import { LengthTracker, TokenShapes } from '../string-lengths';
import { CompiledGrammars } from './compiled-grammars';
import { useForcedText } from './forced-text';
import { Xgrammar, type CompiledGrammar, type GrammarCompiler, type GrammarMatcher } from './xgrammar';

/** An answer on its way through a grammar. */
interface FollowedAnswer {
  matcher: GrammarMatcher;
  tokenIds: number[];
  endIds: readonly number[];
  /** Holds strings to lengths that the rules leave open. */
  lengths: LengthTracker | undefined;
}

/** Compiles grammars and follows answers. What it throws, `failureOf` can tell. */
export class GrammarHost {
  readonly #xgrammar = new Xgrammar();
  readonly #compiled = new CompiledGrammars();
  readonly #answers = new Map<number, FollowedAnswer>();
  #compiler: GrammarCompiler | undefined;
  #vocabularySize = 0;
  #tokens: readonly Uint8Array[] = [];
  /** Made once an answer has strings of bounded length. */
  #shapes: TokenShapes | undefined;

  /** Takes the vocabulary: the bytes of all tokens in a row, and where each of them ends. */
  async vocabulary(bytes: Uint8Array, ends: Uint32Array): Promise<undefined> {
    const tokens = Array.from(ends, (end, id) => bytes.subarray(ends[id - 1] ?? 0, end));
    const { TokenizerInfo, GrammarCompiler } = this.#xgrammar.classes;
    // The declared type is narrower than the binding, which takes bytes as they are. Each answer names its own end tokens.
    const info = await TokenizerInfo.createTokenizerInfo(
      tokens as unknown[] as string[],
      'raw',
      false,
      tokens.length,
      [],
    );
    this.#vocabularySize = tokens.length;
    this.#tokens = tokens;
    // Compiled grammars are kept here, where it is known which are in use.
    this.#compiler = await GrammarCompiler.createGrammarCompiler(info, false);
    this.#xgrammar.boundMemory();
    return undefined;
  }

  async follow(
    answer: number,
    { ebnf, lengths }: Grammar,
    endIds: readonly number[],
  ): Promise<GrammarReplies['follow']> {
    const kept = this.#compiled.get(ebnf);
    const grammar = kept ?? (await this.#compile(ebnf));
    const { GrammarMatcher } = this.#xgrammar.classes;
    const matcher = await GrammarMatcher.createGrammarMatcher(
      grammar,
      // An empty list is refused.
      endIds.length > 0 ? [...endIds] : undefined,
    );
    const tracker = lengths && new LengthTracker(lengths, (this.#shapes ??= new TokenShapes(this.#tokens)));
    this.#answers.set(answer, { matcher, tokenIds: [], endIds, lengths: tracker });
    return { compiled: !kept };
  }

  /** What may come when the answer consists of the first `kept` of its tokens, and `tokenIds`. */
  async advance(answer: number, kept: number, tokenIds: readonly number[]): Promise<GrammarStep> {
    const followed = this.#answers.get(answer);
    if (!followed) throw new TernionError('internal', `There is no answer ${answer} in this thread.`);
    const { matcher, endIds } = followed;
    goTo(followed, kept, tokenIds);
    // Behind the end token nothing is asked of a matcher: it would abort.
    if (matcher.isTerminated()) return this.#terminated(endIds);
    const mask = await this.#maskOf(followed);
    followed.lengths?.filter(mask);
    const ended = hasOnly(mask, endIds);
    let endsWithForced = false;
    const forced = await useForcedText(matcher, async () => {
      endsWithForced = hasOnly(await this.#maskOf(followed), endIds);
    });
    return { mask, forced, ended, endsWithForced };
  }

  release(answer: number): void {
    this.#answers.get(answer)?.matcher.dispose();
    this.#answers.delete(answer);
  }

  failureOf(error: unknown): Promise<GrammarFailure> {
    return this.#xgrammar.failureOf(error);
  }

  async #compile(ebnf: string): Promise<CompiledGrammar> {
    if (!this.#compiler) throw new TernionError('internal', 'No vocabulary has come.');
    const grammar = await this.#xgrammar.classes.Grammar.fromEBNF(ebnf);
    const compiled = await this.#compiler.compileGrammar(grammar);
    grammar.dispose();
    this.#compiled.add(ebnf, compiled);
    return compiled;
  }

  /**
   * The tokens that may come next. Where xgrammar allows most tokens it begins with all bits, those beyond the vocabulary too, and
   * takes away all tokens that have no bytes, among them end tokens that are this answer's own: so these are asked about apart.
   */
  async #maskOf({ matcher, endIds }: FollowedAnswer): Promise<Uint32Array<ArrayBuffer>> {
    const words = await matcher.getNextTokenBitmask();
    const mask = new Uint32Array(words.buffer as ArrayBuffer, words.byteOffset, words.length);
    const inLastWord = this.#vocabularySize % 32;
    if (inLastWord > 0) mask[mask.length - 1] = (mask[mask.length - 1] ?? 0) & (2 ** inLastWord - 1);
    const end = mayEnd(matcher, endIds);
    for (const id of endIds) setBit(mask, id, end);
    return mask;
  }

  #terminated(endIds: readonly number[]): GrammarStep {
    const mask = new Uint32Array(Math.ceil(this.#vocabularySize / 32));
    for (const id of endIds) setBit(mask, id, true);
    return { mask, forced: '', ended: true, endsWithForced: false };
  }
}

/** Brings the matcher of an answer to where the first `kept` of its tokens are followed by `tokenIds`. */
function goTo(answer: FollowedAnswer, kept: number, tokenIds: readonly number[]): void {
  const { matcher, lengths } = answer;
  const over = answer.tokenIds.length - kept;
  if (over > 0) {
    matcher.rollBack(over);
    lengths?.rollback(over);
  }
  answer.tokenIds.length = kept;
  for (const id of tokenIds) {
    if (!matcher.acceptToken(id))
      throw new TernionError('internal', `The grammar does not allow token ${id}.`);
    lengths?.accept(id);
    answer.tokenIds.push(id);
  }
}

/** Whether an end token may come next. */
function mayEnd(matcher: GrammarMatcher, [endId]: readonly number[]): boolean {
  if (endId === undefined || !matcher.acceptToken(endId)) return false;
  matcher.rollBack(1);
  return true;
}

function setBit(mask: Uint32Array, id: number, value: boolean): void {
  const word = mask[id >> 5] ?? 0;
  const bit = 1 << (id % 32);
  mask[id >> 5] = value ? word | bit : word & ~bit;
}

/** Whether some token is allowed, and none but these. */
function hasOnly(mask: Uint32Array, ids: readonly number[]): boolean {
  const others = mask.slice();
  for (const id of ids) setBit(others, id, false);
  return mask.some((word) => word !== 0) && others.every((word) => word === 0);
}
