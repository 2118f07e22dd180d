// What a regular expression matches, as a tree, and what can be said of it: how long its texts are.

import { SURROGATES, type CodePoints } from './code-points';

/** What a regular expression matches. */
export type RegexTree =
  | { kind: 'set'; set: CodePoints }
  | { kind: 'sequence'; parts: readonly RegexTree[] }
  | { kind: 'choice'; options: readonly RegexTree[] }
  | { kind: 'repeat'; of: RegexTree; min: number; max: number };

/** The tree's texts that have `min` to `max` characters; undefined if that is not easily said. */
export function ofLength(tree: RegexTree, min: number, max: number): RegexTree | undefined {
  const [least, most] = lengths(tree);
  if (least >= min && most <= max) return tree;
  const parts = tree.kind === 'sequence' ? tree.parts : [tree];
  const varying = parts.filter((part) => lengths(part)[0] !== lengths(part)[1]);
  const [only] = varying;
  if (varying.length !== 1 || only?.kind !== 'repeat' || only.of.kind !== 'set') return undefined;
  const others = least - only.min;
  const bounded: RegexTree = {
    ...only,
    min: Math.max(only.min, min - others),
    max: Math.min(only.max, max - others),
  };
  if (bounded.min > bounded.max) return undefined;
  return { kind: 'sequence', parts: parts.map((part) => (part === only ? bounded : part)) };
}

/** Whether all characters of the tree's texts are of this set. */
export function hasOnly(tree: RegexTree, set: CodePoints): boolean {
  switch (tree.kind) {
    case 'set':
      return tree.set.minus(set).isEmpty;
    case 'sequence':
      return tree.parts.every((part) => hasOnly(part, set));
    case 'choice':
      return tree.options.every((option) => hasOnly(option, set));
    case 'repeat':
      return hasOnly(tree.of, set);
  }
}

function lengths(tree: RegexTree): [least: number, most: number] {
  switch (tree.kind) {
    case 'set':
      return [1, 1];
    case 'sequence':
      return tree.parts.map(lengths).reduce(([a, b], [c, d]) => [a + c, b + d], [0, 0]);
    case 'choice': {
      const all = tree.options.map(lengths);
      return [Math.min(...all.map(([least]) => least)), Math.max(...all.map(([, most]) => most))];
    }
    case 'repeat': {
      const [least, most] = lengths(tree.of);
      return [least * tree.min, most === 0 ? 0 : most * tree.max];
    }
  }
}

/** The same texts, with less ways to read them: `.*` beside a part that may be any text says nothing. */
export function simplified(parts: readonly RegexTree[]): RegexTree[] {
  const kept: RegexTree[] = [];
  for (const part of parts) {
    const before = kept.at(-1);
    if (before && isWithin(part, before)) continue;
    if (before && isWithin(before, part)) kept.pop();
    kept.push(part);
  }
  return kept;
}

function isWithin(a: RegexTree, b: RegexTree): boolean {
  if (a.kind !== 'repeat' || b.kind !== 'repeat' || a.of.kind !== 'set' || b.of.kind !== 'set') return false;
  const areFree = a.min === 0 && b.min === 0 && b.max === Infinity;
  return areFree && a.of.set.minus(b.of.set).minus(SURROGATES).isEmpty;
}
