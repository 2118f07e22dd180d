// Shapes of answers: schemas, regular expressions and grammars, damaged and odd ones, on their way to the rules that are compiled.

import type { JsonSchema, PlainFormat } from '../../../src/grammar/grammar';
import { grammarOfFormat } from '../../../src/grammar/response-format';
import { GRAMMARS } from '../../../test/support/grammars';
import { REGEXES } from '../../../test/support/regexes';
import { SCHEMAS } from '../../../test/support/schemas';
import { category, type Category } from '../category';
import type { Draw } from '../draw';
import { mutateJson, oddJson, oddText } from '../mutate';
import { digest } from './bases';

/** As docs/structured-output.md has it: 2 MiB of rules. */
const MAX_RULES = 2 * 2 ** 20;

/** What patterns and grammars are damaged with: their own signs. */
const SIGNS = [
  '(',
  ')',
  '[',
  ']',
  '{',
  '}',
  '*',
  '+',
  '?',
  '|',
  '\\',
  '^',
  '$',
  '"',
  '::=',
  '{9999}',
  '(?=',
  '\\p{L}',
  '\\u{10ffff}',
  '-',
];

/** The category of shapes. */
export function schemasCategory(): Category {
  return category<PlainFormat>({
    name: 'schemas',
    share: 20,
    codes: ['invalid-argument', 'unsupported-feature'],
    generate: makeFormat,
    async run(format) {
      const { ebnf, lengths } = grammarOfFormat(format);
      // The rules of a caller's own grammar are written anew, which makes them longer by what one class can come to.
      if (ebnf.length > 4 * MAX_RULES) throw new Error(`${ebnf.length} characters of rules`);
      return digest([ebnf, lengths]);
    },
    save: (format) => ({ 'format.json': JSON.stringify(format, null, 2) }),
  });
}

function makeFormat(draw: Draw): PlainFormat {
  const kind = draw.fraction();
  if (kind < 0.6) return { type: 'json', schema: makeSchema(draw) };
  if (kind < 0.8) return { type: 'regex', pattern: damaged(draw, draw.pick(REGEXES).pattern) };
  if (kind < 0.95) return { type: 'grammar', ebnf: damaged(draw, draw.pick(GRAMMARS).ebnf) };
  return { type: 'choice', options: draw.many(0, 40, () => oddText(draw)) };
}

function makeSchema(draw: Draw): JsonSchema {
  if (draw.chance(0.1)) return oddJson(draw, 4) as JsonSchema;
  let schema: unknown = draw.pick(SCHEMAS).schema;
  const times = draw.below(4);
  for (let i = 0; i < times; i++) schema = mutateJson(draw, schema);
  // Schemas within schemas, and keywords of several beside each other.
  if (draw.chance(0.2)) schema = { allOf: [schema, draw.pick(SCHEMAS).schema] };
  if (draw.chance(0.1)) schema = { anyOf: [schema, { $ref: '#' }, draw.pick(SCHEMAS).schema] };
  return schema as JsonSchema;
}

function damaged(draw: Draw, text: string): string {
  let changed = text;
  const times = draw.below(4);
  for (let i = 0; i < times; i++) {
    const at = draw.below(changed.length + 1);
    const until = draw.chance(0.5) ? at : Math.min(at + draw.below(4), changed.length);
    changed =
      changed.slice(0, at) + (draw.chance(0.8) ? draw.pick(SIGNS) : oddText(draw)) + changed.slice(until);
  }
  return draw.chance(0.05) ? changed.repeat(draw.between(2, 200)) : changed;
}
