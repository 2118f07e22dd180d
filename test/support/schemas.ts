// JSON schemas of many kinds, each with values that an answer must be able to be.

import type { JsonSchema } from '../../src/grammar/json-schema';
import { SCALAR_SCHEMAS, type SchemaExample } from './scalar-schemas';

export type { SchemaExample } from './scalar-schemas';

const PERSON: JsonSchema = {
  type: 'object',
  properties: {
    name: { type: 'string', minLength: 1 },
    age: { type: 'integer', minimum: 0, maximum: 150 },
    email: { type: 'string', format: 'email' },
    address: {
      type: 'object',
      properties: {
        street: { type: 'string' },
        city: { type: 'string' },
        zip: { type: 'string', pattern: '^\\d{5}$' },
      },
      required: ['street', 'city'],
      additionalProperties: false,
    },
  },
  required: ['name', 'age'],
  additionalProperties: false,
};

const TREE: JsonSchema = {
  $ref: '#/$defs/node',
  $defs: {
    node: {
      type: 'object',
      properties: {
        value: { type: 'integer' },
        children: { type: 'array', items: { $ref: '#/$defs/node' }, maxItems: 3 },
      },
      required: ['value'],
    },
  },
};

const SHAPES: JsonSchema = {
  oneOf: [
    {
      type: 'object',
      properties: { kind: { const: 'circle' }, radius: { type: 'number', exclusiveMinimum: 0 } },
      required: ['kind', 'radius'],
    },
    {
      type: 'object',
      properties: { kind: { const: 'rectangle' }, width: { type: 'number' }, height: { type: 'number' } },
      required: ['kind', 'width', 'height'],
    },
  ],
};

