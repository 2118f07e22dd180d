// What no grammar is made of: keywords that are not enforced, schemas that allow nothing, and what somebody wrote to do harm.
import { describe, expect, it } from 'vitest';
import { grammarOfFormat } from '../../../src/grammar/response-format';
import type { JsonSchema } from '../../../src/grammar/json-schema';
import { expectFailure } from '../../support/expect-failure';
import { Walks } from '../../support/grammar-walks';

const made = async (schema: unknown): Promise<unknown> =>
  grammarOfFormat({ type: 'json', schema: schema as JsonSchema });
const walks = new Walks();

describe('a keyword that is not enforced is named, and where it stands', () => {
  it.each<[unknown, string]>([
    [{ not: { type: 'string' } }, '#/not'],
    [{ type: 'object', properties: { a: { not: {} } } }, '#/properties/a/not'],
    [{ if: {}, then: {}, else: {} }, '#/if'],
    [{ type: 'array', uniqueItems: true }, '#/uniqueItems'],
    [{ type: 'array', contains: { type: 'null' } }, '#/contains'],
    [{ type: 'array', contains: false }, '#/contains'],
    [{ type: 'array', items: { minContains: 1 } }, '#/items/minContains'],
    [{ type: 'object', patternProperties: { '^a': {} } }, '#/patternProperties'],
    [{ type: 'object', propertyNames: { pattern: '^a' } }, '#/propertyNames'],
    [{ type: 'object', dependentRequired: { a: ['b'] } }, '#/dependentRequired'],
    [{ type: 'object', dependentSchemas: { a: { required: ['b'] } } }, '#/dependentSchemas'],
    [{ type: 'object', dependencies: { a: ['b'] } }, '#/dependencies'],
    [{ type: 'object', minProperties: 1 }, '#/minProperties'],
    [{ type: 'number', multipleOf: 0.1 }, '#/multipleOf'],
    [{ type: 'integer', multipleOf: 7 }, '#/multipleOf'],
    [{ type: 'string', format: 'hostname' }, '#/format'],
    [{ type: 'string', pattern: '(?=a)' }, '#'],
    [{ type: 'string', pattern: 'a*', minLength: 1 }, '#/minLength'],
    [{ type: 'string', pattern: '^a+$', maxLength: 3 }, '#/maxLength'],
    [{ type: 'string', minLength: 1000 }, '#/minLength'],
    [{ $ref: 'https://example.org/schema.json' }, 'only references within the schema'],
    [{ $dynamicRef: '#a' }, '#/$dynamicRef'],
    [{ oneOf: [{ type: 'integer' }, { type: 'number' }] }, '#/oneOf'],
    [{ enum: ['a', 'b'], minLength: 1 }, '#/minLength'],
    [{ madeUp: 1 }, '#/madeUp'],
    [{ allOf: [{ pattern: 'a' }, { pattern: 'b' }] }, 'pattern'],
    [{ allOf: [{ type: 'array', prefixItems: [{}] }, { items: { type: 'string' } }] }, 'prefixItems'],
    [{ allOf: [{ exclusiveMinimum: true, minimum: 3 }, { exclusiveMinimum: 1 }] }, 'exclusiveMinimum'],
    [
      {
        allOf: [
          { type: 'object', properties: { a: {} }, unevaluatedProperties: false },
          { properties: { b: {} } },
        ],
      },
      'additionalProperties',
    ],
  ])('%j', async (schema, pointer) => {
    await expectFailure(made(schema), 'unsupported-feature', pointer);
  });
});

