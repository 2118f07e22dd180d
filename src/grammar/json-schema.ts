// JSON Schemas (draft 2020-12, draft-07, and what OpenAPI adds) as rules: a keyword is enforced exactly, or refused by its name.
//
// xgrammar has a converter of its own. It is not used, because values that it derives do not always fit (measured with 0.1.27: with
// `minimum: 1.5` it derives `1x5`, with `exclusiveMinimum: 0` it derives 0, a `pattern` puts bare quotes into a string, and
// `allOf`, `not`, `uniqueItems` and `if` are passed over in silence). It only compiles the rules made here.
//
// A value has one text: on one line, with `", "` and `": "` between, members in the order of the schema. So the model has nothing to
// decide about white space, and what must come is known.

import { literal, type RuleBook } from './ebnf';
import { integers, multiples, numbers, type NumberBounds } from './json-numbers';
import { itemsExpression, membersExpression, type NamedMember } from './json-objects';
import { anyStringRule, otherStringRule, stringOfLengthRule } from './json-strings';
import { matchingStringRule } from './regex';
import { regexTree } from './regex-tree';
import {
  asSchema,
  checkSize,
  hasValues,
  invalid,
  resolveReference,
  unsupported,
  type JsonSchema,
  type SchemaObject,
} from './schema-bounds';
import { IGNORED, isTypeName, KNOWN, OF_TYPE, type TypeName } from './schema-keywords';
import { areDisjoint, merged, typeOf, withNull } from './schema-merge';
import { FORMATS, OF_NUMBERS } from './string-formats';
import { notationOf, stringText, valueText, type ValueStyle } from './value-text';

export type { JsonSchema } from './schema-bounds';

/** How deep values are that a schema says nothing about: models are not to nest for ever. */
const MAX_ANY_DEPTH = 5;

/**
 * Characters of a string that are counted by rules. Each is a state, whose masks take 30 to 90 ms to make for 128,000 tokens: a string
 * of 20 compiles in 1.6 s on a busy machine, one of 120 in 12 s. A longer `maxLength` is held to this one: what is derived is shorter
 * than it might be, and still validates.
 */
const MAX_COUNTED = 20;

/** Items of an array that are counted, and values that are listed. */
const MAX_ITEMS = 10_000;

/**
 * A rule for the values that a schema allows.
 *
 * @throws TernionError `unsupported-feature` by the JSON pointer of a keyword that is not enforced; `invalid-argument` for what is
 *   no schema, is too large, or allows no value.
 */
export function schemaRule(book: RuleBook, schema: JsonSchema, style: ValueStyle): string {
  checkSize(schema);
  return new SchemaWriter(book, schema, style).rule(schema, '#');
}

/** A rule for keyword arguments of Python, `a=1, b='x'`, between parentheses, of the object that a schema describes. */
export function argumentsRule(book: RuleBook, schema: JsonSchema, style: 'python'): string {
  checkSize(schema);
  return new SchemaWriter(book, schema, style).keywordArguments(schema);
}

/** A rule for any object of JSON. */
export function anyObjectRule(book: RuleBook): string {
  return new SchemaWriter(book, true, 'json').rule({ type: 'object' }, '#');
}

class SchemaWriter {
  constructor(
    private readonly book: RuleBook,
    private readonly root: JsonSchema,
    private readonly style: ValueStyle,
  ) {}

  /** `at` is the JSON pointer of the schema, for messages. */
  rule(schema: JsonSchema, at: string): string {
    if (schema === false) throw invalid(`${at} allows no value.`);
    if (schema === true) return this.#anyValue(MAX_ANY_DEPTH);
    if (!hasValues(schema, this.root))
      throw invalid(`${at} allows no value that ends: it has itself inside.`);
    const unknown = Object.keys(schema).find((keyword) => !KNOWN.has(keyword));
    if (unknown !== undefined) throw notEnforced(at, unknown);
    const plain = withNull(schema);
    return typeof plain === 'boolean' ? this.rule(plain, at) : this.#ofObject(plain, at);
  }

