// Makes of a shader's text what src/gpu/shader.ts expands: imports are read, comments are gone, and what a condition is about
// has a mark before and behind it, so that no grammar is needed at run time.

import { ALWAYS, both, conditionOf, not, written, type Condition } from './wgsl-conditions.ts';
import {
  behindAttribute,
  behindBracket,
  behindElement,
  isSpace,
  skipSpace,
  tokensOf,
  type Surroundings,
} from './wgsl-tokens.ts';

/** A shader as a module: what it imports, and its declarations in the order of the file. */
export interface ShaderTemplate {
  /** What it imports, and the file that it is of, such as `lib/dot`; or `constants`. */
  imports: [name: string, module: string][];
  /** What each declaration is called ('' for directives and assertions), and its text with marks. */
  declarations: [name: string, text: string][];
}

export interface TemplateOptions {
  /** Without white space that nobody needs; line breaks stay, since compilers name lines. */
  compact: boolean;
}

/** A part of a text, and when it is there. */
interface Conditional {
  condition: Condition;
  tokens: string[];
}

const NAMELESS = new Set(['enable', 'requires', 'diagnostic', 'const_assert']);

/**
 * The template of a shader's text. Throws an Error for what is in WESL but not here: other names for imported things, paths
 * outside of imports, and conditions before `@unroll`, whose block loses its braces.
 */
export function shaderTemplate(text: string, { compact }: TemplateOptions): ShaderTemplate {
  const tokens = tokensOf(text);
  const imports: [string, string][] = [];
  const declarations: [string, string][] = [];
  let at = skipSpace(tokens, 0);
  while (at < tokens.length) {
    const { elements, end } = chainAt(tokens, at, 'statements');
    for (const element of elements) {
      const declared = element.tokens.slice(behindAttributes(element.tokens));
      if (declared[0] === 'import') {
        imports.push(...importsOf(declared));
      } else {
        const laidOut = layOut(marked(element, 'statements'), compact);
        if (/::|@(if|elif|else)\b/.test(laidOut)) throw new Error(`This is not supported: ${laidOut}`);
        declarations.push([nameOf(declared), laidOut]);
      }
    }
    at = skipSpace(tokens, end);
  }
  return { imports, declarations };
}

/** The element that begins at `from`; if it has a condition, with all that its `@elif` and `@else` are about. */
function chainAt(
  tokens: readonly string[],
  from: number,
  surroundings: Surroundings,
): { elements: Conditional[]; end: number } {
  const elements: Conditional[] = [];
  /** That nothing of the chain was there so far. */
  let none = ALWAYS;
  let end = from;
  for (let at = from; ; at = skipSpace(tokens, end)) {
    const keyword = tokens[at] === '@' ? tokens[at + 1] : undefined;
    const isFirst = at === from;
    if (!isFirst && keyword !== 'elif' && keyword !== 'else') return { elements, end };
    const isConditional = keyword === 'if' || !isFirst;
    const begin = isConditional ? skipSpace(tokens, behindAttribute(tokens, at)) : at;
    if (isConditional && tokens[begin] === '@' && tokens[begin + 1] === 'unroll')
      throw new Error('A condition of an @unroll needs a block around it.');
    const own = isConditional && keyword !== 'else' ? conditionOf(argumentOf(tokens, at)) : ALWAYS;
    end = behindElement(tokens, begin, surroundings);
    elements.push({ condition: both(none, own), tokens: tokens.slice(begin, end) });
    if (!isConditional || keyword === 'else') return { elements, end };
    none = both(none, not(own));
  }
}

/** What is between the parentheses of the attribute at `at`. */
function argumentOf(tokens: readonly string[], at: number): string {
  const open = tokens.indexOf('(', at);
  return tokens.slice(open + 1, behindBracket(tokens, open) - 1).join('');
}

/** The tokens with marks around all that has a condition: `#condition#` before it, and `##` behind. */
function marked({ condition, tokens }: Conditional, surroundings: Surroundings): string[] {
  const inner = markedWithin(tokens, surroundings);
  const when = written(condition);
  return when === '!false' ? inner : [`#${when}#`, ...inner, '##'];
}

function markedWithin(tokens: readonly string[], surroundings: Surroundings): string[] {
  const result: string[] = [];
  let keyword = '';
  for (let at = 0; at < tokens.length;) {
    const token = tokens[at] ?? '';
    if (token === '@' && tokens[at + 1] === 'if') {
      const { elements, end } = chainAt(tokens, at, surroundings);
      for (const element of elements) result.push(...marked(element, surroundings));
      at = end;
    } else if (token === '(' || token === '{') {
      const end = behindBracket(tokens, at);
      const within = token === '(' || keyword === 'struct' ? 'list' : 'statements';
      result.push(token, ...markedWithin(tokens.slice(at + 1, end - 1), within), tokens[end - 1] ?? '');
      at = end;
    } else {
      if (token === 'struct') keyword = token;
      result.push(token);
      at++;
    }
  }
  return result;
}

/** What one `import` names. */
function importsOf(tokens: readonly string[]): [string, string][] {
  const text = tokens.filter((token) => !isSpace(token)).join('');
  const [, path, names] = /^import(constants::|package::(?:\w+::)+)(\w+|\{[\w,]*\});$/.exec(text) ?? [];
  if (path === undefined || names === undefined || tokens.includes('as'))
    throw new Error(`An import that is not supported: ${tokens.join('')}`);
  const module = path.replace('package::', '').slice(0, -2).replaceAll('::', '/');
  return (names.match(/\w+/g) ?? []).map((name) => [name, module]);
}

/** What `tokens`, a declaration without attributes, declares. */
function nameOf(tokens: readonly string[]): string {
  const [keyword = ''] = tokens;
  if (NAMELESS.has(keyword)) return '';
  let at = skipSpace(tokens, 1);
  // The address space: var<workgroup> NAME.
  if (keyword === 'var' && tokens[at] === '<') at = tokens.indexOf('>', at) + 1;
  const name = tokens[skipSpace(tokens, at)] ?? '';
  if (!/^\w+$/.test(name)) throw new Error(`A declaration without a name: ${tokens.join('').slice(0, 60)}`);
  return name;
}

function behindAttributes(tokens: readonly string[]): number {
  let at = skipSpace(tokens, 0);
  while (tokens[at] === '@') at = skipSpace(tokens, behindAttribute(tokens, at));
  return at;
}

/** Signs that could become another sign together, and the others, which need no space beside them. */
const OPERATORS = /^[-+*/%&|^<>=!~]$/;
const isWord = (token: string): boolean => /^[\w$.]/.test(token);

function layOut(tokens: readonly string[], compact: boolean): string {
  if (!compact) return tokens.join('').trim();
  let text = '';
  tokens.forEach((token, i) => {
    if (!isSpace(token)) text += token;
    else if (token.includes('\n')) text += text.endsWith('\n') ? '' : '\n';
    else if (isNeeded(tokens[i - 1] ?? '', tokens[i + 1] ?? '')) text += ' ';
  });
  return text.trim();
}

/** Whether two tokens, or marks, need a space between them. */
function isNeeded(before: string, after: string): boolean {
  const glues = (token: string): boolean => isWord(token) || token.startsWith('#');
  return (glues(before) && glues(after)) || (OPERATORS.test(before) && OPERATORS.test(after));
}
