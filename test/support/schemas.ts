// JSON Schemas of many kinds, each with texts of values that it allows and of some that it does not, for tests of what is derived from them.

/** A schema with its name. */
export interface SchemaSample {
  name: string;
  schema: boolean | Record<string, unknown>;
  /** Texts of values that it allows, on one line as `", "` and `": "` have them: each has to be derivable. */
  valid: readonly string[];
  /** Texts that must not be derivable. */
  invalid: readonly string[];
  /** Written for draft-07, which validators of later drafts do not take. */
  isDraft07?: true;
  /** Whether every answer ends soon: no string, list or nesting in it can go on for ever. */
  isBounded: boolean;
}

const integer = (minimum: number, maximum: number): object => ({ type: 'integer', minimum, maximum });
const string = (maxLength: number): object => ({ type: 'string', maxLength });

function object(properties: Record<string, unknown>, required = Object.keys(properties)): object {
  return { type: 'object', properties, required, additionalProperties: false };
}

function sample(
  name: string,
  schema: object | boolean,
  valid: readonly string[],
  invalid: readonly string[],
  more: Partial<SchemaSample> = {},
): SchemaSample {
  return { name, schema: schema as SchemaSample['schema'], valid, invalid, isBounded: true, ...more };
}

const ENDLESS = { isBounded: false };
const DRAFT_07 = { isDraft07: true } as const;

const OBJECTS: readonly SchemaSample[] = [
  sample(
    'flat object',
    object({ name: string(20), age: integer(0, 150) }),
    ['{"name": "", "age": 0}', '{"name": "Ada \\"L\\" 日本", "age": 150}'],
    [
      '{}',
      '{"name": "Ada"}',
      '{"age": 1, "name": "Ada"}',
      '{"name": "Ada", "age": 151}',
      '{"name": "Ada","age": 1}',
    ],
  ),
  sample(
    'nested objects',
    object({
      at: object({ from: object({ x: integer(-9, 9) }), label: { enum: ['a', 'b'] } }),
      ok: { type: 'boolean' },
    }),
    ['{"at": {"from": {"x": -9}, "label": "b"}, "ok": true}'],
    [
      '{"at": {"from": {"x": -10}, "label": "b"}, "ok": true}',
      '{"at": {"from": {"x": 1}, "label": "c"}, "ok": true}',
    ],
  ),
  sample(
    'optional members',
    object({ a: integer(0, 9), b: integer(0, 9), c: integer(0, 9) }, ['b']),
    ['{"b": 1}', '{"a": 1, "b": 2}', '{"b": 1, "c": 2}', '{"a": 1, "b": 2, "c": 3}'],
    ['{}', '{"a": 1}', '{"b": 1, "a": 2}', '{"b": 1, "b": 1}', '{"b": 1, }'],
  ),
  sample(
    'optional members only',
    object({ a: { type: 'null' }, b: { type: 'boolean' } }, []),
    ['{}', '{"a": null}', '{"b": false}', '{"a": null, "b": true}'],
    ['{, "b": true}', '{"c": null}', '{ }'],
  ),
  sample(
    'a number of members',
    {
      ...object({ a: integer(0, 1), b: integer(0, 1), c: integer(0, 1) }, []),
      minProperties: 1,
      maxProperties: 2,
    },
    ['{"a": 1}', '{"c": 0}', '{"a": 1, "c": 0}', '{"b": 1, "c": 0}'],
    ['{}', '{"a": 1, "b": 1, "c": 1}'],
  ),
  sample('no members', object({}), ['{}'], ['{"a": 1}', '[]']),
  sample(
    'unicode names and values',
    object({ 名前: { enum: ['日本', 'é"\\', '𝄞'] }, größe: integer(1, 3) }),
    ['{"名前": "日本", "größe": 3}', '{"名前": "é\\"\\\\", "größe": 1}', '{"名前": "𝄞", "größe": 2}'],
    ['{"名前": "日", "größe": 3}', '{"grösse": 1}'],
  ),
  sample(
    'names that need escapes, or that objects have anyway',
    object({ 'a"b': integer(0, 1), 'c\\d': integer(0, 1), 'e\nf': integer(0, 1), toString: integer(0, 1) }, [
      'a"b',
      'toString',
    ]),
    ['{"a\\"b": 1, "toString": 0}', '{"a\\"b": 0, "c\\\\d": 1, "e\\nf": 0, "toString": 1}'],
    ['{"a"b": 1, "toString": 0}', '{"a\\"b": 1}'],
  ),
  sample(
    'a record',
    { type: 'object', additionalProperties: integer(0, 9), maxProperties: 2 },
    ['{}', '{"any thing": 9}', '{"": 1, "é": 2}'],
    ['{"a": 10}', '{"a": "1"}', '{"a": 1, "b": 2, "c": 3}'],
    ENDLESS,
  ),
  sample(
    'other members behind named ones',
    {
      type: 'object',
      properties: { name: string(5), named: { type: 'null' } },
      required: ['name'],
      additionalProperties: integer(0, 9),
      maxProperties: 4,
    },
    ['{"name": "x"}', '{"name": "x", "named": null, "nam": 1}', '{"name": "x", "names": 2, "N": 1}'],
    ['{"name": "x", "named": 1}', '{"name": "x", "other": null}', '{"name": "x", "name": 1}', '{"other": 1}'],
    ENDLESS,
  ),
  sample(
    'a required member that additionalProperties describes',
    {
      type: 'object',
      properties: { a: integer(0, 9) },
      required: ['b'],
      additionalProperties: { type: 'boolean' },
      maxProperties: 3,
    },
    ['{"b": true}', '{"a": 1, "b": false}', '{"b": true, "c": false}'],
    ['{"a": 1}', '{"b": 1}', '{"b": "x"}'],
    ENDLESS,
  ),
  sample(
    'any object',
    { type: 'object' },
    ['{}', '{"a": [1, {"b": null}], "c": "x"}'],
    ['[]', '{"a":1}', '{a: 1}'],
    ENDLESS,
  ),
];

