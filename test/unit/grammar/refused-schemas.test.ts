// What an answer cannot be held to is refused by its name and place, and hostile schemas before they cost anything.

import { describe, expect, it } from 'vitest';
import { RuleBook } from '../../../src/grammar/ebnf';
import { argumentsRule, schemaRule, type JsonSchema } from '../../../src/grammar/json-schema';
import { grammarOfFormat } from '../../../src/grammar/response-format';

const grammarOf = (schema: JsonSchema): string => grammarOfFormat({ type: 'json', schema }).ebnf;
const object = (schema: JsonSchema): JsonSchema => ({ type: 'object', properties: { a: schema } });

describe('keywords that would not be enforced', () => {
  it.each<[name: string, schema: Record<string, unknown>]>([
    ['not', { not: { type: 'string' } }],
    ['uniqueItems', { type: 'array', uniqueItems: true }],
    ['contains', { type: 'array', contains: { type: 'integer' } }],
    ['minContains', { type: 'array', minContains: 2 }],
    ['if', { if: { type: 'string' }, then: { minLength: 3 } }],
    ['dependentRequired', { type: 'object', dependentRequired: { a: ['b'] } }],
    ['dependentSchemas', { type: 'object', dependentSchemas: { a: {} } }],
    ['dependencies', { type: 'object', dependencies: { a: ['b'] } }],
    ['unevaluatedItems', { type: 'array', unevaluatedItems: false }],
    ['unevaluatedProperties', { type: 'object', unevaluatedProperties: { type: 'string' } }],
    ['$dynamicRef', { $dynamicRef: '#x' }],
    ['multipleOf', { type: 'number', multipleOf: 0.01 }],
    ['frobnicate', { type: 'string', frobnicate: 1 }],
    ['format "hostname"', { type: 'string', format: 'hostname' }],
    ['format "made-up"', { type: 'string', format: 'made-up' }],
    ['lookahead', { type: 'string', pattern: '^(?=a)' }],
    ['oneOf', { oneOf: [{ type: 'integer' }, { type: 'number' }] }],
    [
      'oneOf',
      {
        oneOf: [
          { type: 'string', minLength: 1 },
          { type: 'string', maxLength: 3 },
        ],
      },
    ],
    ['anyOf beside oneOf', { anyOf: [{ type: 'string' }], oneOf: [{ type: 'string' }] }],
    [
      'propertyNames',
      { type: 'object', properties: { a: {} }, propertyNames: { pattern: '^a' }, additionalProperties: true },
    ],
    ['patternProperties', { type: 'object', patternProperties: { '^a': {}, b: {} } }],
    ['minProperties', { type: 'object', additionalProperties: true, minProperties: 3 }],
    ['$ref', { $ref: 'https://example.org/other.json' }],
    ['$ref', { $ref: '#named' }],
  ])('%s', (name, schema) => {
    expect(() => grammarOf(object(schema))).toThrow(
      expect.objectContaining({
        code: 'unsupported-feature',
        message: expect.stringContaining(name) as string,
      }),
    );
    expect(() => grammarOf(object(schema))).toThrow('#/properties/a');
  });

  it('names the place by its JSON pointer', () => {
    const schema = { $defs: { 'a/b': { items: { not: { type: 'null' } } } }, $ref: '#/$defs/a~1b' };
    expect(() => grammarOf(schema)).toThrow('#/$defs/a~1b/items, the keyword not');
  });

  it('is the schema false too, and a schema that needs itself', () => {
    expect(() => grammarOf(false)).toThrow(expect.objectContaining({ code: 'unsupported-feature' }));
    expect(() => grammarOf({ $ref: '#' })).toThrow(expect.objectContaining({ code: 'unsupported-feature' }));
    const endless = { type: 'object', properties: { next: { $ref: '#' } }, required: ['next'] };
    expect(() => grammarOf(endless)).toThrow('needs itself without an end');
    expect(() => grammarOf({ allOf: [{ $ref: '#' }] })).toThrow('leads back to itself');
  });
});

