// Makes templates: by a grammar, most of whose sentences can be parsed and some of which can be rendered.

import type { Draw } from '../draw';

const NAMES = [
  'messages',
  'm',
  'm.content',
  'm.role',
  'messages[0]',
  'messages[-1].content',
  'bos_token',
  'tools',
];
const MORE_NAMES = [
  'loop.index',
  'loop.last',
  'ns',
  'ns.x',
  'x',
  'y',
  'extra',
  'add_generation_prompt',
  'missing',
  'f',
];
const LITERALS = [
  "'a'",
  "''",
  '"b\\n"',
  '0',
  '1',
  '-1',
  '3.5',
  '1000000',
  'true',
  'none',
  '[]',
  '{}',
  "'%s'",
  "'é😀'",
];
const OPERATORS = [
  '+',
  '-',
  '*',
  '/',
  '//',
  '%',
  '~',
  '==',
  '!=',
  '<',
  '>=',
  'in',
  'not in',
  'and',
  'or',
  '**',
];
const FILTERS = [
  'trim', 'upper', 'lower', 'capitalize', 'title', 'length', 'tojson', 'tojson(indent=2)', 'first', 'last', 'list', 'string',
  'int', 'float', 'abs', 'join', "join(', ')", 'sort', 'reverse', 'unique', 'items', 'safe', 'indent', 'indent(4, true)',
  "replace('a', 'bb')", "replace('', '-')", "default('z')", "selectattr('role', 'equalto', 'user')", "rejectattr('role')",
  "map(attribute='content')", "map('upper')", 'dictsort', "split(' ')", 'bool', 'batch(2)', 'nothing', 'e', 'escape',
]; // prettier-ignore
const TESTS = [
  'defined',
  'undefined',
  'none',
  'string',
  'number',
  'mapping',
  'iterable',
  'odd',
  'boolean',
  "equalto('a')",
];
const METHODS = [
  '.strip()', '.lstrip()', ".rstrip('\\n')", '.upper()', '.title()', '.split()', ".split('a', 1)", ".replace('a', 'b')",
  ".startswith('<')", ".endswith('>')", '.items()', '.keys()', ".get('role')", '.append(1)', '[0]', '[-1]', '[::-1]', '[1:]',
  '[:2]', "['role']", '.content', '.constructor', '.__proto__', '.__class__', '.length', ".format('x')", ".join(['a', 'b'])",
]; // prettier-ignore

/** An expression, nested up to `depth` deep. */
function expression(draw: Draw, depth: number): string {
  const inner = (): string => expression(draw, depth - 1);
  if (depth <= 0) return draw.pick(draw.chance(0.4) ? LITERALS : draw.chance(0.6) ? NAMES : MORE_NAMES);
  switch (draw.below(12)) {
    case 0:
    case 1:
      return `${inner()} ${draw.pick(OPERATORS)} ${inner()}`;
    case 2:
    case 3:
      return `${inner()} | ${draw.pick(FILTERS)}`;
    case 4:
      return `(${inner()})${draw.pick(METHODS)}`;
    case 5:
      return `${inner()} is ${draw.chance(0.3) ? 'not ' : ''}${draw.pick(TESTS)}`;
    case 6:
      return `(${inner()} if ${inner()} else ${inner()})`;
    case 7:
      return `[${draw.many(0, 3, inner).join(', ')}]`;
    case 8:
      return `{${draw.many(0, 3, (i) => `'k${i}': ${inner()}`).join(', ')}}`;
    case 9:
      return draw.pick([
        `range(${inner()})`,
        'range(3)',
        `namespace(x=${inner()})`,
        `f(${inner()})`,
        `f(y=${inner()})`,
      ]);
    case 10:
      return `${draw.pick(['not ', '-', '+'])}${inner()}`;
    default:
      return draw.pick(NAMES);
  }
}

