// What answers are to be held to, as it comes through the boundary, and what becomes of their values.
import { toStandardJsonSchema } from '@valibot/to-json-schema';
import { type } from 'arktype';
import * as v from 'valibot';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { z as mini } from 'zod/mini';
import { anyProcessor } from '../../../src/boundary/answer-shapes';
import { CheckedSession } from '../../../src/boundary/checked-engine';
import { optional, text } from '../../../src/boundary/read';
import type {
  Answer,
  CoreSession,
  GenerateOptions,
  PlainGenerateOptions,
  StandardSchema,
} from '../../../src/engine/types';
import { collect } from '../../support/collect';
import { expectFailure } from '../../support/expect-failure';
import { checkedRecorder, LIMITS, Through } from '../../support/recording-engine';

const session = checkedRecorder().createSession();

/** The options that come through a call. */
async function optionsOf(call: Promise<unknown>): Promise<unknown> {
  const error: unknown = await call.catch((reason: unknown) => reason);
  if (error instanceof Through) return error.given[1];
  throw error;
}

const generated = (options: GenerateOptions): Promise<unknown> =>
  optionsOf(collect(session.generate('x', options)));
const refused = (options: unknown, what: RegExp): Promise<void> =>
  expectFailure(collect(session.generate('x', options as GenerateOptions)), 'invalid-argument', what);

/** JSON Schema as a library has made it, without the mark of the draft. */
async function schemaOf(schema: StandardSchema): Promise<unknown> {
  const options = (await generated({ responseFormat: { type: 'json', schema } })) as PlainGenerateOptions;
  const { responseFormat } = structuredClone(options);
  const { $schema, ...rest } = (responseFormat as { schema: Record<string, unknown> }).schema;
  expect($schema).toBe('https://json-schema.org/draft/2020-12/schema');
  return rest;
}

describe('formats and tools come through', () => {
  const schema = { type: 'object', properties: { a: { enum: [1, null] } }, required: ['a'] };
  const given: [string, GenerateOptions][] = [
    ['any object', { responseFormat: { type: 'json' } }],
    ['a JSON Schema', { responseFormat: { type: 'json', schema } }],
    ['a schema of everything', { responseFormat: { type: 'json', schema: true } }],
    ['a pattern', { responseFormat: { type: 'regex', pattern: '\\d+' } }],
    ['an empty pattern', { responseFormat: { type: 'regex', pattern: '' } }],
    ['a grammar', { responseFormat: { type: 'grammar', ebnf: 'root ::= "a"' } }],
    ['a choice', { responseFormat: { type: 'choice', options: ['a', 'ab'] } }],
    [
      'tools',
      { tools: { 'a.b-c_1': { description: 'x', schema }, f: { schema: {} } }, toolChoice: 'required' },
    ],
    ['one tool', { tools: { f: { schema: true } }, toolChoice: { name: 'f' }, parallelToolCalls: false }],
    [
      'a shape beside tools that are not called',
      { responseFormat: { type: 'json' }, tools: { f: { schema } }, toolChoice: 'none' },
    ],
    ['tokens', { allowedTokens: [5, 0, 5], bannedTokens: [1535] }],
    ['the tokens of a beginning', { beginsWith: [5, 0, 1535] }],
    ['the address of a module', { logitsProcessor: { url: 'https://example.com/a.js' } }],
  ];
  test.each(given)('%s', async (_name, options) => {
    const through = await generated(options);
    expect(through).toStrictEqual(options);
    expect(structuredClone(through)).toStrictEqual(options);
  });

  test('as copies, in which later changes of the caller do not show', async () => {
    const changing = { type: 'object', properties: { a: {} } };
    const stream = session.generate('x', { responseFormat: { type: 'json', schema: changing } });
    changing.type = 'array';
    expect(await optionsOf(collect(stream))).toMatchObject({
      responseFormat: { schema: { type: 'object' } },
    });
  });

  test('the type of a format is looked at once', async () => {
    let reads = 0;
    const responseFormat = {
      get type() {
        return reads++ === 0 ? 'regex' : 'json';
      },
      pattern: 'a',
    };
    const through = await generated({ responseFormat });
    expect(through).toStrictEqual({ responseFormat: { type: 'regex', pattern: 'a' } });
  });

  test('typed ids, as a list', async () => {
    const allowedTokens = Uint32Array.of(7, 8) as unknown as number[];
    expect(await generated({ allowedTokens })).toStrictEqual({ allowedTokens: [7, 8] });
  });
});

