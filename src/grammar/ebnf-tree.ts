// EBNF as trees, as far as its syntax is literals, classes, names, groups and quantifiers.

/** An expression of EBNF. */
export type EbnfTree =
  | { kind: 'literal'; text: string; characters: string }
  | {
      kind: 'class';
      text: string;
      negated: boolean;
      ranges: readonly (readonly [first: number, last: number])[];
    }
  | { kind: 'name'; name: string }
  | { kind: 'choice'; options: readonly EbnfTree[] }
  | { kind: 'sequence'; parts: readonly EbnfTree[] }
  | { kind: 'repeat'; of: EbnfTree; quantifier: string; mayBeNone: boolean };

const TOKEN =
  /\s+|#[^\n]*|::=|"(?:\\.|[^"\\\n])*"|\[(?:\\.|[^\]\\\n])*\]|[A-Za-z_][\w.-]*|[()|]|[*?+]|\{\s*\d+\s*(?:,\s*\d*\s*)?\}|[^]/gsu;
const ESCAPES: Readonly<Record<string, string>> = {
  n: '\n',
  t: '\t',
  r: '\r',
  b: '\b',
  f: '\f',
  v: '\v',
  0: '\0',
  a: '\x07',
  e: '\x1b',
};
/** Whoever walks through trees recurses. */
const MAX_DEPTH = 200;

/** The expression that a text is; undefined if its syntax is another, such as lookahead. */
export function parsedExpression(text: string): EbnfTree | undefined {
  const parser = new Parser(text);
  const tree = parser.choice();
  return parser.isAtEnd ? tree : undefined;
}

/** The rules of a grammar by their names; undefined if its syntax is another. */
export function parsedGrammar(text: string): Map<string, EbnfTree> | undefined {
  const parser = new Parser(text);
  const rules = new Map<string, EbnfTree>();
  while (!parser.isAtEnd) {
    const name = parser.heading();
    const tree = name === undefined ? undefined : parser.choice();
    if (name === undefined || !tree || rules.has(name)) return undefined;
    rules.set(name, tree);
  }
  return rules.size === 0 ? undefined : rules;
}

/** The text of an expression, within brackets where it stands in a sequence. */
export function expressionText(tree: EbnfTree): string {
  switch (tree.kind) {
    case 'literal':
    case 'class':
      return tree.text;
    case 'name':
      return tree.name;
    case 'choice':
      return `(${tree.options.map(expressionText).join(' | ')})`;
    case 'sequence':
      return tree.parts
        .map((part) => (part.kind === 'sequence' ? `(${expressionText(part)})` : expressionText(part)))
        .join(' ');
    case 'repeat':
      return `(${expressionText(tree.of)})${tree.quantifier}`;
  }
}

/** Reads tokens one by one; what it cannot read makes it undefined. */
class Parser {
  readonly #tokens: readonly string[];
  #at = 0;
  #depth = 0;

  constructor(text: string) {
    this.#tokens = (text.match(TOKEN) ?? []).filter((token) => !/^[\s#]/.test(token));
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#tokens.length;
  }

  /** `name ::=`, the name of a rule. */
  heading(): string | undefined {
    const [name = '', sign] = this.#tokens.slice(this.#at, this.#at + 2);
    if (sign !== '::=' || !isName(name)) return undefined;
    this.#at += 2;
    return name;
  }

  choice(): EbnfTree | undefined {
    if (++this.#depth > MAX_DEPTH) return undefined;
    const options: EbnfTree[] = [];
    do {
      const option = this.#sequence();
      if (!option) return undefined;
      options.push(option);
    } while (this.#takes('|'));
    this.#depth--;
    const [only] = options;
    return options.length === 1 && only ? only : { kind: 'choice', options };
  }

  #sequence(): EbnfTree | undefined {
    const parts: EbnfTree[] = [];
    for (;;) {
      const token = this.#tokens[this.#at];
      if (token === undefined || token === '|' || token === ')' || this.#tokens[this.#at + 1] === '::=')
        break;
      const part = this.#item();
      if (!part) return undefined;
      parts.push(part);
    }
    const [only] = parts;
    return parts.length === 0 ? undefined : parts.length === 1 ? only : { kind: 'sequence', parts };
  }

  #item(): EbnfTree | undefined {
    const of = this.#plain();
    const quantifier = this.#tokens[this.#at] ?? '';
    if (!of || !/^[*?+{]/.test(quantifier)) return of;
    this.#at++;
    // Two in a row have a meaning of their own, which is not read here.
    if (/^[*?+{]/.test(this.#tokens[this.#at] ?? '')) return undefined;
    return { kind: 'repeat', of, quantifier, mayBeNone: /^[*?]|^\{\s*0+\D/.test(quantifier) };
  }

  #plain(): EbnfTree | undefined {
    const token = this.#tokens[this.#at++] ?? '';
    if (token.startsWith('"')) return literalTree(token);
    if (token.startsWith('[')) return classTree(token);
    if (token === '(') {
      const inside = this.choice();
      return this.#takes(')') ? inside : undefined;
    }
    // What looks like a call (`TagDispatch(…)`) has commas and signs inside, which are not read.
    return isName(token) ? { kind: 'name', name: token } : undefined;
  }

  #takes(token: string): boolean {
    if (this.#tokens[this.#at] !== token) return false;
    this.#at++;
    return true;
  }
}

function isName(token: string): boolean {
  return /^[A-Za-z_]/.test(token);
}

function literalTree(text: string): EbnfTree | undefined {
  const characters = unescaped(text.slice(1, -1));
  return (
    characters && { kind: 'literal', text, characters: characters.map(({ character }) => character).join('') }
  );
}

function classTree(text: string): EbnfTree | undefined {
  const negated = text[1] === '^';
  const characters = unescaped(text.slice(negated ? 2 : 1, -1));
  if (!characters) return undefined;
  const ranges: [number, number][] = [];
  for (let i = 0; i < characters.length; i++) {
    const [first, dash, last] = characters.slice(i, i + 3);
    const from = first?.character.codePointAt(0) ?? 0;
    const isRange = dash?.character === '-' && !dash.isEscaped && last !== undefined;
    ranges.push([from, isRange ? (last.character.codePointAt(0) ?? 0) : from]);
    if (isRange) i += 2;
  }
  return { kind: 'class', text, negated, ranges };
}

/** The characters that a text with escapes stands for. */
function unescaped(text: string): { character: string; isEscaped: boolean }[] | undefined {
  const found: { character: string; isEscaped: boolean }[] = [];
  for (const [part] of text.matchAll(/\\(?:x[0-9a-fA-F]+|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)|[^\\]/gsu)) {
    const isEscaped = part.startsWith('\\');
    const code = /^\\[xuU]([0-9a-fA-F]+)$/.exec(part)?.[1];
    const codePoint = code === undefined ? undefined : parseInt(code, 16);
    if (codePoint !== undefined && codePoint > 0x10ffff) return undefined;
    const letter = part.slice(1);
    const character = codePoint === undefined ? (ESCAPES[letter] ?? letter) : String.fromCodePoint(codePoint);
    found.push({ character: isEscaped ? character : part, isEscaped });
  }
  return found;
}
