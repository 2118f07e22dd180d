// Arguments of calls as Python writes them, for models that call tools so.

import { beforeAll, describe, expect, it } from 'vitest';
import { literal, RuleBook } from '../../../src/grammar/ebnf';
import { argumentsRule, schemaRule, type JsonSchema } from '../../../src/grammar/json-schema';
import { toolCallStream } from '../../../src/tokenizer/tool-calls';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { samples } from '../../support/effort';
import { random } from '../../support/random';
import { SCHEMAS } from '../../support/schemas';
import { TestCompiler, type TestGrammar } from '../../support/xgrammar';

let compiler: TestCompiler;
beforeAll(async () => {
  compiler = await TestCompiler.create();
});

/** What stands in the brackets of a call. */
async function argumentsOf(schema: JsonSchema): Promise<TestGrammar> {
  const book = new RuleBook();
  const root = book.reserve('root');
  book.define(root, `${literal('(')} ${argumentsRule(book, schema, 'python')} ${literal(')')}`);
  return compiler.compile(book.toString());
}

describe('arguments', () => {
  it('have names, and may be left out where they are not required', async () => {
    const grammar = await argumentsOf({
      type: 'object',
      properties: { city: { type: 'string' }, days: { type: 'integer' }, deep: { type: 'array', items: {} } },
      required: ['city'],
    });
    const right = [
      `(city='Rome')`,
      `(city='L\\'Aquila "x"\\n', days=3)`,
      `(city='', deep=[None, True, {'a': 1.5}])`,
    ];
    for (const text of right) expect(grammar.accepts(text), text).toBe(true);
    const wrong = [
      '()',
      '(days=3)',
      '(city="Rome")',
      `(days=3, city='x')`,
      `(city='x', other=1)`,
      `(city='x', deep=[null])`,
    ];
    for (const text of wrong) expect(grammar.accepts(text), text).toBe(false);
  });

  it('are none for a tool without parameters', async () => {
    const grammar = await argumentsOf({ type: 'object', properties: {} });
    expect(grammar.accepts('()')).toBe(true);
  });

  it('are refused where a name is none of Python, or a schema is of no object', () => {
    const book = new RuleBook();
    const bad = { type: 'object', properties: { 'no-name': {} } };
    for (const schema of [bad, { type: 'string' }, { anyOf: [{ type: 'object' }] }]) {
      expect(() => argumentsRule(book, schema, 'python')).toThrow(
        expect.objectContaining({ code: 'unsupported-feature' }),
      );
    }
  });
});

describe('values in Python', () => {
  it.each(SCHEMAS)('$name: are read as values of the schema', async ({ schema }) => {
    const book = new RuleBook();
    const root = book.reserve('root');
    book.define(root, `${literal('[f(x=')} ${schemaRule(book, schema, 'python')} ${literal(')]')}`);
    const grammar = await compiler.compile(book.toString());
    const isWritten = new Ajv2020({ strict: false, validateFormats: false });
    const text = JSON.stringify(schema)
      .replace(/"items":\[/g, '"prefixItems":[')
      .replace('"additionalItems"', '"items"');
    const isValid = isWritten.compile(JSON.parse(text) as object);
    const next = random(2);
    for (let walk = 0; walk < samples(15); walk++) {
      const answer = await grammar.walk(next, [], { soft: 30, most: 500 });
      if (answer === undefined) continue;
      const stream = toolCallStream('pythonic', ['f']);
      stream.push(answer);
      stream.flush();
      const { calls } = stream;
      expect(calls, answer).toHaveLength(1);
      expect(isValid(calls[0]?.arguments.x), answer).toBe(true);
    }
  });
});
