// That what src/gpu/shader.ts expands is what WESL's own linker makes of the same shaders.
import { readFileSync, readdirSync } from 'node:fs';
import { link } from 'wesl';
import { afterAll, describe, expect, it, vi } from 'vitest';
import type { PipelineSpec } from '../../../src/gpu/context';
import {
  expandShader,
  unroll,
  type ShaderConditions,
  type ShaderTemplates,
} from '../../../src/gpu/shader-expansion';
import { shaderTemplate } from '../../../tools/vite/shader-template';
import { shaderRequests } from '../../support/shader-requests';

const FOLDER = new URL('../../../shaders/', import.meta.url);
const SOURCES: Readonly<Record<string, string>> = Object.fromEntries(
  readdirSync(FOLDER, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.wgsl'))
    .map((path) => [path.replaceAll('\\', '/'), readFileSync(new URL(path, FOLDER), 'utf8')]),
);

/**
 * What WESL makes of it, `@unroll` being expanded before. It parses all modules that it is given, for every shader anew, so it gets
 * those alone that the shader imports; without one that it needs it fails.
 */
async function linked(
  sources: Readonly<Record<string, string>>,
  { shader, constants = {}, conditions = {} }: PipelineSpec,
): Promise<string> {
  const paths = importedBy(sources, `${shader}.wgsl`);
  const weslSrc = Object.fromEntries(paths.map((path) => [path, unroll(sources[path] ?? '', constants)]));
  return (await link({ weslSrc, rootModuleName: shader, constants, conditions })).dest;
}

/** The file at `path` and all that it imports, and those import. */
function importedBy(sources: Readonly<Record<string, string>>, path: string): string[] {
  const paths = new Set([path]);
  for (const each of paths)
    for (const [, module = ''] of (sources[each] ?? '').matchAll(/package::((?:\w+::)+)/g))
      paths.add(`${module.slice(0, -2).replaceAll('::', '/')}.wgsl`);
  return [...paths];
}

/**
 * The declarations of a text as their tokens, sorted: WGSL has no order of them. WESL writes commas behind the last member and
 * parameter, or leaves them out; they mean nothing.
 */
function declarationsOf(text: string): string[] {
  const tokens = text.replace(/\/\/[^\n]*|\/\*[^]*?\*\//g, '').match(/[A-Za-z_]\w*|\d[\w.]*|[^\s]/g) ?? [];
  const declarations: string[] = [];
  let depth = 0;
  let current: string[] = [];
  tokens.forEach((token, i) => {
    if (token === ',' && /^[)}]$/.test(tokens[i + 1] ?? '')) return;
    current.push(token);
    if (token === '{') depth++;
    if (token === '}') depth--;
    if (depth > 0 || (token !== ';' && token !== '}')) return;
    declarations.push(current.join(' '));
    current = [];
  });
  return declarations.filter((each) => each !== ';').sort();
}

const templatesOf = (sources: Readonly<Record<string, string>>, compact: boolean): ShaderTemplates =>
  Object.fromEntries(
    Object.entries(sources).map(([path, text]) => [path.slice(0, -5), shaderTemplate(text, { compact })]),
  );

/** Buffers are not made, so any usage will do. */
vi.stubGlobal('GPUBufferUsage', {});
afterAll(() => {
  vi.unstubAllGlobals();
});

describe('what kernels ask of shaders', async () => {
  const requests = await shaderRequests();

  it('is every shader', () => {
    const asked = new Set(requests.map(({ shader }) => `${shader}.wgsl`));
    expect([...asked].sort()).toEqual(
      Object.keys(SOURCES)
        .filter((path) => !path.startsWith('lib/'))
        .sort(),
    );
  });

  it('becomes what WESL makes of it, compact or not', async () => {
    const templates = [true, false].map((compact) => templatesOf(SOURCES, compact));
    for (const request of requests) {
      const { shader, constants = {}, conditions = {} } = request;
      const expected = declarationsOf(await linked(SOURCES, request));
      for (const [i, each] of templates.entries()) {
        const own = expandShader(each, shader, constants, conditions);
        expect(declarationsOf(own), `${JSON.stringify(request)}${i === 0 ? ', compact' : ''}`).toEqual(
          expected,
        );
      }
    }
  });
});