const ARRAYS: readonly SchemaSample[] = [
  sample(
    'an array with bounds',
    { type: 'array', items: integer(0, 99), minItems: 2, maxItems: 4 },
    ['[0, 99]', '[1, 2, 3]', '[1, 2, 3, 4]'],
    ['[]', '[1]', '[1, 2, 3, 4, 5]', '[1, 100]', '[1,2]'],
  ),
  sample(
    'an array of objects',
    {
      type: 'array',
      items: object({ id: integer(1, 9), tags: { type: 'array', items: { enum: ['x', 'y'] }, maxItems: 2 } }),
      maxItems: 3,
    },
    ['[]', '[{"id": 1, "tags": []}]', '[{"id": 1, "tags": ["x", "y"]}, {"id": 2, "tags": ["y"]}]'],
    ['[{"id": 1}]', '[{"id": 1, "tags": ["x", "y", "x"]}]'],
  ),
  sample(
    'arrays of arrays',
    {
      type: 'array',
      maxItems: 2,
      items: {
        type: 'array',
        minItems: 1,
        maxItems: 3,
        items: { type: 'array', maxItems: 1, items: { type: 'boolean' } },
      },
    },
    ['[]', '[[[]]]', '[[[true], []], [[false]]]'],
    ['[[]]', '[[[true, true]]]'],
  ),
  sample(
    'a tuple',
    {
      type: 'array',
      prefixItems: [string(4), integer(0, 9), { type: 'boolean' }],
      items: false,
      minItems: 2,
    },
    ['["a", 1]', '["", 9, true]'],
    ['["a"]', '[1, "a"]', '["a", 1, true, 1]'],
  ),
  sample(
    'a tuple with more behind',
    { type: 'array', prefixItems: [{ const: 'sum' }], items: integer(0, 9), minItems: 1, maxItems: 4 },
    ['["sum"]', '["sum", 1, 2, 3]'],
    ['[]', '["sum", 1, 2, 3, 4]', '[1]'],
  ),
  sample(
    'a tuple of draft-07',
    {
      type: 'array',
      items: [integer(0, 9), string(3)],
      additionalItems: { type: 'null' },
      minItems: 2,
      maxItems: 4,
    },
    ['[1, "a"]', '[1, "a", null, null]'],
    ['[1]', '[1, "a", 1]'],
    DRAFT_07,
  ),
];