describe('a schema that allows nothing, or is none, is refused', () => {
  it.each<[unknown, RegExp]>([
    [false, /allows no value/],
    [{ type: 'integer', minimum: 2, maximum: 1 }, /allows no number/],
    [{ type: 'string', minLength: 3, maxLength: 2 }, /allows no string/],
    [{ type: 'array', prefixItems: [{}], items: false, minItems: 2 }, /allows no/],
    [
      { type: 'object', properties: { a: {} }, required: ['b'], additionalProperties: false },
      /allows no value/,
    ],
    [
      { type: 'object', properties: { a: {} }, additionalProperties: false, minProperties: 2 },
      /allows no object/,
    ],
    [{ enum: [] }, /lists no value/],
    [{ type: 'string', const: 1 }, /lists no value/],
    [{ anyOf: [] }, /allows no value/],
    [{ anyOf: [false] }, /allows no value/],
    [{ type: 'text' }, /no type "text"/],
    [{ type: 'string', maxLength: -1 }, /maxLength/],
    [{ type: 'string', maxLength: '1' }, /maxLength/],
    [{ type: 'integer', minimum: 'a' }, /minimum/],
    [{ properties: { a: 1 } }, /no schema/],
    [{ required: 'a' }, /no list/],
    [{ $ref: '#/$defs/gone' }, /nothing at/],
    [{ enum: ['\ud800'], type: 'number' }, /lists no value/],
    [{ type: 'string', pattern: '(' }, /malformed/],
  ])('%j', async (schema, words) => {
    await expectFailure(made(schema), 'invalid-argument', words);
  });
});

describe('a value that never ends is refused', () => {
  it.each<[string, unknown]>([
    ['a reference to itself', { $ref: '#' }],
    [
      'two references to each other',
      { $ref: '#/$defs/a', $defs: { a: { $ref: '#/$defs/b' }, b: { $ref: '#/$defs/a' } } },
    ],
    ['a member that is needed', { type: 'object', properties: { a: { $ref: '#' } }, required: ['a'] }],
    ['an item that is needed', { type: 'array', items: { $ref: '#' }, minItems: 1 }],
    ['a place of a tuple', { type: 'array', prefixItems: [{ $ref: '#' }], minItems: 1 }],
    ['every alternative', { anyOf: [{ $ref: '#' }, { type: 'array', items: { $ref: '#' }, minItems: 1 }] }],
    ['itself among others', { allOf: [{ $ref: '#' }] }],
  ])('%s', async (_name, schema) => {
    await expectFailure(made(schema), 'invalid-argument');
  });
});

/** `depth` schemas in one another. */
function nested(depth: number): unknown {
  let schema: unknown = { type: 'null' };
  for (let i = 0; i < depth; i++) schema = { type: 'array', items: schema };
  return schema;
}

/** Objects that have each other inside. */
function circle(): unknown {
  const schema: Record<string, unknown> = { type: 'array' };
  schema['items'] = { type: 'array', items: schema };
  return schema;
}

/** Definitions, each of which has the next one twice. */
function doubling(count: number): unknown {
  const $defs: Record<string, unknown> = { d0: { type: 'null' } };
  for (let i = 1; i <= count; i++) {
    const $ref = `#/$defs/d${i - 1}`;
    $defs[`d${i}`] = { type: 'array', prefixItems: [{ $ref }, { $ref }], minItems: 2 };
  }
  return { $defs, $ref: `#/$defs/d${count}` };
}

describe('what would take for ever is refused before it does', () => {
  it.each<[string, () => unknown]>([
    ['10 MB of text', () => ({ const: 'a'.repeat(10_000_000) })],
    ['a million values', () => ({ enum: Array.from({ length: 1_000_000 }, (_, i) => i) })],
    ['a depth of 10,000', () => nested(10_000)],
    ['a circle of objects', circle],
    ['a million members', () => ({ type: 'object', required: Array.from({ length: 1_000_000 }, String) })],
    ['a billion items', () => ({ type: 'array', items: {}, minItems: 1_000_000_000 })],
    ['a pattern of many repetitions', () => ({ type: 'string', pattern: '((a{1,999}){1,999}){1,999}' })],
  ])('%s', async (_name, schema) => {
    await expectFailure(made(schema()), 'invalid-argument');
  });

  it('but definitions that are used again and again are one rule each', async () => {
    expect(await made(doubling(20))).toHaveProperty('ebnf');
  });
});

it.each<[string, unknown, string]>([
  ['a maximum of length that is not counted so far', { type: 'string', maxLength: 100_000 }, '"abc"'],
  [
    'a pattern that takes backtracking for ever',
    { type: 'string', pattern: '^(a+)+$' },
    '"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"',
  ],
])('%s is a grammar like others', async (_name, schema, text) => {
  const grammar = grammarOfFormat({ type: 'json', schema: schema as JsonSchema });
  expect(await walks.derives(grammar, text)).toBe(true);
});
