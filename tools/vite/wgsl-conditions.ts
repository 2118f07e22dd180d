// Conditions of shaders, as `@if(a && !(b || c))` has them, in the form that is decided at run time: alternatives of words.

/** A word, and whether it must be set. */
type Literal = readonly [word: string, wanted: boolean];
/** Holds if all literals of one of these lists hold. */
export type Condition = readonly (readonly Literal[])[];

export const ALWAYS: Condition = [[]];

export function both(a: Condition, b: Condition): Condition {
  const terms = a.flatMap((left) => b.map((right) => merged(left, right)));
  return terms.filter((term) => term !== undefined);
}

export function not(condition: Condition): Condition {
  return condition
    .map((term) => term.map(([word, wanted]) => [[word, !wanted]] as const))
    .reduce<Condition>(both, ALWAYS);
}

/** Reads the tokens between the parentheses of `@if(…)`. Throws an Error that quotes what is no condition. */
export function conditionOf(text: string): Condition {
  const tokens = text.match(/\w+|&&|\|\||[^\s]/g) ?? [];
  let at = 0;
  const either = (): Condition => {
    const found = [...all()];
    while (tokens[at] === '||') {
      at++;
      found.push(...all());
    }
    return found;
  };
  const all = (): Condition => {
    let found = one();
    while (tokens[at] === '&&') {
      at++;
      found = both(found, one());
    }
    return found;
  };
  const one = (): Condition => {
    const token = tokens[at++] ?? '';
    if (token === '!') return not(one());
    if (token === '(') {
      const inner = either();
      if (tokens[at++] !== ')') throw new Error(`'${text}' is no condition.`);
      return inner;
    }
    if (token === 'true') return ALWAYS;
    if (token === 'false') return [];
    if (!/^\w+$/.test(token)) throw new Error(`'${text}' is no condition.`);
    return [[[token, true]]];
  };
  const condition = either();
  if (at < tokens.length) throw new Error(`'${text}' is no condition.`);
  return condition;
}

/** As src/gpu/shader.ts reads it: `a&!b|c`. What never holds is the word `false`, which is never set. */
export function written(condition: Condition): string {
  if (condition.length === 0) return 'false';
  if (condition.some((term) => term.length === 0)) return '!false';
  return condition
    .map((term) => term.map(([word, wanted]) => (wanted ? word : `!${word}`)).join('&'))
    .join('|');
}

/** The literals of both terms, or undefined if they contradict each other. */
function merged(a: readonly Literal[], b: readonly Literal[]): Literal[] | undefined {
  const words = new Map(a);
  for (const [word, wanted] of b) {
    if (words.has(word) && words.get(word) !== wanted) return undefined;
    words.set(word, wanted);
  }
  return [...words];
}