const NUMBERS: readonly SchemaSample[] = [
  sample(
    'decimals',
    { type: 'number', minimum: 1.5, maximum: 2.75 },
    ['1.5', '1.50', '2', '2.0', '2.75', '2.749999'],
    ['1', '1.4', '3', '2.76', '2.750001', '1x5'],
  ),
  sample(
    'negative decimals, bounds excluded',
    { type: 'number', exclusiveMinimum: -3.25, exclusiveMaximum: -0.5 },
    ['-3.249999', '-3', '-1.0', '-0.500001'],
    ['-3.25', '-0.5', '-0.50', '0', '-4', '1'],
  ),
  sample(
    'decimals around zero',
    { type: 'number', minimum: -0.05, maximum: 0.3 },
    ['0', '0.0', '0.3', '-0.05', '0.299999', '-0.01'],
    ['-0', '-0.0', '-0.06', '0.31', '00', '.1', '1e-1'],
  ),
  sample(
    'integers, bounds excluded',
    { type: 'integer', exclusiveMinimum: -17, exclusiveMaximum: 123 },
    ['-16', '-9', '0', '7', '99', '122'],
    ['-17', '123', '-0', '007', '1.0', '1e1'],
  ),
  sample(
    'integers of many digits',
    { type: 'integer', minimum: 987, maximum: 1_234_567 },
    ['987', '999', '1000', '99999', '1234567'],
    ['986', '1234568', '9999999', '0987'],
  ),
  sample(
    'positive numbers',
    { type: 'number', exclusiveMinimum: 0 },
    ['0.000001', '1', '999999999.999999', '123456789012345'],
    ['0', '0.0', '-1', '0.0000001'],
  ),
  sample(
    'multiples',
    { type: 'integer', multipleOf: 5, minimum: -10, maximum: 100 },
    ['-10', '-5', '0', '95', '100'],
    ['-15', '3', '105', '-0'],
  ),
];

const STRINGS: readonly SchemaSample[] = [
  sample(
    'a string with bounds',
    { type: 'string', minLength: 3, maxLength: 5 },
    ['"abc"', '"日本語"', '"𝄞𝄞𝄞𝄞𝄞"', '"\\"\\\\\\n"'],
    ['"ab"', '"abcdef"', '"\\u0041bc"', '"a\nb"'],
  ),
  sample('any string', { type: 'string' }, ['""', '"a b"', '"é𝄞\\t"'], ['a', '"a', '"\t"', '"\\x"'], ENDLESS),
  sample(
    'a pattern',
    { type: 'string', pattern: '^[A-Z]{2}-\\d{3}$' },
    ['"AB-123"'],
    ['"AB-12"', '"xAB-123"', '"AB-1234"', '"ab-123"'],
  ),
  sample(
    'a pattern somewhere',
    { type: 'string', pattern: 'a"|\\\\' },
    ['"a\\""', '"xx\\\\yy"', '"a\\"b"'],
    ['"a"', '"\\"a"', '"ab"'],
    ENDLESS,
  ),
  sample(
    'a date',
    { type: 'string', format: 'date' },
    ['"2024-12-31"', '"1999-02-28"'],
    ['"2024-13-01"', '"2023-02-29"', '"2024-04-31"', '"24-1-1"'],
  ),
  sample(
    'a time stamp',
    { type: 'string', format: 'date-time' },
    ['"2024-12-31T23:59:59Z"', '"2024-01-01T00:00:00.123+02:00"'],
    ['"2024-12-31"', '"2024-12-31T24:00:00Z"', '"2024-12-31 23:59:59Z"'],
  ),
  sample(
    'a UUID',
    { type: 'string', format: 'uuid' },
    ['"123e4567-e89b-42d3-a456-426614174000"'],
    ['"123e4567e89b42d3a456426614174000"', '"123e4567-e89b-42d3-a456-42661417400g"'],
  ),
  sample(
    'an IPv4 address',
    { type: 'string', format: 'ipv4' },
    ['"0.0.0.0"', '"255.249.199.99"'],
    ['"256.0.0.0"', '"1.2.3"', '"01.2.3.4"'],
  ),
  sample(
    'an e-mail address',
    { type: 'string', format: 'email' },
    ['"ada@example.org"', '"a.b-c@mail.example.org"'],
    ['"ada"', '"ada@"', '"@example.org"', '"a..b@example.org"'],
  ),
];

