// Schemas as zod, valibot and arktype write them: taken as they are.

import { toJsonSchema } from '@valibot/to-json-schema';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { type } from 'arktype';
import * as v from 'valibot';
import { beforeAll, describe, expect, it } from 'vitest';
import * as z from 'zod';
import type { JsonSchema } from '../../../src/grammar/json-schema';
import { grammarOfFormat } from '../../../src/grammar/response-format';
import { samples } from '../../support/effort';
import { random } from '../../support/random';
import { TestCompiler } from '../../support/xgrammar';
import { FORMAT_CHECKS } from './format-checks';

let compiler: TestCompiler;
beforeAll(async () => {
  compiler = await TestCompiler.create();
});

const Node = z.object({
  value: z.int(),
  get children() {
    return z.array(Node).max(2);
  },
});

const ZOD: Readonly<Record<string, z.ZodType>> = {
  object: z.object({
    a: z.string(),
    b: z.number().optional(),
    c: z.enum(['x', 'y']),
    d: z.boolean().nullable(),
  }),
  strict: z.strictObject({ a: z.literal('k') }),
  loose: z.looseObject({ a: z.int32() }),
  catchall: z.object({ a: z.null() }).catchall(z.boolean()),
  tuple: z.tuple([z.string().max(3), z.number().positive()]),
  'tuple with more': z.tuple([z.null()], z.int().min(0).max(9)),
  record: z.record(z.string(), z.int()),
  'record of an enum': z.record(z.enum(['a', 'b']), z.boolean()),
  'partial record': z.partialRecord(z.enum(['a', 'b']), z.boolean()),
  union: z.union([z.string(), z.array(z.int()).nonempty()]),
  'discriminated union': z.discriminatedUnion('t', [
    z.object({ t: z.literal('a'), x: z.string() }),
    z.object({ t: z.literal('b') }),
  ]),
  intersection: z.intersection(z.object({ a: z.null() }), z.object({ b: z.boolean() })),
  recursive: Node,
  never: z.object({ a: z.null(), b: z.never().optional() }),
  email: z.email(),
  uuid: z.uuid(),
  uuidv4: z.uuidv4(),
  url: z.url(),
  date: z.iso.date(),
  datetime: z.iso.datetime(),
  ipv4: z.ipv4(),
  nanoid: z.nanoid(),
  base64: z.base64(),
  'starts with': z.string().startsWith('ab').max(9),
  'starts and ends': z.string().startsWith('ab').endsWith('c'),
  includes: z.string().includes('"q'),
  lowercase: z.string().lowercase().min(2).max(4),
  regex: z.string().regex(/^[A-Z]{3}-\d+$/),
};

const VALIBOT: Readonly<Record<string, v.GenericSchema>> = {
  object: v.object({ a: v.string(), b: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1))) }),
  email: v.pipe(v.string(), v.email()),
  uuid: v.pipe(v.string(), v.uuid()),
  picklist: v.picklist(['a', 'b']),
  variant: v.variant('t', [v.object({ t: v.literal('a') }), v.object({ t: v.literal('b'), n: v.null() })]),
  record: v.record(v.string(), v.boolean()),
  tuple: v.tuple([v.boolean(), v.nullable(v.number())]),
  length: v.pipe(v.string(), v.nonEmpty(), v.maxLength(5)),
  intersect: v.intersect([v.object({ a: v.null() }), v.object({ b: v.null() })]),
};

const ARKTYPE: Readonly<Record<string, { toJsonSchema(): unknown; allows(value: unknown): boolean }>> = {
  object: type({ a: 'string', 'b?': '0 < number.integer < 100' }),
  email: type('string.email'),
  uuid: type('string.uuid'),
  union: type("'a' | 'b' | null"),
  record: type('Record<string, boolean>'),
  'discriminated union': type({ t: "'a'", x: 'null' }).or({ t: "'b'", y: 'boolean' }),
  length: type('2 <= string <= 4'),
  tuple: type(['boolean', 'null']),
};

/** Every walk of the schema's grammar is what the library takes, and what a validator of JSON Schema takes. */
async function expectTaken(schema: unknown, isTaken: (value: unknown) => boolean): Promise<void> {
  const isValid = new Ajv2020({
    strict: false,
    formats: { ...FORMAT_CHECKS, nanoid: true, base64: true },
    validateFormats: true,
  }).compile(withoutOwnFormats(schema));
  const grammar = await compiler.compile(
    grammarOfFormat({ type: 'json', schema: schema as JsonSchema }).ebnf,
  );
  const next = random(9);
  let ended = 0;
  for (let walk = 0; walk < samples(30); walk++) {
    const text = await grammar.walk(next, EXAMPLES, { soft: 25, most: 800 });
    if (text === undefined) continue;
    ended++;
    const value: unknown = JSON.parse(text);
    expect(isTaken(value), `the library: ${text}`).toBe(true);
    expect(isValid(value), `the validator: ${text}`).toBe(true);
  }
  expect(ended).toBeGreaterThan(0);
}

/** Ends that walks try where few texts are right. */
const EXAMPLES = ['"q"', 'c"', 'Z"', '@ab.co"', '.ab.co"', '="', '==" '];

/** Formats that are only a library's own names, which validators do not know. */
function withoutOwnFormats(schema: unknown): object {
  const text = JSON.stringify(schema).replace(
    /"format":"(?:starts_with|ends_with|includes|lowercase|nanoid|base64|regex)",?/g,
    '',
  );
  return JSON.parse(text.replace(/,\}/g, '}')) as object;
}

describe('zod', () => {
  it.each(Object.entries(ZOD))('%s', async (_, schema) => {
    await expectTaken(z.toJSONSchema(schema, { io: 'input' }), (value) => schema.safeParse(value).success);
  });
});

describe('valibot', () => {
  it.each(Object.entries(VALIBOT))('%s', async (_, schema) => {
    await expectTaken(toJsonSchema(schema), (value) => v.is(schema, value));
  });
});

describe('arktype', () => {
  it.each(Object.entries(ARKTYPE))('%s', async (_, schema) => {
    await expectTaken(schema.toJsonSchema(), (value) => schema.allows(value));
  });
});
