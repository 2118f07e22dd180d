// JSON schemas of numbers and strings, each with values that an answer must be able to be.

import type { JsonSchema } from '../../src/grammar/json-schema';

/** A schema and some of its values. */
export interface SchemaExample {
  name: string;
  schema: JsonSchema;
  /** Values of the schema that are written with their members in the schema's order. */
  values: readonly unknown[];
}

export const SCALAR_SCHEMAS: readonly SchemaExample[] = [
  {
    name: 'an integer range',
    schema: { type: 'integer', minimum: -105, maximum: 2024 },
    values: [-105, -99, -1, 0, 9, 10, 2024, 1999],
  },
  {
    name: 'an exclusive range',
    schema: { type: 'integer', exclusiveMinimum: 0, exclusiveMaximum: 10 },
    values: [1, 5, 9],
  },
  {
    name: 'a range of numbers',
    schema: { type: 'number', minimum: 1.5, maximum: 2 },
    values: [1.5, 1.75, 2, 1.999999],
  },
  {
    name: 'numbers around zero',
    schema: { type: 'number', minimum: -0.25, maximum: 0.125 },
    values: [-0.25, 0, 0.125, 0.1, -0.2],
  },
  {
    name: 'a probability',
    schema: { type: 'number', minimum: 0, maximum: 1 },
    values: [0, 1, 0.5, 0.999999],
  },
  {
    name: 'a positive number',
    schema: { type: 'number', exclusiveMinimum: 0 },
    values: [0.000001, 1, 12.5, 123_456],
  },
  {
    name: 'multiples',
    schema: { type: 'integer', multipleOf: 15, minimum: -20, maximum: 100 },
    values: [-15, 0, 15, 90],
  },
  {
    name: 'a short string',
    schema: { type: 'string', minLength: 2, maxLength: 5 },
    values: ['ab', 'a\n"\\x', '漢字😀é', '😀😀'],
  },
  {
    name: 'a string that is not empty',
    schema: { type: 'string', minLength: 1 },
    values: ['a', '"', 'longer than that is'],
  },
  { name: 'a pattern', schema: { type: 'string', pattern: '^[a-z]"\\d+$' }, values: ['a"1', 'z"007'] },
  {
    name: 'a pattern anywhere',
    schema: { type: 'string', pattern: 'a[bé]' },
    values: ['ab', 'xx aé\n"', 'aab'],
  },
  {
    name: 'a pattern of one end',
    schema: { type: 'string', pattern: '^ID-|\\.(png|jpe?g)$' },
    values: ['ID-', 'ID-7 "x"', 'a.png', '.jpg', 'ID-a.jpeg'],
  },
  {
    name: 'a pattern with bounds',
    schema: { type: 'string', pattern: '^[a-z_]+$', maxLength: 8, minLength: 2 },
    values: ['ab', 'abcdefgh'],
  },
  {
    name: 'a date',
    schema: { type: 'string', format: 'date' },
    values: ['2024-01-31', '1999-02-28', '2026-11-30'],
  },
  {
    name: 'a moment',
    schema: { type: 'string', format: 'date-time' },
    values: ['2024-01-31T23:59:59Z', '2024-01-31T00:00:00.123Z'],
  },
  { name: 'a time', schema: { type: 'string', format: 'time' }, values: ['12:34:56Z'] },
  {
    name: 'a uuid',
    schema: { type: 'string', format: 'uuid' },
    values: ['123e4567-e89b-42d3-a456-426614174000'],
  },
  {
    name: 'an address of the network',
    schema: { type: 'string', format: 'ipv4' },
    values: ['127.0.0.1', '255.255.255.0'],
  },
  {
    name: 'an address of mail',
    schema: { type: 'string', format: 'email' },
    values: ['jo.doe@mail.example.org'],
  },
  {
    name: 'a link',
    schema: { type: 'string', format: 'uri' },
    values: ['https://example.org/a/b?c=d#e', 'http://a.b.co'],
  },
];