describe('schemas that are wrong', () => {
  it.each<[string, Record<string, unknown>]>([
    ['type', { type: 'text' }],
    ['minimum', { minimum: '1' }],
    ['minLength', { minLength: -1 }],
    ['maxItems', { maxItems: 1.5 }],
    ['required', { required: 'a' }],
    ['enum', { enum: 'a' }],
    ['properties', { properties: { b: 3 } }],
    ['anyOf', { anyOf: [] }],
    ['allOf', { allOf: 3 }],
    ['$ref', { $ref: '#/$defs/nowhere' }],
    ['pattern', { pattern: '(' }],
    ['no value', { enum: [] }],
    ['no value', { type: 'integer', minimum: 5, maximum: 4 }],
    ['no value', { type: 'integer', exclusiveMinimum: 1, exclusiveMaximum: 2 }],
    ['no value', { type: 'number', minimum: 1e-9, maximum: 2e-9 }],
    ['no value', { minLength: 3, maxLength: 2 }],
    ['no value', { type: 'array', minItems: 3, maxItems: 2 }],
    ['no value', { type: 'object', properties: { b: {} }, minProperties: 2 }],
    ['no value', { allOf: [{ type: 'string' }, { type: 'number' }] }],
    ['no value', { type: 'string', enum: [1, 2] }],
    ['no value', { type: 'string', pattern: '^\\u0001$' }],
  ])('%s: %j', (name, schema) => {
    expect(() => grammarOf(object(schema))).toThrow(
      expect.objectContaining({ code: 'invalid-argument', message: expect.stringContaining(name) as string }),
    );
  });
});

describe('hostile schemas', () => {
  const refused = (schema: unknown): void => {
    expect(() => grammarOf(schema as JsonSchema)).toThrow(
      expect.objectContaining({
        code: expect.stringMatching(/^(invalid-argument|unsupported-feature)$/) as string,
      }),
    );
  };
  const nested = (depth: number, wrap: (inner: JsonSchema) => JsonSchema): JsonSchema => {
    let schema: JsonSchema = { type: 'null' };
    for (let level = 0; level < depth; level++) schema = wrap(schema);
    return schema;
  };

  it('deep ones', () => {
    refused(nested(100_000, (items) => ({ type: 'array', items })));
    refused(nested(100_000, (inner) => ({ anyOf: [inner] })));
  });

  it('those that stand in themselves', () => {
    const circle: Record<string, unknown> = { type: 'object' };
    circle.properties = { circle };
    refused(circle);
    refused({ enum: [circle] });
  });

  it('large ones', () => {
    refused({ enum: Array.from({ length: 20_000 }, (_, i) => i) });
    refused({ description: 'x'.repeat(10_000_000) });
    refused({ anyOf: Array.from({ length: 10_000 }, () => ({ type: 'null' })) });
    refused({ type: 'object', properties: { ['k'.repeat(10_000)]: {} }, additionalProperties: true });
    refused({ enum: new Array(1e9) });
  });

  it('a few objects that are in each other many times', () => {
    refused(nested(40, (inner) => ({ anyOf: [inner, inner, inner] })));
  });

  it('long chains of references', () => {
    const chain = Array.from({ length: 4000 }, (_, i) => [`d${i}`, { $ref: `#/$defs/d${i + 1}` }] as const);
    refused({ $defs: { ...Object.fromEntries(chain), d4000: { type: 'null' } }, $ref: '#/$defs/d0' });
    refused({
      $defs: { ...Object.fromEntries(chain), d4000: { type: 'null' } },
      allOf: [{ $ref: '#/$defs/d0' }],
    });
  });

  it('references that multiply by allOf', () => {
    const doubling = Array.from({ length: 60 }, (_, i) => {
      const next = { $ref: `#/$defs/d${i + 1}` };
      return [
        `d${i}`,
        { allOf: [next, { properties: { a: next } }, { properties: { a: next, b: next } }] },
      ] as const;
    });
    refused({
      $defs: {
        ...Object.fromEntries(doubling),
        d60: { type: 'object', properties: { a: { $ref: '#/$defs/d0' } } },
      },
      $ref: '#/$defs/d0',
    });
  });

  it('patterns that others match for ever', () => {
    refused({ type: 'string', pattern: `${'('.repeat(5000)}a${')'.repeat(5000)}` });
    refused({ type: 'string', pattern: '(((a{1,99}){1,99}){1,99})' });
    refused({ type: 'string', pattern: 'a'.repeat(20_000) });
    expect(grammarOf({ type: 'string', pattern: '^(a+)+$' })).toContain('root');
    expect(grammarOf({ type: 'string', pattern: '^(a|a)*$', enum: ['a'.repeat(60)] })).toContain('aaaa');
    refused({ type: 'string', pattern: '^(a|a)*$', enum: [`${'a'.repeat(60)}!`] });
  });

  it('keys by the names of what objects inherit', () => {
    const schema = JSON.parse(
      '{"type": "object", "properties": {"__proto__": {"type": "null"}, "constructor": {"type": "null"}}}',
    ) as JsonSchema;
    expect(grammarOf(schema)).toContain('__proto__');
    expect(() => grammarOf({ $ref: '#/constructor' })).toThrow('not there');
  });
});