/** A statement with what is in it. */
function statement(draw: Draw, depth: number): string {
  const some = (most: number): string => expression(draw, draw.below(most));
  const [open, close] = draw.pick([
    ['{%', '%}'],
    ['{%-', '%}'],
    ['{%-', '-%}'],
  ] as const);
  const tag = (words: string): string => `${open} ${words} ${close}`;
  const body = (): string => statements(draw, depth - 1);
  if (depth <= 0) return draw.pick([`{{ ${some(3)} }}`, 'text ', '\n  ', '{# note #}', `{{- ${some(2)} -}}`]);
  switch (draw.below(13)) {
    case 0:
    case 1:
      return tag(`for m in ${draw.chance(0.7) ? 'messages' : some(3)}`) + body() + tag('endfor');
    case 2:
      return tag(`for x, y in ${some(3)} if ${some(2)}`) + body() + tag('else') + body() + tag('endfor');
    case 3:
      return (
        tag(`if ${some(4)}`) + body() + tag(`elif ${some(3)}`) + body() + tag('else') + body() + tag('endif')
      );
    case 4:
      return tag(`if ${some(4)}`) + body() + tag('endif');
    case 5:
      return tag(`set ${draw.pick(['x', 'y', 'ns', 'ns.x', 'x, y', 'messages'])} = ${some(4)}`);
    case 6:
      return tag('set x') + body() + tag('endset');
    case 7:
      return tag(`macro f(x${draw.pick(['', ', y=1', "='d'"])})`) + body() + tag('endmacro');
    case 8:
      return tag(`filter ${draw.pick(FILTERS)}`) + body() + tag('endfilter');
    case 9:
      return tag(`call${draw.pick(['', '(x)'])} f(${some(2)})`) + body() + tag('endcall');
    case 10:
      return tag(
        draw.pick([
          'break',
          'continue',
          'generation',
          'endgeneration',
          'raw',
          'include "x"',
          'endfor',
          'else',
        ]),
      );
    case 11:
      return `{{ ${draw.pick(["raise_exception('no')", 'caller()', 'strftime_now("%Y")', 'f(1)'])} }}`;
    default:
      return `{{ ${some(5)} }}`;
  }
}

function statements(draw: Draw, depth: number): string {
  return draw.many(1, 3, () => statement(draw, depth)).join('');
}

/** A template by the grammar. */
export function madeTemplate(draw: Draw): string {
  const source = draw.many(1, 5, () => statement(draw, draw.below(4))).join('\n');
  return draw.chance(0.95) ? source : source.slice(0, draw.below(source.length + 1));
}

const LOOP = (times: number, body: string): string => `{% for i in range(${times}) %}${body}{% endfor %}`;

/** A template that asks for more and more: text, lists, steps, depth. */
export function grownTemplate(draw: Draw): string {
  const count = draw.pick([10, 1000, 100_000, 10_000_000]);
  const doubling = draw.pick([
    'ns.x ~ ns.x',
    'ns.x + ns.x',
    "ns.x.replace('a', 'aaaa')",
    'ns.x | tojson',
    "[ns.x, ns.x] | join('')",
    "ns.x | indent(width=9, first=true) ~ '\\n' ~ ns.x",
    '[ns.x, ns.x]',
    "{'a': ns.x, 'b': ns.x}",
    'ns.x | upper ~ ns.x | lower',
    "ns.x.split('a') | join('bb')",
    '(ns.x | list) + (ns.x | list)',
  ]);
  return draw.pick<() => string>([
    () =>
      `{% set ns = namespace(x=${draw.pick(["'a'", '[1]', "'ab' * 50"])}) %}${LOOP(draw.between(5, 60), `{% set ns.x = ${doubling} %}`)}{{ ns.x }}`,
    () => `{{ 'ab' * ${count} }}`,
    () =>
      `{{ range(${count}) | ${draw.pick(['join', 'list | length', 'list | tojson', 'list | sort | reverse'])} }}`,
    () => LOOP(1000, LOOP(1000, LOOP(1000, draw.pick(['', 'x', '{{ i }}'])))),
    () => `{% macro f(x) %}${draw.pick(['x', ''])}{{ f(x ~ 'a') }}{{ f(x) }}{% endmacro %}{{ f('') }}`,
    () => `{{ ${'('.repeat(count % 99_999)}1${')'.repeat(count % 99_999)} }}`,
    () => `${'{% if true %}'.repeat(Math.min(count, 5000))}x${'{% endif %}'.repeat(Math.min(count, 5000))}`,
    () => `{{ ${'['.repeat(Math.min(count, 20_000))}${']'.repeat(Math.min(count, 20_000))} | tojson }}`,
    () => `{{ ${"'a' ~ ".repeat(Math.min(count, 15_000))}'b' }}`,
    () =>
      `{% set x = ${draw.pick(["'a' * 4000000", 'range(150000) | list'])} %}${LOOP(50, `{% set y = x | ${draw.pick(['upper', 'list', 'tojson', 'reverse | list', 'trim'])} %}`)}{{ y | length }}`,
    () =>
      `{{ ' '.join(range(100000) | map('string') | list) | replace('1', '${'1'.repeat(100)}') | length }}`,
    () => `{% set x = 'ab' * 200000 %}${LOOP(200, "{{ x.split('b') | length }}{{ 'c' in x }}")}`,
  ])();
}
