// Regular expressions as automata, where several have to hold together: their product is written as rules, a state each.

import type { CodePoints } from './code-points';
import type { RuleBook } from './ebnf';
import type { RegexTree } from './regex-shape';

/** More states than this are in no product of expressions that people write; each takes time to compile. */
const MAX_STATES = 2000;

/** A nondeterministic automaton over code points; the first state is where it begins. */
export interface Automaton {
  states: readonly AutomatonState[];
}

interface AutomatonState {
  accepts: boolean;
  /** Where each character leads to. */
  edges: readonly { on: CodePoints; to: number }[];
}

/** A state while it is built: `skips` lead on without a character. */
interface Node {
  edges: { on: CodePoints; to: Node }[];
  skips: Node[];
}

/** The automaton of a tree; undefined if it has too many states. */
export function automatonOf(tree: RegexTree): Automaton | undefined {
  const end: Node = { edges: [], skips: [] };
  const builder = new Builder();
  const start = builder.before(tree, end);
  return (
    start &&
    explored(start, (node) => {
      const all = reachedBySkips(node);
      return { accepts: all.has(end), edges: Array.from(all).flatMap(({ edges }) => edges) };
    })
  );
}

/** The automaton of the texts that both accept; undefined if it has too many states. */
export function product(a: Automaton, b: Automaton): Automaton | undefined {
  const pairs = new Map<number, [number, number]>();
  const pair = (i: number, j: number): [number, number] => {
    const key = i * b.states.length + j;
    const known = pairs.get(key) ?? [i, j];
    pairs.set(key, known);
    return known;
  };
  return explored(pair(0, 0), ([i, j]) => {
    const [p, q] = [a.states[i], b.states[j]];
    if (!p || !q) return { accepts: false, edges: [] };
    const edges = p.edges.flatMap((x) => q.edges.map((y) => ({ on: x.on.and(y.on), to: pair(x.to, y.to) })));
    return { accepts: p.accepts && q.accepts, edges: edges.filter(({ on }) => !on.isEmpty) };
  });
}

/** Whether the automaton accepts this text. */
export function matches({ states }: Automaton, text: string): boolean {
  let current = new Set([0]);
  for (const character of text) {
    const codePoint = character.codePointAt(0) ?? 0;
    const edges = Array.from(current).flatMap((state) => states[state]?.edges ?? []);
    current = new Set(edges.filter(({ on }) => on.has(codePoint)).map(({ to }) => to));
  }
  return Array.from(current).some((state) => states[state]?.accepts);
}

/**
 * The EBNF of the texts that an automaton accepts, each followed by `next`; undefined if there are none.
 *
 * @param character The EBNF of one character of a set; undefined if none of them can be written.
 */
export function automatonExpression(
  book: RuleBook,
  { states }: Automaton,
  character: (set: CodePoints) => string | undefined,
  next: string,
): string | undefined {
  const written = states.map(({ accepts, edges }) => ({ accepts, ways: waysOf(edges, character) }));
  const ending = new Set<number>();
  for (let size = -1; size !== ending.size;) {
    size = ending.size;
    for (const [i, { accepts, ways }] of written.entries()) {
      if (accepts || ways.some(({ to }) => ending.has(to))) ending.add(i);
    }
  }
  if (!ending.has(0)) return undefined;
  const names = written.map((_, i) => (ending.has(i) ? book.reserve('state') : ''));
  for (const i of ending) {
    const { accepts = false, ways = [] } = written[i] ?? {};
    const choices = ways.filter(({ to }) => ending.has(to)).map(({ on, to }) => `${on} ${names[to] ?? ''}`);
    book.define(names[i] ?? '', [...(accepts ? [next] : []), ...choices].join(' | '));
  }
  return names[0];
}

/** One way to each next state, with all the characters that lead there. */
function waysOf(
  edges: AutomatonState['edges'],
  character: (set: CodePoints) => string | undefined,
): { on: string; to: number }[] {
  const sets = new Map<number, CodePoints>();
  for (const { on, to } of edges) sets.set(to, sets.get(to)?.union(on) ?? on);
  return Array.from(sets, ([to, set]) => ({ on: character(set), to })).flatMap(({ on, to }) =>
    on === undefined ? [] : [{ on, to }],
  );
}

/** Builds states from the end of the text backwards. */
class Builder {
  #count = 0;

  before(tree: RegexTree, next: Node): Node | undefined {
    if (++this.#count > MAX_STATES) return undefined;
    switch (tree.kind) {
      case 'set':
        return { edges: [{ on: tree.set, to: next }], skips: [] };
      case 'sequence':
        return tree.parts.reduceRight<Node | undefined>(
          (after, part) => after && this.before(part, after),
          next,
        );
      case 'choice': {
        const options = tree.options.map((option) => this.before(option, next));
        const built = options.filter((option) => option !== undefined);
        return built.length < options.length ? undefined : { edges: [], skips: built };
      }
      case 'repeat':
        return this.#repeat(tree.of, tree.min, tree.max, next);
    }
  }

  #repeat(of: RegexTree, min: number, max: number, next: Node): Node | undefined {
    let after: Node | undefined = next;
    if (max === Infinity) {
      const loop: Node = { edges: [], skips: [next] };
      const once = this.before(of, loop);
      if (once) loop.skips.push(once);
      after = once && loop;
    }
    for (let left = min; max !== Infinity && left < max && after; left++) {
      const once = this.before(of, after);
      after = once && { edges: [], skips: [once, next] };
    }
    for (let left = 0; left < min && after; left++) after = this.before(of, after);
    return after;
  }
}

function reachedBySkips(node: Node): ReadonlySet<Node> {
  // A set that grows while it is walked through is walked through to its new end.
  const reached = new Set([node]);
  for (const { skips } of reached) for (const skip of skips) reached.add(skip);
  return reached;
}

/** Numbers all that is reached from `start`; undefined if that is too much. */
function explored<T>(
  start: T,
  stateOf: (node: T) => { accepts: boolean; edges: readonly { on: CodePoints; to: T }[] },
): Automaton | undefined {
  const numbers = new Map<T, number>([[start, 0]]);
  const states: AutomatonState[] = [];
  for (const node of numbers.keys()) {
    if (numbers.size > MAX_STATES) return undefined;
    const { accepts, edges } = stateOf(node);
    states.push({
      accepts,
      edges: edges.map(({ on, to }) => {
        if (!numbers.has(to)) numbers.set(to, numbers.size);
        return { on, to: numbers.get(to) ?? 0 };
      }),
    });
  }
  return { states };
}