describe('lengths above 20, which rules do not count', () => {
  const long = { type: 'string', maxLength: 200 };

  it('are bounds beside the grammar, by their paths', () => {
    const schema = {
      type: 'object',
      properties: {
        title: long,
        short: { type: 'string', maxLength: 9 },
        tags: { type: 'array', items: { type: 'string', minLength: 21 } },
      },
      required: ['title'],
    };
    expect(grammarOfFormat({ type: 'json', schema }).lengths).toEqual({
      behind: '',
      bounds: [
        { path: ['title'], min: 0, max: 200 },
        { path: ['tags', '*'], min: 21, max: Number.MAX_SAFE_INTEGER },
      ],
    });
  });

  it('say of named members that they are none of the others', () => {
    const schema = { type: 'object', properties: { id: { type: 'string' } }, additionalProperties: long };
    expect(grammarOfFormat({ type: 'json', schema }).lengths?.bounds).toEqual([
      { path: ['id'], min: 0, max: Number.MAX_SAFE_INTEGER },
      { path: ['*'], min: 0, max: 200 },
    ]);
  });

  it('are the narrowest where alternatives meet', () => {
    const schema = {
      anyOf: [
        { type: 'array', items: long },
        { type: 'array', items: { type: 'string', maxLength: 100 } },
      ],
    };
    expect(grammarOfFormat({ type: 'json', schema }).lengths?.bounds).toEqual([
      { path: ['*'], min: 0, max: 100 },
    ]);
  });

  it('are refused where a path does not tell which bounds hold', () => {
    const tree = {
      type: 'object',
      properties: { text: long, more: { type: 'array', items: { $ref: '#' } } },
    };
    expect(() => grammarOf(tree)).toThrow('leads back');
    expect(() => grammarOf({ anyOf: [long, { type: 'string', pattern: '^a+$' }] })).toThrow('alternatives');
    expect(() => grammarOf({ anyOf: [{ type: 'string', minLength: 30 }, { const: 'a' }] })).toThrow(
      'alternatives',
    );
  });

  it('are counted as far as 100 where rules are all there is, and refused beyond', () => {
    const least = { type: 'string', minLength: 101 };
    expect(() => schemaRule(new RuleBook(), least, 'json')).toThrow('above 100');
    expect(() =>
      argumentsRule(new RuleBook(), { type: 'object', properties: { a: least } }, 'python'),
    ).toThrow('above 100');
    expect(() =>
      grammarOf({ type: 'object', additionalProperties: true, propertyNames: { maxLength: 50 } }),
    ).toThrow('propertyNames');
  });
});
