// Finds rules that can never come to an end: an answer that has entered one could not be finished.

import type { RuleBook } from './ebnf';
import { parsedExpression, type EbnfTree } from './ebnf-tree';

/** Throws what `errorOf` makes of the name of a rule that derives no finite text, if there is one. */
export function checkRulesEnd(book: RuleBook, errorOf: (rule: string) => Error): void {
  const open = new Map(Array.from(book.rules, ([name, body]) => [name, parsedExpression(body)] as const));
  const isEnding = (rule: string): boolean => !open.has(rule);
  for (let size = -1; size !== open.size;) {
    size = open.size;
    for (const [name, tree] of open) if (!tree || ends(tree, isEnding)) open.delete(name);
  }
  const [endless] = open.keys();
  if (endless !== undefined) throw errorOf(endless);
}

function ends(tree: EbnfTree, isEnding: (rule: string) => boolean): boolean {
  switch (tree.kind) {
    case 'literal':
    case 'class':
      return true;
    case 'name':
      return isEnding(tree.name);
    case 'choice':
      return tree.options.some((option) => ends(option, isEnding));
    case 'sequence':
      return tree.parts.every((part) => ends(part, isEnding));
    case 'repeat':
      return tree.mayBeNone || ends(tree.of, isEnding);
  }
}