const CHOICES: readonly SchemaSample[] = [
  sample(
    'texts listed',
    { enum: ['red', 'green', 'gr'] },
    ['"red"', '"green"', '"gr"'],
    ['"blue"', '"gree"', 'red'],
  ),
  sample(
    'values listed',
    { enum: ['a', 1, 1.5, -2e21, null, true, { b: [true, {}] }, []] },
    ['"a"', '1', '1.5', '-2e+21', 'null', 'true', '{"b": [true, {}]}', '[]'],
    ['2', 'false', '{"b": [true]}'],
  ),
  sample(
    'many values listed',
    { type: 'string', enum: Array.from({ length: 300 }, (_, i) => `value ${i}`) },
    ['"value 0"', '"value 299"'],
    ['"value 300"', '"value"'],
  ),
  sample(
    'a constant',
    { const: { a: [1, 'é'], b: null } },
    ['{"a": [1, "é"], "b": null}'],
    ['{"a": [1, "é"]}'],
  ),
  sample(
    'several types',
    { type: ['string', 'null', 'boolean'], maxLength: 5 },
    ['"abcde"', 'null', 'true', 'false'],
    ['"abcdef"', '1', '[]'],
  ),
  sample(
    'nullable',
    object({
      a: { type: 'integer', minimum: 0, maximum: 9, nullable: true },
      b: { type: 'string', nullable: true, enum: ['x', null] },
    }),
    ['{"a": null, "b": null}', '{"a": 1, "b": "x"}'],
    ['{"a": "x", "b": "x"}'],
  ),
  sample(
    'anyOf',
    { anyOf: [integer(0, 9), string(3), { type: 'array', items: integer(0, 9), maxItems: 2 }] },
    ['1', '"abc"', '[]', '[1, 2]'],
    ['10', '"abcd"', '[1, 2, 3]', 'null'],
  ),
  sample(
    'anyOf beside members',
    {
      type: 'object',
      properties: { a: integer(0, 9), b: integer(0, 9) },
      additionalProperties: false,
      anyOf: [{ required: ['a'] }, { required: ['b'] }],
    },
    ['{"a": 1}', '{"b": 1}', '{"a": 1, "b": 2}'],
    ['{}'],
  ),
  sample(
    'oneOf with a discriminator',
    {
      oneOf: [
        object({ kind: { const: 'circle' }, r: integer(1, 99) }),
        object({ kind: { const: 'box' }, w: integer(1, 99), h: integer(1, 99) }),
      ],
    },
    ['{"kind": "circle", "r": 5}', '{"kind": "box", "w": 1, "h": 2}'],
    ['{"kind": "circle", "w": 1, "h": 2}', '{"kind": "line"}'],
  ),
  sample(
    'allOf',
    {
      allOf: [
        { type: 'object', properties: { a: integer(0, 50) }, required: ['a'] },
        {
          type: 'object',
          properties: { a: { type: 'integer', minimum: 10 }, constructor: { type: 'boolean' } },
          required: ['constructor'],
        },
      ],
    },
    ['{"a": 10, "constructor": true}', '{"a": 50, "constructor": false}'],
    ['{"a": 9, "constructor": true}', '{"a": 51, "constructor": true}', '{"a": 10}'],
  ),
  sample('true', true, ['1', '"a"', '[1, {"a": {}}]', 'null'], ['x', '[1,2]', ''], ENDLESS),
];

const REFERENCES: readonly SchemaSample[] = [
  sample(
    'a definition used twice',
    {
      $defs: { point: object({ x: integer(-99, 99), y: integer(-99, 99) }) },
      ...object({ from: { $ref: '#/$defs/point' }, to: { $ref: '#/$defs/point', description: 'the end' } }),
    },
    ['{"from": {"x": 0, "y": -99}, "to": {"x": 99, "y": 1}}'],
    ['{"from": {"x": 0}, "to": {"x": 99, "y": 1}}'],
  ),
  sample(
    'a linked list',
    {
      $defs: {
        node: object({ v: integer(0, 9), next: { anyOf: [{ type: 'null' }, { $ref: '#/$defs/node' }] } }),
      },
      $ref: '#/$defs/node',
    },
    ['{"v": 1, "next": null}', '{"v": 1, "next": {"v": 2, "next": {"v": 3, "next": null}}}'],
    ['{"v": 1}', '{"v": 1, "next": {}}'],
    ENDLESS,
  ),
  sample(
    'a tree',
    object({ name: string(3), children: { type: 'array', items: { $ref: '#' }, maxItems: 2 } }),
    [
      '{"name": "a", "children": []}',
      '{"name": "a", "children": [{"name": "b", "children": []}, {"name": "c", "children": []}]}',
    ],
    ['{"name": "a", "children": [1]}'],
    ENDLESS,
  ),
  sample(
    'draft-07 with definitions',
    {
      $schema: 'http://json-schema.org/draft-07/schema#',
      definitions: { 'a/b~c': integer(1, 3) },
      ...object({ n: { $ref: '#/definitions/a~1b~0c' } }),
    },
    ['{"n": 1}', '{"n": 3}'],
    ['{"n": 4}'],
    DRAFT_07,
  ),
];

/** All of them. */
export const SCHEMAS: readonly SchemaSample[] = [
  ...OBJECTS,
  ...ARRAYS,
  ...NUMBERS,
  ...STRINGS,
  ...CHOICES,
  ...REFERENCES,
];