export const SCHEMAS: readonly SchemaExample[] = [
  { name: 'a string', schema: { type: 'string' }, values: ['', 'a"b\\c\n', 'naïve 漢字 😀', ' '] },
  { name: 'an integer', schema: { type: 'integer' }, values: [0, -1, 42, 999_999_999_999_999, -100_000] },
  { name: 'a number', schema: { type: 'number' }, values: [0, 0.5, -12.25, 100, 1_000_000, 0.000001] },
  { name: 'a boolean', schema: { type: 'boolean' }, values: [true, false] },
  { name: 'null', schema: { type: 'null' }, values: [null] },
  { name: 'several types', schema: { type: ['string', 'null', 'integer'] }, values: ['x', null, 7] },
  { name: 'any value', schema: {}, values: [null, [1, [2]], { a: { b: [true] } }, 'x', -3.5] },
  { name: 'any object', schema: { type: 'object' }, values: [{}, { a: 1 }, { a: [{ b: null }], 'é"': 'x' }] },
  { name: 'any array', schema: { type: 'array' }, values: [[], [1, 'a', null], [[[]]]] },
  {
    name: 'a person',
    schema: PERSON,
    values: [
      { name: 'Zoë', age: 33 },
      { name: 'B', age: 150, email: 'b@example.org' },
    ],
  },
  {
    name: 'optional keys only',
    schema: {
      type: 'object',
      properties: { a: { type: 'integer' }, b: { type: 'integer' }, c: { type: 'integer' } },
    },
    values: [{}, { a: 1 }, { b: 2 }, { c: 3 }, { a: 1, c: 3 }, { a: 1, b: 2, c: 3 }],
  },
  {
    name: 'optional keys around a required one',
    schema: {
      type: 'object',
      properties: { a: { type: 'integer' }, b: { type: 'integer' }, c: { type: 'integer' } },
      required: ['b'],
    },
    values: [{ b: 1 }, { a: 1, b: 2 }, { b: 2, c: 3 }, { a: 1, b: 2, c: 3 }],
  },
  {
    name: 'an enum',
    schema: { enum: ['red', 'green', 'blue "sky"', 3, null, true] },
    values: ['red', 'blue "sky"', 3, null],
  },
  { name: 'an enum of a type', schema: { type: 'string', enum: ['a', 'b', 3] }, values: ['a', 'b'] },
  {
    name: 'a constant object',
    schema: { const: { a: [1, 'é'], b: { c: null } } },
    values: [{ a: [1, 'é'], b: { c: null } }],
  },
  {
    name: 'unicode keys and values',
    schema: {
      type: 'object',
      properties: { 名前: { enum: ['東京', '😀'] }, 'clé "x"': { type: 'string' } },
      required: ['名前'],
    },
    values: [{ 名前: '東京' }, { 名前: '😀', 'clé "x"': 'ü' }],
  },
  {
    name: 'an array with bounds',
    schema: { type: 'array', items: { type: 'integer' }, minItems: 2, maxItems: 4 },
    values: [
      [1, 2],
      [1, 2, 3],
      [0, -1, 2, 3],
    ],
  },
  {
    name: 'an empty array',
    schema: { type: 'array', items: { type: 'integer' }, maxItems: 0 },
    values: [[]],
  },
  {
    name: 'a tuple',
    schema: { type: 'array', prefixItems: [{ type: 'string' }, { type: 'integer' }], items: false },
    values: [['a', 1]],
  },
  {
    name: 'a tuple of draft 07 with more behind',
    schema: {
      type: 'array',
      items: [{ type: 'string' }, { type: 'integer' }],
      additionalItems: { type: 'boolean' },
      minItems: 1,
    },
    values: [['a'], ['a', 1], ['a', 1, true, false]],
  },
  ...SCALAR_SCHEMAS,
  {
    name: 'a tree',
    schema: TREE,
    values: [{ value: 1 }, { value: 1, children: [{ value: 2, children: [] }, { value: 3 }] }],
  },
  {
    name: 'a list that ends in null',
    schema: {
      type: 'object',
      properties: { head: { type: 'integer' }, tail: { anyOf: [{ type: 'null' }, { $ref: '#' }] } },
      required: ['head', 'tail'],
    },
    values: [
      { head: 1, tail: null },
      { head: 1, tail: { head: 2, tail: null } },
    ],
  },
  {
    name: 'shapes',
    schema: SHAPES,
    values: [
      { kind: 'circle', radius: 1.5 },
      { kind: 'rectangle', width: 1, height: 2 },
    ],
  },
  {
    name: 'alternatives',
    schema: { anyOf: [{ type: 'string' }, { type: 'array', items: { type: 'number' } }] },
    values: ['a', [1, 2.5]],
  },
  {
    name: 'all of two objects',
    schema: {
      allOf: [
        { type: 'object', properties: { a: { type: 'string' } }, required: ['a'] },
        { properties: { b: { type: 'integer', minimum: 1 } }, required: ['b'] },
        { properties: { b: { maximum: 9 } } },
      ],
    },
    values: [
      { a: 'x', b: 1 },
      { a: '', b: 9 },
    ],
  },
  {
    name: 'one of two sets of keys',
    schema: {
      type: 'object',
      properties: { phone: { type: 'string' }, mail: { type: 'string' } },
      anyOf: [{ required: ['phone'] }, { required: ['mail'] }],
    },
    values: [{ phone: '1' }, { mail: 'a' }, { phone: '1', mail: 'a' }],
  },
  {
    name: 'a record',
    schema: { type: 'object', additionalProperties: { type: 'integer' } },
    values: [{}, { a: 1, b: 2 }],
  },
  {
    name: 'named keys and others',
    schema: {
      type: 'object',
      properties: { id: { type: 'integer' }, idea: { type: 'boolean' }, 'x"': { type: 'null' } },
      required: ['id'],
      additionalProperties: { type: 'string' },
    },
    values: [
      { id: 1 },
      { id: 1, i: 'a', ide: 'b', ideas: 'c', '': 'd' },
      { id: 2, idea: true, x: 'y', 'x"y': '' },
    ],
  },
  {
    name: 'a record with keys of a pattern',
    schema: {
      type: 'object',
      patternProperties: { '^x-[a-z]+$': { type: 'integer' } },
      additionalProperties: false,
    },
    values: [{}, { 'x-a': 1, 'x-bc': 2 }],
  },
  {
    name: 'a record with listed keys',
    schema: {
      type: 'object',
      propertyNames: { enum: ['a', 'b'] },
      additionalProperties: { type: 'boolean' },
      required: ['a'],
    },
    values: [{ a: true }, { a: false, b: true }],
  },
  {
    name: 'numbers of properties',
    schema: {
      type: 'object',
      properties: { a: { type: 'null' }, b: { type: 'null' }, c: { type: 'null' }, d: { type: 'null' } },
      required: ['c'],
      minProperties: 2,
      maxProperties: 3,
    },
    values: [
      { a: null, c: null },
      { c: null, d: null },
      { a: null, b: null, c: null },
    ],
  },
  {
    name: 'a record that is not empty',
    schema: { type: 'object', additionalProperties: { type: 'integer' }, minProperties: 1, maxProperties: 2 },
    values: [{ a: 1 }, { a: 1, b: 2 }],
  },
  {
    name: 'an OpenAPI nullable',
    schema: { type: 'integer', nullable: true, minimum: 1, maximum: 3 },
    values: [1, 3, null],
  },
  {
    name: 'nested lists of objects',
    schema: {
      type: 'object',
      title: 'Order',
      properties: {
        id: { type: 'string', format: 'uuid', description: 'of the order' },
        lines: {
          type: 'array',
          minItems: 1,
          maxItems: 3,
          items: {
            type: 'object',
            properties: {
              sku: { type: 'string', pattern: '^[A-Z]{2}\\d{3}$' },
              count: { type: 'integer', minimum: 1, maximum: 99 },
            },
            required: ['sku', 'count'],
            additionalProperties: false,
          },
        },
        note: { type: ['string', 'null'], default: null },
      },
      required: ['id', 'lines'],
    },
    values: [{ id: '123e4567-e89b-42d3-a456-426614174000', lines: [{ sku: 'AB123', count: 9 }], note: null }],
  },
];