/** What WESL allows and our shaders hardly say, with a module that it imports from. */
const LIBRARY = `import constants::K;
fn first() -> u32 { return second() + K; }
fn second() -> u32 { return 1u; }
fn unused() {}
const three = 3; const same = three;
fn third() -> u32 { return same; } // not first();
struct Pair { a: u32, @if(q) b: u32, @if(!q) c: array<vec2<u32>, 4>, }
@if(q) fn either() -> u32 { return 1u; } @elif(r) fn either() -> u32 { return 2u; } @else fn either() -> u32 { return 3u; }`;
const CASES: Record<string, string> = {
  'a chain of statements': 'fn main() { @if(q) { first(); } @elif(r) second(); @else third(); }',
  'a chain of declarations of another module': 'fn main() { let x = either(); }',
  'parameters and arguments': 'fn f(@if(q) a: vec2<u32>, b: u32, @if(r) c: u32) {} fn main() {}',
  'members of structures': 'fn main() { var pair: Pair; }',
  'a statement with branches':
    'fn main() { let x = 1; @if(q) if (x > 1) { first(); } else if (x > 2) { second(); } else { third(); } either(); }',
  'a loop, and a declaration behind it':
    'fn main() { @if(q && !r) for (var i = 0u; i < 4u; i++) { first(); } @if(!q || r) loop { break; } }',
  cases: 'fn main() { let x = 1; switch (x) { @if(q) case 1: { break; } default: { second(); } } }',
  'nested conditions': 'fn main() { @if(q) { @if(r) { first(); } @else { second(); } third(); } }',
  'attributes behind a condition':
    '@if(q || r) @group(0) @binding(0) var<storage, read> data: array<u32>; @compute @workgroup_size(1) fn main() {}',
  'comments that look like code': '/* @if(q) { */ fn main() { // } first(); \n second(); }',
  'signs that must not touch': 'fn main() { let x = - -1; let y = x - -x; let p = &x; let z = 1 - - - 1; }',
};
const NEEDED = 'import package::lib::a::{first, second, third, either, Pair};';

describe('a template', () => {
  const CONDITIONS: ShaderConditions[] = [{}, { q: true }, { r: true }, { q: true, r: true }];

  it.each(Object.entries(CASES))('expands as WESL does: %s', async (_, body) => {
    const sources = { 'main.wgsl': `${NEEDED}\n${body}`, 'lib/a.wgsl': LIBRARY };
    const constants = { K: -0.5 };
    for (const conditions of CONDITIONS) {
      const expected = declarationsOf(await linked(sources, { shader: 'main', constants, conditions }));
      for (const compact of [true, false]) {
        const own = expandShader(templatesOf(sources, compact), 'main', constants, conditions);
        expect(declarationsOf(own), JSON.stringify(conditions)).toEqual(expected);
      }
    }
  });

  it('keeps the lines as they were written, without comments, or only what is needed', () => {
    const text = 'fn main() {\n  // Why.\n  let x   = 1 - -1;\n\n  return;\n}';
    const [readable, compact] = [false, true].map((each) => shaderTemplate(text, { compact: each }));
    expect(readable?.declarations).toEqual([
      ['main', 'fn main() {\n  \n  let x   = 1 - -1;\n\n  return;\n}'],
    ]);
    expect(compact?.declarations).toEqual([['main', 'fn main(){\nlet x=1- -1;\nreturn;\n}']]);
  });

  it.each([
    ['import package::lib::a::first as other;', 'not supported'],
    ['fn main() { package::lib::a::first(); }', 'not supported'],
    ['fn main() { @if(q) @unroll(i, 2) { x; } }', 'a block around it'],
    ['@if(q &) fn main() {}', 'no condition'],
    ['fn main() { @if(q) x; @if(r) @else y; }', 'not supported'],
    ['fn main() { (', 'not closed'],
  ])('is refused for %s', (text, message) => {
    expect(() => shaderTemplate(text, { compact: true })).toThrow(message);
  });

  it('without a constant that it needs is an error that names it', () => {
    const templates = templatesOf({ 'main.wgsl': 'import constants::K; const k = K;' }, true);
    expect(() => expandShader(templates, 'main', {}, {})).toThrow(
      'main.wgsl needs a constant that is unknown: K.',
    );
  });
});
