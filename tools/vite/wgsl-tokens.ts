// Words, numbers and signs of a shader's text: just enough of WGSL's grammar to say where a declaration or a statement ends.

/** A word, a number, one sign, or the white space between them. Comments are white space. */
const TOKEN = /\/\/[^\n]*|\/\*[^]*?\*\/|\s+|[A-Za-z_$][\w$]*|\d[\w.]*|[^]/g;

const OPENING = new Set(['(', '[', '{']);
const CLOSING = new Set([')', ']', '}']);

/** What a list between commas is of: members of a structure, or parameters. Elsewhere statements end with a semicolon. */
export type Surroundings = 'list' | 'statements';

/** All tokens of `text`. Of comments only their line breaks stay, so that lines keep their numbers. */
export function tokensOf(text: string): string[] {
  return (text.match(TOKEN) ?? []).map((token) =>
    /^\/[/*]/.test(token) ? token.replace(/[^\n]+/g, '') : token,
  );
}

export function isSpace(token: string | undefined): boolean {
  return token !== undefined && token.trim() === '';
}

/** The index of the first token from `at` on that is no white space. */
export function skipSpace(tokens: readonly string[], at: number): number {
  while (isSpace(tokens[at])) at++;
  return at;
}

/** The index behind the bracket that closes the one at `open`. */
export function behindBracket(tokens: readonly string[], open: number): number {
  let depth = 0;
  for (let at = open; at < tokens.length; at++) {
    if (OPENING.has(tokens[at] ?? '')) depth++;
    else if (CLOSING.has(tokens[at] ?? '') && --depth === 0) return at + 1;
  }
  throw new Error(`A bracket is not closed: ${tokens.slice(open, open + 12).join('')} …`);
}

/** The index behind an attribute, such as `@group(0)`, whose sign is at `at`. */
export function behindAttribute(tokens: readonly string[], at: number): number {
  const name = skipSpace(tokens, at + 1);
  const bracket = skipSpace(tokens, name + 1);
  return tokens[bracket] === '(' ? behindBracket(tokens, bracket) : name + 1;
}

/** The index behind the one declaration, statement, member or parameter that begins at `from`, attributes included. */
export function behindElement(tokens: readonly string[], from: number, surroundings: Surroundings): number {
  let at = skipSpace(tokens, from);
  while (tokens[at] === '@') at = skipSpace(tokens, behindAttribute(tokens, at));
  for (let angles = 0; at < tokens.length; at++) {
    const token = tokens[at] ?? '';
    if (surroundings === 'list') {
      if (token === '<') angles++;
      if (token === '>') angles--;
      if (token === ',' && angles === 0) return at + 1;
    }
    if (token === ';') return at + 1;
    // The list, or the block, that this is the last of.
    if (CLOSING.has(token)) return at;
    if (!OPENING.has(token)) continue;
    at = behindBracket(tokens, at) - 1;
    if (token !== '{') continue;
    const next = skipSpace(tokens, at + 1);
    if (tokens[next] !== 'else') return tokens[next] === ';' ? next + 1 : at + 1;
    at = next;
  }
  return at;
}
