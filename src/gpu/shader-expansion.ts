// Makes WGSL of the templates of shaders (tools/vite/shader-template.ts): conditions, constants, imports, bounded unrolling.

import { TernionError } from '../errors';

/** Numbers a shader sees as `import constants::NAME;`, written into its text so that compilers can use them. */
export type ShaderConstants = Record<string, number>;
/** Flags for `@if(name)` / `@else` in a shader. */
export type ShaderConditions = Record<string, boolean>;

/**
 * A file of `shaders`. In the texts of its declarations `#a&!b|c#` and `##` are around what is there only if condition a is set
 * and b is not, or c is.
 */
export interface ShaderTemplate {
  /** What it imports, and the file that it is of, such as `lib/dot`; or `constants`. */
  imports: readonly (readonly [name: string, module: string])[];
  /** What each declaration is called, and its text. Directives have no name. */
  declarations: readonly (readonly [name: string, text: string])[];
}

/** Templates by what their files in `shaders` are called, such as `embed` and `lib/dot`. */
export type ShaderTemplates = Readonly<Record<string, ShaderTemplate>>;

/**
 * The shader `name` as WGSL, with what it needs from the files that it imports.
 *
 * @throws TernionError `internal` if there is no such shader, or a constant is missing
 */
export function expandShader(
  templates: ShaderTemplates,
  name: string,
  constants: ShaderConstants,
  conditions: ShaderConditions,
): string {
  const expanded = (text: string): string => unroll(chosen(text, conditions), constants);
  const texts: Text[] = declared(templates, name, () => true, expanded);
  const seen = new Set(texts.map((text) => text.name));
  // Texts are added while they are read: each names what it needs. Names are the same in all files, if both are of one shader.
  for (const { module, text } of texts) {
    const owners = ownersOf(templates, module);
    for (const [word] of text.matchAll(/\.?\w+/g)) {
      const owner = owners.get(word);
      if (owner === undefined || seen.has(word)) continue;
      seen.add(word);
      if (owner === CONSTANTS) texts.push(constantText(name, word, constants[word]));
      else texts.push(...declared(templates, owner, (each) => each === word, expanded));
    }
  }
  return texts.map(({ text }) => text).join('\n');
}

/** What imports of constants say in place of a file. */
const CONSTANTS = 'constants';

/** A declaration as it is written in the end, and the file that it is of. */
interface Text {
  module: string;
  name: string;
  text: string;
}

/** The declarations of a file that are wanted, and there. */
function declared(
  templates: ShaderTemplates,
  module: string,
  isWanted: (name: string) => boolean,
  expanded: (text: string) => string,
): Text[] {
  return templateOf(templates, module)
    .declarations.filter(([name]) => isWanted(name))
    .map(([name, text]) => ({ module, name, text: expanded(text) }))
    .filter(({ text }) => text !== '');
}

function constantText(shader: string, name: string, value: number | undefined): Text {
  if (value === undefined)
    throw new TernionError('internal', `${shader}.wgsl needs a constant that is unknown: ${name}.`);
  return { module: CONSTANTS, name, text: `const ${name} = ${value};` };
}

/** What each name is of that the texts of a file can mean. */
function ownersOf(templates: ShaderTemplates, module: string): Map<string, string> {
  if (module === CONSTANTS) return new Map();
  const { declarations, imports } = templateOf(templates, module);
  return new Map([...declarations.map(([name]) => [name, module] as const), ...imports]);
}

function templateOf(templates: ShaderTemplates, name: string): ShaderTemplate {
  const template = templates[name];
  if (!template) throw new TernionError('internal', `There is no shader named ${name}.`);
  return template;
}

/** A text with what `conditions` say. */
function chosen(text: string, conditions: ShaderConditions): string {
  const around: boolean[] = [];
  let result = '';
  text.split('#').forEach((piece, i) => {
    if (i % 2 === 0) result += around.every(Boolean) ? piece : '';
    else if (piece === '') around.pop();
    else around.push(holds(piece, conditions));
  });
  return result.trim();
}

/** Whether one of the alternatives of a condition holds. */
function holds(condition: string, conditions: ShaderConditions): boolean {
  const isSet = (word: string): boolean => conditions[word] === true;
  return condition
    .split('|')
    .some((term) => term.split('&').every((word) => (word[0] === '!' ? !isSet(word.slice(1)) : isSet(word))));
}

/** Expands every `@unroll(i, N) { … }`, the outermost first, so that inner counts may use outer indices. */
export function unroll(text: string, constants: ShaderConstants): string {
  const head = /@unroll\(\s*(\w+)\s*,\s*(\w+)\s*\)\s*\{/.exec(text);
  if (!head) return text;
  const [whole, index, count] = head as unknown as [string, string, string];
  const times = constants[count] ?? Number(count);
  if (!Number.isInteger(times))
    throw new TernionError('internal', `@unroll(${index}, ${count}): ${count} is unknown.`);
  const bodyStart = head.index + whole.length;
  const bodyEnd = closingBrace(text, bodyStart);
  const body = text.slice(bodyStart, bodyEnd);
  let expanded = '';
  for (let i = 0; i < times; i++) expanded += substitute(body, index, i);
  return text.slice(0, head.index) + unroll(expanded, constants) + unroll(text.slice(bodyEnd + 1), constants);
}

/** Puts `value` for `$index` and for `index` in `$(…)`; sums of products of numbers alone are worked out. */
function substitute(body: string, index: string, value: number): string {
  return body
    .replace(/\$\(([^)]*)\)/g, (_, expression: string) => {
      const known = expression.replace(new RegExp(`\\b${index}\\b`, 'g'), String(value));
      return /^[\d\s+*]+$/.test(known) ? String(evaluate(known)) : `$(${known})`;
    })
    .replaceAll(`$${index}`, String(value));
}

function evaluate(expression: string): number {
  const product = (factors: string): number =>
    factors.split('*').reduce((total, factor) => total * Number(factor), 1);
  return expression.split('+').reduce((sum, term) => sum + product(term), 0);
}

function closingBrace(text: string, from: number): number {
  let depth = 1;
  for (let i = from; i < text.length; i++) {
    if (text[i] === '{') depth++;
    else if (text[i] === '}' && --depth === 0) return i;
  }
  throw new TernionError('internal', 'An @unroll block is not closed.');
}
