// JSON Schemas as grammars: what the masks let through validates, what validates in the one way of writing is let through.
import { Ajv } from 'ajv';
import { Ajv2020 } from 'ajv/dist/2020';
import { describe, expect, it } from 'vitest';
import { grammarOfFormat } from '../../../src/grammar/response-format';
import { samples } from '../../support/effort';
import { Walks } from '../../support/grammar-walks';
import { random } from '../../support/random';
import { SCHEMAS, type SchemaSample } from '../../support/schemas';

/** Formats as RFC 3339, 4122, 5321 and 1123 have them, written apart from the patterns that are derived. */
const isDate = (text: string): boolean =>
  /^\d{4}-\d\d-\d\d$/.test(text) && new Date(`${text}T00:00:00Z`).toISOString().startsWith(text);
const FORMATS: Readonly<Record<string, (text: string) => boolean>> = {
  date: isDate,
  time: isTime,
  'date-time': (text) => isDate(text.slice(0, 10)) && text[10] === 'T' && isTime(text.slice(11)),
  uuid: (text) => /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text),
  ipv4: (text) =>
    text.split('.').length === 4 &&
    text.split('.').every((part) => String(Number(part)) === part && Number(part) < 256),
  email: (text) => /^[^\s@.]+(?:\.[^\s@.]+)*@(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}$/.test(text),
  uri: (text) => URL.canParse(text) && !/[\s<>"{}|\\^`]/.test(text),
};

function isTime(text: string): boolean {
  const [, hour, minute, second, offsetHour = '0', offsetMinute = '0'] =
    /^(\d\d):(\d\d):(\d\d)(?:\.\d+)?(?:Z|[+-](\d\d):(\d\d))$/.exec(text) ?? [];
  return (
    Number(hour) < 24 &&
    [minute, second, offsetMinute].every((each) => Number(each) < 60) &&
    Number(offsetHour) < 24
  );
}

const walks = new Walks();

function validatorOf({
  schema,
  isDraft07,
}: Pick<SchemaSample, 'schema' | 'isDraft07'>): (value: unknown) => boolean {
  const options = { strict: false, formats: FORMATS };
  const ajv = isDraft07 ? new Ajv(options) : new Ajv2020(options);
  const validate = ajv.compile(schema);
  return (value) => validate(value) === true;
}

describe.each(SCHEMAS)('$name', ({ schema, valid, invalid, ...sample }) => {
  const grammar = grammarOfFormat({ type: 'json', schema });
  const validates = validatorOf({ schema, ...sample });

  it('lets only values through that validate', async () => {
    const next = random(1);
    for (let i = 0; i < samples(60); i++) {
      const text = await walks.text(grammar, next);
      expect(validates(JSON.parse(text)), text).toBe(true);
    }
  });

  it.each(valid)('derives %s', async (text) => {
    expect(validates(JSON.parse(text))).toBe(true);
    expect(await walks.derives(grammar, text)).toBe(true);
  });

  it.each(invalid)('does not derive %s', async (text) => {
    expect(await walks.derives(grammar, text)).toBe(false);
  });
});