  #ofObject(schema: SchemaObject, at: string): string {
    if (schema['$ref'] !== undefined) return this.#reference(schema, at);
    const { allOf, anyOf: any, oneOf: one, ...beside } = schema;
    if (allOf !== undefined) {
      const parts = list(allOf, `${at}/allOf`).map((part, i) => asSchema(part, `${at}/allOf/${i}`));
      const rest = {
        ...beside,
        ...(any !== undefined && { anyOf: any }),
        ...(one !== undefined && { oneOf: one }),
      };
      return this.rule(
        parts.reduce<JsonSchema>((all, part) => merged(all, part, this.root, `${at}/allOf`), rest),
        at,
      );
    }
    if (any !== undefined || one !== undefined) return this.#alternatives(beside, any, one, at);
    if ('enum' in schema || 'const' in schema) return this.#listed(schema, at);
    return this.#typed(schema, at);
  }

  #reference(schema: SchemaObject, at: string): string {
    const { $ref: reference, ...beside } = schema;
    if (!Object.keys(beside).every((keyword) => IGNORED.has(keyword)))
      return this.rule(merged({ $ref: reference }, beside, this.root, at), at);
    const target = resolveReference(this.root, reference, `${at}/$ref`);
    const pointer = String(reference);
    return this.book.once(`ref_${pointer}_${this.style}`, (name) => {
      const rule = this.rule(target, pointer);
      if (rule === name) throw invalid(`${at}/$ref goes in a circle.`);
      return rule;
    });
  }

  #alternatives(beside: SchemaObject, any: unknown, one: unknown, at: string): string {
    if (any !== undefined && one !== undefined) throw notEnforced(at, 'oneOf beside anyOf');
    const keyword = any === undefined ? 'oneOf' : 'anyOf';
    const options = list(any ?? one, `${at}/${keyword}`).map((each, i) =>
      asSchema(each, `${at}/${keyword}/${i}`),
    );
    if (options.length === 0) throw invalid(`${at}/${keyword} is empty.`);
    if (keyword === 'oneOf') {
      options.forEach((a, i) =>
        options.slice(0, i).forEach((b, j) => {
          if (!areDisjoint(a, b, this.root, at))
            throw unsupported(
              `${at}/oneOf: a value may fit both ${j} and ${i}, which is not enforced; anyOf would do.`,
            );
        }),
      );
    }
    const alone = Object.keys(beside).every((key) => IGNORED.has(key));
    const rules = options
      .filter((option) => option !== false && hasValues(option, this.root))
      .map((option, i) => {
        const path = `${at}/${keyword}/${i}`;
        return this.rule(alone ? option : merged(beside, option, this.root, path), path);
      });
    if (rules.length === 0) throw invalid(`${at}/${keyword} allows no value.`);
    return this.book.rule('any_of', [...new Set(rules)].join(' | '));
  }

  #listed(schema: SchemaObject, at: string): string {
    const { enum: listed, const: only, type } = schema;
    const all = 'const' in schema ? [only] : list(listed, `${at}/enum`);
    if (all.length > MAX_ITEMS) throw invalid(`${at}/enum has more than ${MAX_ITEMS} values.`);
    const types = type === undefined ? undefined : typesOf(type, at);
    const beside = Object.keys(schema).find(
      (key) => !['enum', 'const', 'type'].includes(key) && !IGNORED.has(key),
    );
    if (beside !== undefined)
      throw unsupported(`${at}/${beside} beside ${'const' in schema ? 'const' : 'enum'} is not enforced.`);
    const inBoth =
      'const' in schema && Array.isArray(listed) ? all.filter((value) => has(listed, value)) : all;
    const texts = inBoth
      .filter((value) => !types || fitsTypes(value, types))
      .map((value) => literal(this.#text(value)));
    if (texts.length === 0) throw invalid(`${at} lists no value of its type.`);
    return this.book.rule('value', [...new Set(texts)].join(' | '));
  }

  #typed(schema: SchemaObject, at: string): string {
    const types = schema['type'] === undefined ? this.#typesMeant(schema) : typesOf(schema['type'], at);
    if (types.length === 0) return this.#anyValue(MAX_ANY_DEPTH);
    // Every integer is a number.
    const distinct = types.includes('number') ? types.filter((type) => type !== 'integer') : types;
    const rules = distinct.map((type) => this.#ofType(type, schema, at));
    return rules.length === 1 ? (rules[0] ?? '') : this.book.rule('one_type', rules.join(' | '));
  }

  /** A schema without a type that speaks of the members of objects means objects. */
  #typesMeant(schema: SchemaObject): TypeName[] {
    const types = Object.keys(OF_TYPE) as TypeName[];
    return types.filter((type) => OF_TYPE[type].some((keyword) => keyword in schema));
  }

  #ofType(type: TypeName, schema: SchemaObject, at: string): string {
    switch (type) {
      case 'null':
        return this.book.rule('null_value', literal(this.#text(null)));
      case 'boolean':
        return this.book.rule('boolean', `${literal(this.#text(true))} | ${literal(this.#text(false))}`);
      case 'integer':
      case 'number':
        return this.#number(type, schema, at);
      case 'string':
        return this.#string(schema, at);
      case 'array':
        return this.#array(schema, at);
      case 'object':
        return this.#object(schema, at);
    }
  }

  #number(type: 'integer' | 'number', schema: SchemaObject, at: string): string {
    const { multipleOf, format } = schema;
    if (format !== undefined && !OF_NUMBERS.has(format)) throw notEnforced(at, 'format');
    const bounds = boundsOf(schema, at);
    const none = (): never => {
      throw invalid(`${at} allows no number of at most 15 digits.`);
    };
    if (multipleOf !== undefined && !(multipleOf === 1 && type === 'integer')) {
      const of = figure(multipleOf, `${at}/multipleOf`);
      if (!Number.isSafeInteger(of) || of < 1)
        throw unsupported(`${at}/multipleOf is only enforced for whole numbers.`);
      const found = multiples(of, bounds);
      if (found === null)
        throw unsupported(`${at}/multipleOf is only enforced between bounds with at most 2000 multiples.`);
      return this.book.rule('multiple', found ?? none());
    }
    return this.book.rule(type, (type === 'integer' ? integers(bounds) : numbers(bounds)) ?? none());
  }

  #string(schema: SchemaObject, at: string): string {
    const { pattern, format, minLength = 0, maxLength = Infinity } = schema;
    const min = count(minLength, `${at}/minLength`);
    const max = maxLength === Infinity ? Infinity : count(maxLength, `${at}/maxLength`);
    const isOpen = min === 0 && max === Infinity;
    if (pattern !== undefined || format !== undefined) {
      const source = pattern === undefined ? FORMATS.get(String(format)) : text(pattern, `${at}/pattern`);
      if (source === undefined) throw unsupported(`${at}/format: ${JSON.stringify(format)} is not enforced.`);
      if (!isOpen)
        throw unsupported(
          `${at}/${max === Infinity ? 'minLength' : 'maxLength'} beside a pattern or format is not enforced.`,
        );
      const tree = regexTree(source, 'part', `The pattern at ${at}`);
      const rule = matchingStringRule(this.book, this.style, tree);
      if (rule === undefined) throw invalid(`${at}/pattern matches no text.`);
      return rule;
    }
    if (isOpen) return anyStringRule(this.book, this.style);
    if (min > max) throw invalid(`${at} allows no string: minLength is more than maxLength.`);
    if (min > MAX_COUNTED) throw unsupported(`${at}/minLength of more than ${MAX_COUNTED} is not enforced.`);
    return stringOfLengthRule(this.book, this.style, min, Math.min(max, Math.max(min, MAX_COUNTED)));
  }

  #array(schema: SchemaObject, at: string): string {
    refuse(schema, at, ['contains'], (value) => value === undefined);
    refuse(schema, at, ['uniqueItems'], (value) => value === undefined || value === false);
    refuse(schema, at, ['unevaluatedItems'], (value) => value === undefined || typeof value === 'boolean');
    const { items, prefixItems, additionalItems, minItems = 0, maxItems = Infinity } = schema;
    const isTuple = Array.isArray(items);
    const first = list(prefixItems ?? (isTuple ? items : []), `${at}/prefixItems`);
    const behind = (isTuple ? additionalItems : items) ?? schema['unevaluatedItems'];
    const min = count(minItems, `${at}/minItems`);
    const max = maxItems === Infinity ? Infinity : count(maxItems, `${at}/maxItems`);
    if (min > MAX_ITEMS || (max !== Infinity && max > MAX_ITEMS))
      throw invalid(`${at} counts more than ${MAX_ITEMS} items.`);
    // A tuple is closed unless more is said.
    const isClosed = behind === false || (behind === undefined && first.length > 0 && min <= first.length);
    const rest =
      isClosed || max <= first.length
        ? undefined
        : this.rule(asSchema(behind ?? true, `${at}/items`), `${at}/items`);
    const places = first.map((each, i) =>
      this.rule(asSchema(each, `${at}/prefixItems/${i}`), `${at}/prefixItems/${i}`),
    );
    const expression = itemsExpression({ first: places, ...(rest !== undefined && { rest }), min, max });
    if (expression === undefined) throw invalid(`${at} allows no array: minItems is more than there can be.`);
    return this.book.rule('array', expression);
  }

  #object(schema: SchemaObject, at: string): string {
    const { named, rest, min, max } = this.#members(
      schema,
      at,
      (name) => `${stringText(name, this.style)}: `,
    );
    const members = { named, ...(rest && { rest }), min, max };
    const expression = membersExpression(this.book, members, { open: '{', close: '}' });
    if (expression === undefined)
      throw invalid(`${at} allows no object: not with so few, or so many, members.`);
    return this.book.rule('object', expression);
  }

  keywordArguments(schema: JsonSchema): string {
    const resolved = schema === true ? {} : merged(schema, true, this.root, '#');
    if (typeof resolved === 'boolean') throw invalid('# allows no arguments.');
    const label = (name: string): string => {
      if (/^[A-Za-z_]\w*$/.test(name)) return `${name}=`;
      throw unsupported(`#/properties/${name}: no argument of Python can have this name.`);
    };
    const { named, min, max } = this.#members(resolved, '#', label);
    const expression = membersExpression(this.book, { named, min, max }, { open: '(', close: ')' });
    if (expression === undefined) throw invalid('# allows no arguments: not so few, or so many.');
    return this.book.rule('arguments', expression);
  }

  #members(
    schema: SchemaObject,
    at: string,
    labelOf: (name: string) => string,
  ): { named: NamedMember[]; rest: { key: string; value: string } | undefined; min: number; max: number } {
    const closed = [
      'patternProperties',
      'propertyNames',
      'dependentRequired',
      'dependentSchemas',
      'dependencies',
    ];
    refuse(schema, at, closed, (value) => value === undefined || isEmptyObject(value) || isAnyText(value));
    refuse(
      schema,
      at,
      ['unevaluatedProperties'],
      (value) => value === undefined || typeof value === 'boolean',
    );
    const { properties = {}, required = [], minProperties = 0, maxProperties = Infinity } = schema;
    if (typeof properties !== 'object' || properties === null)
      throw invalid(`${at}/properties is no object.`);
    const needed = new Set(list(required, `${at}/required`).map(String));
    const described = new Map(Object.entries(properties));
    const others = schema['additionalProperties'] ?? schema['unevaluatedProperties'] ?? true;
    for (const name of needed) if (!described.has(name)) described.set(name, others);
    // Members that may be left out, and have no value that ends, are.
    const entries = [...described].filter(
      ([name, each]) => needed.has(name) || (each !== false && hasValues(asSchema(each, at), this.root)),
    );
    const named = entries.map(([name, each]): NamedMember => {
      const path = `${at}/properties/${name}`;
      return {
        label: labelOf(name),
        value: this.rule(asSchema(each, path), path),
        required: needed.has(name),
      };
    });
    const open =
      schema['additionalProperties'] ??
      schema['unevaluatedProperties'] ??
      Object.keys(properties).length === 0;
    const path = `${at}/additionalProperties`;
    const rest =
      open === false
        ? undefined
        : {
            key: otherStringRule(this.book, this.style, [...described.keys()]),
            value: open === true ? this.#anyValue(MAX_ANY_DEPTH - 1) : this.rule(asSchema(open, path), path),
          };
    const min = count(minProperties, `${at}/minProperties`);
    // Names may be written twice, and count once.
    if (rest && min > needed.size)
      throw unsupported(`${at}/minProperties is not enforced where members have any name.`);
    return {
      named,
      rest,
      min,
      max: maxProperties === Infinity ? Infinity : count(maxProperties, `${at}/maxProperties`),
    };
  }

  /** A rule for any value that is at most `depth` deep. */
  #anyValue(depth: number): string {
    return this.book.once(`any_${depth}_${this.style}`, () => {
      const { words } = notationOf(this.style);
      const scalars = [
        anyStringRule(this.book, this.style),
        this.#number('number', {}, '#'),
        ...Object.values(words).map((word) => literal(word)),
      ];
      if (depth === 0) return scalars.join(' | ');
      const value = this.#anyValue(depth - 1);
      const key = anyStringRule(this.book, this.style);
      const array = itemsExpression({ first: [], rest: value, min: 0, max: Infinity }) ?? '';
      const object = membersExpression(
        this.book,
        { named: [], rest: { key, value }, min: 0, max: Infinity },
        { open: '{', close: '}' },
      );
      return [
        ...scalars,
        this.book.rule('any_array', array),
        this.book.rule('any_object', object ?? ''),
      ].join(' | ');
    });
  }

  #text(value: unknown): string {
    return valueText(value, this.style);
  }
}