describe('what does not fit together is refused', () => {
  const tools = { f: { schema: true } };
  const wrong: [string, object, RegExp][] = [
    ['a format and tools', { tools, responseFormat: { type: 'json' } }, /beside tools.*toolChoice to 'none'/],
    ['a choice of no tool', { toolChoice: 'required' }, /there are no tools/],
    ['a choice of a tool that is not there', { tools, toolChoice: { name: 'g' } }, /not among the names/],
    ['a choice of what every object has', { tools, toolChoice: { name: 'toString' } }, /not among the names/],
    ['tools in two places', { tools, templateOptions: { tools: [] } }, /templateOptions\.tools/],
    ['a name with spaces', { tools: { 'a b': { schema: true } } }, /64 letters/],
    ['a name of 65 letters', { tools: { ['a'.repeat(65)]: { schema: true } } }, /64 letters/],
    [
      '129 tools',
      { tools: Object.fromEntries(Array.from({ length: 129 }, (_, i) => [`f${i}`, { schema: true }])) },
      /at most 128/,
    ],
    ['no token', { allowedTokens: [] }, /no token could be sampled/],
    ['a token that is not there', { bannedTokens: [LIMITS.vocabularySize] }, /1536 tokens/],
    [
      'more tokens than there are',
      { allowedTokens: Array(LIMITS.vocabularySize + 1).fill(1) },
      /at most 1536/,
    ],
    ['a beginning of a token that is not there', { beginsWith: [LIMITS.vocabularySize] }, /1536 tokens/],
    [
      'a beginning beside a shape',
      { beginsWith: [1], responseFormat: { type: 'json' } },
      /beginsWith cannot/,
    ],
    ['a beginning beside tools', { beginsWith: [1], tools: { f: { schema: true } } }, /beginsWith cannot/],
    ['an unknown format', { responseFormat: { type: 'xml' } }, /'json' or 'regex' or 'grammar' or 'choice'/],
    ['a choice without options', { responseFormat: { type: 'choice', options: [] } }, /is empty/],
    [
      'a long pattern',
      { responseFormat: { type: 'regex', pattern: 'a'.repeat(2 ** 14 + 1) } },
      /16385 characters/,
    ],
    [
      'a large grammar',
      { responseFormat: { type: 'grammar', ebnf: 'a'.repeat(2 ** 18 + 1) } },
      /262145 characters/,
    ],
    ['a function for a worker', { logitsProcessor: () => {} }, /cannot be sent to the worker.*url/],
    ['a relative address without a page', { logitsProcessor: { url: './a.js' } }, /no absolute URL/],
  ];
  test.each(wrong)('%s', (_name, options, what) => refused(options, what));

  test('a schema that is nested too deep, or in itself', async () => {
    const deep: Record<string, unknown> = {};
    for (let at = deep, depth = 0; depth < 200; depth++) at = at['items'] = {};
    await refused({ responseFormat: { type: 'json', schema: deep } }, /more than 100 deep/);
    const cyclic: Record<string, unknown> = {};
    cyclic['items'] = cyclic;
    await refused({ tools: { f: { schema: cyclic } } }, /stands in itself/);
  });
});

