// A grammar that somebody wrote, in rules that xgrammar reads as its syntax says.

import { oneOf } from './ebnf';
import { CodePoints } from './code-points';
import { deterministicRules } from './deterministic-rules';
import { expressionText, parsedGrammar, type EbnfTree } from './ebnf-tree';

/**
 * The same grammar, with classes as characters, which xgrammar takes for bytes, and ways that begin alike in rules of their own.
 * A grammar that has more than literals, classes, groups and quantifiers (lookahead, `TagDispatch`), or is malformed, stays as it
 * is: xgrammar knows what is wrong with it.
 */
export function readableGrammar(ebnf: string): string {
  const rules = parsedGrammar(ebnf);
  if (!rules) return ebnf;
  const bodies = new Map(
    Array.from(rules, ([name, tree]) => [name, expressionText(withCharacters(tree))] as const),
  );
  return Array.from(deterministicRules(bodies), ([name, body]) => `${name} ::= ${body}\n`).join('');
}

function withCharacters(tree: EbnfTree): EbnfTree {
  switch (tree.kind) {
    case 'class': {
      const set = CodePoints.of(...tree.ranges);
      // Printed as it is, brackets and all; an empty class stays what it is.
      const text = oneOf(tree.negated ? set.complement() : set) ?? tree.text;
      return { ...tree, text };
    }
    case 'choice':
      return { kind: 'choice', options: tree.options.map(withCharacters) };
    case 'sequence':
      return { kind: 'sequence', parts: tree.parts.map(withCharacters) };
    case 'repeat':
      return { ...tree, of: withCharacters(tree.of) };
    default:
      return tree;
  }
}