/** Refuses the keywords whose value is not one of those that hold nothing to anything. */
function refuse(
  schema: SchemaObject,
  at: string,
  keywords: readonly string[],
  isHarmless: (value: unknown) => boolean,
): void {
  const found = keywords.find((keyword) => !isHarmless(schema[keyword]));
  if (found !== undefined) throw notEnforced(at, found);
}

function notEnforced(at: string, keyword: string): Error {
  return unsupported(`${at}/${keyword}: answers cannot be held to this keyword.`);
}

function isEmptyObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0;
}

/** What libraries say of the names of a record's members. */
function isAnyText(value: unknown): boolean {
  return (
    typeof value === 'object' &&
    value !== null &&
    Object.entries(value).every(([key, each]) => key === 'type' && each === 'string')
  );
}

function boundsOf(schema: SchemaObject, at: string): NumberBounds {
  const bounds: NumberBounds = {};
  const { minimum, maximum, exclusiveMinimum: above, exclusiveMaximum: below } = schema;
  // Draft 4 and OpenAPI 3.0 say by a flag that a bound itself is excluded.
  if (minimum !== undefined)
    bounds[above === true ? 'exclusiveMinimum' : 'minimum'] = figure(minimum, `${at}/minimum`);
  if (maximum !== undefined)
    bounds[below === true ? 'exclusiveMaximum' : 'maximum'] = figure(maximum, `${at}/maximum`);
  if (above !== undefined && typeof above !== 'boolean')
    bounds.exclusiveMinimum = figure(above, `${at}/exclusiveMinimum`);
  if (below !== undefined && typeof below !== 'boolean')
    bounds.exclusiveMaximum = figure(below, `${at}/exclusiveMaximum`);
  return bounds;
}

function typesOf(type: unknown, at: string): TypeName[] {
  const types: readonly unknown[] = Array.isArray(type) ? type : [type];
  if (types.length === 0) throw invalid(`${at}/type is empty.`);
  return types.map((each) => {
    if (isTypeName(each)) return each;
    throw invalid(`${at}/type: there is no type ${JSON.stringify(each)}.`);
  });
}

function fitsTypes(value: unknown, types: readonly TypeName[]): boolean {
  const type = typeOf(value);
  return types.some((each) => each === type || (each === 'integer' && Number.isInteger(value)));
}

function has(values: readonly unknown[], value: unknown): boolean {
  return values.some((each) => JSON.stringify(each) === JSON.stringify(value));
}

function list(value: unknown, at: string): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw invalid(`${at} is no list.`);
}

function text(value: unknown, at: string): string {
  if (typeof value === 'string') return value;
  throw invalid(`${at} is no text.`);
}

function figure(value: unknown, at: string): number {
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  throw invalid(`${at} is no number.`);
}

function count(value: unknown, at: string): number {
  const number = figure(value, at);
  if (Number.isInteger(number) && number >= 0) return number;
  throw invalid(`${at} is no whole number from 0 on.`);
}
