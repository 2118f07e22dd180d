// The grammars that were compiled last, by their text.

import type { CompiledGrammar } from './xgrammar';

/** Grammars that are kept. One takes some hundred kilobytes; whoever uses one has a share in it that lives longer. */
const MOST_GRAMMARS = 32;

/** Least recently used goes first. */
export class CompiledGrammars {
  readonly #kept = new Map<string, CompiledGrammar>();

  get(ebnf: string): CompiledGrammar | undefined {
    const grammar = this.#kept.get(ebnf);
    if (grammar) this.add(ebnf, grammar);
    return grammar;
  }

  add(ebnf: string, grammar: CompiledGrammar): void {
    // A Map is in the order of insertion.
    this.#kept.delete(ebnf);
    this.#kept.set(ebnf, grammar);
    if (this.#kept.size <= MOST_GRAMMARS) return;
    for (const [oldest, unused] of this.#kept) {
      this.#kept.delete(oldest);
      unused.dispose();
      return;
    }
  }
}
