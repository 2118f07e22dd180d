// Answers that are held to a JSON schema: whatever xgrammar lets through is a value of the schema, and its values are let through.

import { Ajv2020 } from 'ajv/dist/2020.js';
import { beforeAll, describe, expect, it } from 'vitest';
import { grammarOfFormat } from '../../../src/grammar/response-format';
import { stringText, valueText } from '../../../src/grammar/value-text';
import { samples } from '../../support/effort';
import { random } from '../../support/random';
import { SCHEMAS } from '../../support/schemas';
import { TestCompiler } from '../../support/xgrammar';
import { FORMAT_CHECKS } from './format-checks';

let compiler: TestCompiler;
beforeAll(async () => {
  compiler = await TestCompiler.create();
});

/** As validators take it: draft 07's lists of items are what 2020-12 calls prefixItems. */
function validator(schema: unknown): (value: unknown) => boolean {
  const ajv = new Ajv2020({ strict: false, allErrors: true, formats: FORMAT_CHECKS });
  const text = JSON.stringify(schema)
    .replace(/"items":\[/g, '"prefixItems":[')
    .replace('"additionalItems"', '"items"');
  return ajv.compile(JSON.parse(text) as object | boolean);
}

describe.each(SCHEMAS)('$name', ({ schema, values }) => {
  it('derives only values of the schema', async () => {
    const isValid = validator(schema);
    const grammar = await compiler.compile(grammarOfFormat({ type: 'json', schema }).ebnf);
    const next = random(7);
    const examples = values.map((value) => valueText(value, 'json'));
    let ended = 0;
    for (let walk = 0; walk < samples(60); walk++) {
      const text = await grammar.walk(next, examples);
      if (text === undefined) continue;
      ended++;
      const value: unknown = JSON.parse(text);
      expect(isValid(value), text).toBe(true);
    }
    // Nearly all end before 600 tokens; the share is far from what it would be if answers ran on.
    expect(ended).toBeGreaterThan(samples(60) / 2);
  });

  it('derives the values that people want', async () => {
    const isValid = validator(schema);
    const grammar = await compiler.compile(grammarOfFormat({ type: 'json', schema }).ebnf);
    for (const value of values) {
      const text = valueText(value, 'json');
      expect(isValid(value), `the example itself: ${text}`).toBe(true);
      expect(grammar.accepts(text), text).toBe(true);
    }
  });
});

describe('texts of values', () => {
  it('has a space behind commas and colons, as json.dumps writes', () => {
    expect(valueText({ a: [1, true, null], b: 'x' }, 'json')).toBe('{"a": [1, true, null], "b": "x"}');
  });

  it('writes Python literals', () => {
    expect(valueText({ a: [1, true, null], b: `it's` }, 'python')).toBe(
      `{'a': [1, True, None], 'b': 'it\\'s'}`,
    );
  });

  it('parses back, controls and halves of pairs included', () => {
    const text = 'a"\\/\b\f\n\r\t\u0001\ud800é😀\u2028';
    expect(JSON.parse(stringText(text, 'json'))).toBe(text);
  });
});