describe('schemas of libraries become JSON Schemas of what they take', () => {
  const city = { type: 'string' };

  test('zod', async () => {
    const schema = z.object({
      city: z.string(),
      days: z.number().int().min(1).max(9).default(3),
      at: z.string().transform(Number),
    });
    expect(await schemaOf(schema)).toEqual({
      type: 'object',
      properties: {
        city,
        days: { type: 'integer', minimum: 1, maximum: 9, default: 3 },
        at: { type: 'string' },
      },
      required: ['city', 'at'],
    });
  });

  test('arktype, whose schemas are functions', async () => {
    expect(await schemaOf(type({ city: 'string', 'days?': '1 <= number.integer <= 9' }))).toEqual({
      type: 'object',
      properties: { city, days: { type: 'integer', minimum: 1, maximum: 9 } },
      required: ['city'],
    });
  });

  test('valibot, as it is and with the converter of its own package', async () => {
    const schema = v.object({
      city: v.string(),
      days: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1)), 3),
    });
    const expected = {
      type: 'object',
      properties: { city, days: { type: 'integer', minimum: 1, default: 3 } },
      required: ['city'],
    };
    expect(await schemaOf(schema)).toEqual(expected);
    expect(await schemaOf(toStandardJsonSchema(schema))).toEqual(expected);
  });

  test('valibot, in tools and for a whole answer too', async () => {
    const schema = v.object({ city: v.string() });
    const through = (await optionsOf(
      session.complete('x', { tools: { f: { schema } } }),
    )) as PlainGenerateOptions;
    expect(through.tools?.['f']?.schema).toMatchObject({ properties: { city } });
  });

  test('what no JSON Schema can say is refused in the words of the library', async () => {
    await refused(
      { responseFormat: { type: 'json', schema: z.object({ at: z.date() }) } },
      /responseFormat\.schema.*Date/,
    );
    await refused({ tools: { f: { schema: v.object({ at: v.date() }) } } }, /tools\.f\.schema.*"date"/);
  });

  test('a library that does not say how is named', async () => {
    const validate = (value: unknown): { value: unknown } => ({ value });
    const standard = (rest: object): object => ({
      '~standard': { version: 1, vendor: 'other', validate, ...rest },
    });
    await refused({ responseFormat: { type: 'json', schema: standard({}) } }, /\(other\).*zod 4\.2/);
    await refused({ responseFormat: { type: 'json', schema: mini.object({}) } }, /\(zod\).*zod\/mini/);
    await refused(
      { responseFormat: { type: 'json', schema: standard({ version: 2 }) } },
      /no schema of Standard Schema 1/,
    );
    const endless: Record<string, unknown> = {};
    endless['items'] = endless;
    const converter = standard({ jsonSchema: { input: () => endless } });
    await refused({ responseFormat: { type: 'json', schema: converter } }, /stands in itself/);
  });
});

describe('the value of a whole answer', () => {
  /** What `complete` makes of an answer that ends so. */
  async function complete(answer: Partial<Answer>, options: GenerateOptions): Promise<Answer> {
    const whole = { text: '', tokenIds: [1], finishReason: 'stop', usage: { stopReason: 1 }, ...answer };
    const inner = { complete: async () => whole } as unknown as CoreSession;
    const readers = { chatTemplate: optional(text()), logitsProcessor: anyProcessor };
    return new CheckedSession(inner, LIMITS, readers).complete('x', options);
  }
  const json = (schema?: StandardSchema | boolean): GenerateOptions => ({
    responseFormat: { type: 'json', ...(schema !== undefined && { schema }) },
  });

  test('is parsed, and is what the schema makes of it', async () => {
    expect((await complete({ text: '{"a": [1]}' }, json())).parsed).toEqual({ a: [1] });
    expect((await complete({ text: 'null' }, json(true))).parsed).toBeNull();
    const schema = z.object({ n: z.string().transform(Number), m: z.number().default(7) });
    expect((await complete({ text: '{"n": "5"}' }, json(schema))).parsed).toEqual({ n: 5, m: 7 });
    expect((await complete({ text: '{"n": "5"}' }, json(v.object({ n: v.string() })))).parsed).toEqual({
      n: '5',
    });
    const later = z.object({ n: z.string().refine(async (n) => n !== '') });
    expect((await complete({ text: '{"n": "5"}' }, json(later))).parsed).toEqual({ n: '5' });
  });

  test('is not there where the answer was cut, or has another shape', async () => {
    const cut: Partial<Answer>[] = [
      { text: '{"a": 1', finishReason: 'length' },
      { text: '{"a": 1', finishReason: 'abort' },
      { text: '{"a": ', usage: { stopReason: ',' } as Answer['usage'] },
    ];
    for (const answer of cut) expect(await complete(answer, json())).not.toHaveProperty('parsed');
    const regex: GenerateOptions = { responseFormat: { type: 'regex', pattern: '1' } };
    expect(await complete({ text: '1' }, regex)).not.toHaveProperty('parsed');
    expect(await complete({ text: '1' }, {})).not.toHaveProperty('parsed');
  });

  test('that the schema refuses fails with its issues', async () => {
    const schema = z.object({
      items: z.array(z.object({ n: z.number().refine((n) => n % 7 === 0, 'no multiple of 7') })),
    });
    const answer = complete({ text: '{"items": [{"n": 7}, {"n": 8}]}' }, json(schema));
    await expectFailure(answer, 'answer-refused', /at items\.1\.n: no multiple of 7\.$/);
    await expect(answer).rejects.toMatchObject({ cause: [{ path: ['items', 1, 'n'] }] });
  });
});
