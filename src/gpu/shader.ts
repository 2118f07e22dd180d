// The one mechanism for WGSL variants and shared pieces: WESL imports and conditions, constants, and bounded unrolling.

import { link } from 'wesl';
import { TernionError } from '../errors';

/** Numbers a shader sees as `import constants::NAME;`, written into its text so that compilers can use them. */
export type ShaderConstants = Record<string, number>;
/** Flags for `@if(name)` / `@else` in a shader. */
export type ShaderConditions = Record<string, boolean>;

const sources: Record<string, string> = import.meta.glob('../../shaders/**/*.wgsl', {
  query: '?raw',
  import: 'default',
  eager: true,
});
/** Of this package, for the code around the shaders: by the name of the file that says it. */
const version: Record<string, string> = import.meta.glob('../../package.json', {
  import: 'version',
  eager: true,
});

/** The same as long as no shader has changed: SHA-256 of all of them, and of the version of this package, in hexadecimal. */
export async function shadersHash(): Promise<string> {
  const text = JSON.stringify([version, sources]);
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text));
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/**
 * The text of `shaders/<name>.wgsl` as WGSL, with its imports from `shaders/lib/` resolved.
 *
 * Beyond WESL a shader may say `@unroll(i, N) { … }`, where N is a number or a constant: the block is repeated without
 * braces, `$i` being 0 to N-1 and `$(2*i+j)`, with indices of blocks around it too, what it says. Named scalars made this way stay in registers, where an array indexed at run time would
 * not (naga and SwiftShader do not unroll loops).
 */
export async function shaderText(
  name: string,
  constants: ShaderConstants,
  conditions: ShaderConditions,
): Promise<string> {
  const weslSrc: Record<string, string> = {};
  for (const [path, text] of Object.entries(sources)) {
    const key = path.replace('../../shaders/', '');
    if (key.startsWith('lib/') || key === `${name}.wgsl`) weslSrc[key] = unroll(text, constants);
  }
  if (!(`${name}.wgsl` in weslSrc)) throw new TernionError('internal', `There is no shader named ${name}.`);
  const linked = await link({ weslSrc, rootModuleName: name, conditions, constants });
  return linked.dest;
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
