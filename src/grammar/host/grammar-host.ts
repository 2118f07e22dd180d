// The thread's side: one vocabulary, the grammars compiled for it, and the answers that follow them.

import { TernionError } from '../../errors';
import type { GrammarFailure, GrammarReplies, GrammarStep } from '../protocol';
import { CompiledGrammars } from './compiled-grammars';
import { useForcedText } from './forced-text';
import { Xgrammar, type CompiledGrammar, type GrammarCompiler, type GrammarMatcher } from './xgrammar';

/** An answer on its way through a grammar. */
interface FollowedAnswer {
  matcher: GrammarMatcher;
  tokenIds: number[];
  endIds: readonly number[];
}

/** Compiles grammars and follows answers. What it throws, `failureOf` can tell. */
export class GrammarHost {
  readonly #xgrammar = new Xgrammar();
  readonly #compiled = new CompiledGrammars();
  readonly #answers = new Map<number, FollowedAnswer>();
  #compiler: GrammarCompiler | undefined;
  #vocabularySize = 0;

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
    // Compiled grammars are kept here, where it is known which are in use.
    this.#compiler = await GrammarCompiler.createGrammarCompiler(info, false);
    this.#xgrammar.boundMemory();
    return undefined;
  }

  async follow(answer: number, ebnf: string, endIds: readonly number[]): Promise<GrammarReplies['follow']> {
    const kept = this.#compiled.get(ebnf);
    const grammar = kept ?? (await this.#compile(ebnf));
    const { GrammarMatcher } = this.#xgrammar.classes;
    const matcher = await GrammarMatcher.createGrammarMatcher(grammar, [...endIds]);
    this.#answers.set(answer, { matcher, tokenIds: [], endIds });
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
    const mask = await maskOf(matcher, endIds);
    const ended = hasOnly(mask, endIds);
    let endsWithForced = false;
    const forced = await useForcedText(matcher, async () => {
      endsWithForced = hasOnly(await maskOf(matcher, endIds), endIds);
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

  #terminated(endIds: readonly number[]): GrammarStep {
    const mask = new Uint32Array(Math.ceil(this.#vocabularySize / 32));
    addTo(mask, endIds);
    return { mask, forced: '', ended: true, endsWithForced: false };
  }
}

/** Brings the matcher of an answer to where the first `kept` of its tokens are followed by `tokenIds`. */
function goTo(answer: FollowedAnswer, kept: number, tokenIds: readonly number[]): void {
  const { matcher } = answer;
  const over = answer.tokenIds.length - kept;
  if (over > 0) matcher.rollBack(over);
  answer.tokenIds.length = kept;
  for (const id of tokenIds) {
    if (!matcher.acceptToken(id))
      throw new TernionError('internal', `The grammar does not allow token ${id}.`);
    answer.tokenIds.push(id);
  }
}

/**
 * The ids that may come next. Whether end tokens may is asked apart: where most of a vocabulary may come, xgrammar leaves out tokens
 * that have no bytes, and among them those that end this answer (0.1.27).
 */
async function maskOf(matcher: GrammarMatcher, endIds: readonly number[]): Promise<Uint32Array<ArrayBuffer>> {
  const words = await matcher.getNextTokenBitmask();
  const mask = new Uint32Array(words.buffer as ArrayBuffer, words.byteOffset, words.length);
  if (mayEnd(matcher, endIds)) addTo(mask, endIds);
  return mask;
}

function mayEnd(matcher: GrammarMatcher, endIds: readonly number[]): boolean {
  const [endId] = endIds;
  if (endId === undefined || !matcher.acceptToken(endId)) return false;
  matcher.rollBack(1);
  return true;
}

function addTo(mask: Uint32Array, ids: readonly number[]): void {
  for (const id of ids) mask[id >> 5] = (mask[id >> 5] ?? 0) | (1 << (id % 32));
}

/** Whether some token is allowed, and none but these. */
function hasOnly(mask: Uint32Array, ids: readonly number[]): boolean {
  const others = mask.slice();
  for (const id of ids) others[id >> 5] = (others[id >> 5] ?? 0) & ~(1 << (id % 32));
  return mask.some((word) => word !== 0) && others.every((word) => word === 0);
}
