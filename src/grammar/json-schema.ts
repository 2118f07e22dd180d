// JSON schemas as rules: every text that is derived is a value that the schema accepts.
//
// xgrammar has a converter of its own, which is not used: it derives what a validator refuses (`minimum: 1.5` gives "1x5",
// `exclusiveMinimum: 0` gives 0, a pattern can close the string that it stands in) and leaves out what it does not know (allOf,
// not, uniqueItems, if). Here a keyword is enforced exactly or refused by its name and place. What is derived may be less than
// what the schema accepts, in ways that are said where they are decided: one text for a value, no members and items beyond
// those that are described, numbers of up to 15 digits, values of no described shape up to 8 deep.

import { constrainedStringRule, hasPatternsAndLength } from './constrained-strings';
import { anyOf, literal, type RuleBook } from './ebnf';
import { Flattener } from './flat-schema';
import { areMultiplesFew, integers, isWithin, multiples, numbers, type NumberBounds } from './json-numbers';
import { itemsExpression, membersExpression, type NamedMember } from './json-objects';
import { anyStringRule, otherStringRule, stringOfLengthRule } from './json-strings';
import { checkRulesEnd } from './productive-rules';
import { firstOverlap } from './schema-exclusion';
import { empty, SchemaDocument, unsupported, type JsonSchema } from './schema-document';
import { typesOf, valueFits, type FlatSchema, type ObjectKeywords, type TypeName } from './schema-keywords';
import { isLong } from './string-bounds';
import { notationOf, stringText, valueText, type ValueStyle } from './value-text';

export type { JsonSchema } from './schema-document';
export type { ValueStyle } from './value-text';

/** How far values of no described shape nest: enough for any data, and an end for a model that only opens brackets. */
const FREE_DEPTH = 8;
/** No answer has more items or members of one kind. */
const MAX_COUNT = 2000;
const MAX_PREFIX = 200;

/** What becomes of long strings: refused where the rules are all there is, or left open where something counts beside them. */
export type LongStrings = 'refused' | 'open';

/**
 * The name of a rule that derives exactly one value of the schema, on one line.
 *
 * @param long What becomes of `minLength` and `maxLength` above 20: see `stringBounds`.
 * @throws TernionError `invalid-argument` if the schema is malformed, too large, or accepts nothing that can be written;
 *   `unsupported-feature` if it has a keyword that would not be enforced.
 */
export function schemaRule(
  book: RuleBook,
  schema: JsonSchema,
  style: ValueStyle,
  long: LongStrings = 'refused',
): string {
  const document = new SchemaDocument(schema);
  const name = new Converter(book, new Flattener(document), style, long).rule(document.root);
  checkRulesEnd(book, (rule) => unsupported('#', `a $ref needs itself without an end (rule ${rule})`));
  return name;
}

/**
 * The name of a rule that derives the arguments of a Python call, `a=1, b='x'`, for an object schema; nothing for no arguments.
 *
 * @throws TernionError as `schemaRule` does; `unsupported-feature` if a name is none that Python's arguments can have.
 */
export function argumentsRule(
  book: RuleBook,
  schema: JsonSchema,
  style: 'python',
  long: LongStrings = 'refused',
): string {
  const document = new SchemaDocument(schema);
  const name = new Converter(book, new Flattener(document), style, long).argumentsRule(document.root);
  checkRulesEnd(book, (rule) => unsupported('#', `a $ref needs itself without an end (rule ${rule})`));
  return name;
}

class Converter {
  readonly #rules = new Map<object, string>();
  /** Schemas whose rules are being made, with the names by which they were used meanwhile. */
  readonly #open = new Map<object, { name?: string }>();

  constructor(
    private readonly book: RuleBook,
    private readonly flattener: Flattener,
    private readonly style: ValueStyle,
    private readonly long: LongStrings,
  ) {}

  rule(schema: JsonSchema): string {
    if (schema === true) return this.#freeValue(FREE_DEPTH);
    if (schema === false) throw unsupported('#', 'the schema false, which no value matches');
    const target = this.flattener.target(schema);
    const known = this.#rules.get(schema);
    if (known !== undefined) return known;
    const open = this.#open.get(schema);
    if (open) return (open.name ??= this.book.reserve(this.#hint(schema)));
    const entry: { name?: string } = {};
    this.#open.set(schema, entry);
    const body = target === undefined ? this.#expression(this.flattener.flat(schema)) : this.rule(target);
    this.#open.delete(schema);
    const name = entry.name ?? (/^\w+$/.test(body) ? body : this.book.rule(this.#hint(schema), body));
    if (entry.name !== undefined) this.book.define(entry.name, body);
    this.#rules.set(schema, name);
    return name;
  }

  argumentsRule(schema: JsonSchema): string {
    const flat = this.flattener.flat(schema);
    if (flat.alternatives || flat.values || !typesOf(flat).includes('object')) {
      throw unsupported(flat.pointer, 'arguments that are not the properties of one object');
    }
    const { properties = new Map<string, JsonSchema>(), ...rest } = flat.objects ?? {};
    const bad = Array.from(properties.keys()).find((name) => !/^[A-Za-z_]\w*$/.test(name));
    if (bad !== undefined)
      throw unsupported(flat.pointer, `an argument named ${JSON.stringify(bad)}, which Python has not`);
    const closed: ObjectKeywords = { required: new Set(), ...rest, properties, others: false };
    const members = this.#members(closed, flat.pointer, (name) => `${name}=`);
    const expression = membersExpression(this.book, members, { open: '', close: '' });
    if (expression === undefined)
      throw empty(flat.pointer, 'the numbers of properties contradict each other');
    return this.book.rule('arguments', expression);
  }

  #hint(schema: object): string {
    return this.flattener.document.pointerOf(schema).split('/').at(-1)?.replace('#', 'value') ?? 'value';
  }

  #expression(flat: FlatSchema): string {
    if (flat.alternatives) return this.#alternatives(flat, flat.alternatives);
    if (flat.values) return this.#listed(flat, flat.values);
    const types = typesOf(flat);
    if (types.length === 0) throw empty(flat.pointer, 'the types contradict each other');
    return anyOf(types.map((type) => this.#ofType(type, flat)));
  }

  #alternatives(flat: FlatSchema, { keyword, of }: NonNullable<FlatSchema['alternatives']>): string {
    const base = { ...flat };
    delete base.alternatives;
    const flats = of.map((schema) => this.flattener.merge(base, this.flattener.flat(schema)));
    if (keyword === 'oneOf') {
      const overlap = firstOverlap(flats, (schema) => this.flattener.flat(schema));
      if (overlap)
        throw unsupported(
          base.pointer,
          `oneOf whose alternatives ${overlap.join(' and ')} may match the same value`,
        );
    }
    const isBare = Object.keys(base).length === 1;
    const names = flats.map((flat, i) => {
      const schema = of[i];
      return isBare && schema !== undefined ? this.rule(schema) : this.#expression(flat);
    });
    return anyOf([...new Set(names)]);
  }

  #listed(flat: FlatSchema, values: readonly unknown[]): string {
    const further = flat.arrays ? 'arrays' : flat.objects && 'objects';
    if (further !== undefined)
      throw unsupported(flat.pointer, `enum or const beside keywords for ${further}`);
    const fitting = values.filter((value) => this.#isListed(value, flat));
    if (fitting.length === 0) throw empty(flat.pointer, 'no value is listed that is right otherwise');
    return anyOf([...new Set(fitting.map((value) => literal(valueText(value, this.style))))]);
  }

  #isListed(value: unknown, { types, numbers: bounds, strings, pointer }: FlatSchema): boolean {
    if (!valueFits(value, types)) return false;
    if (typeof value === 'string' && strings) return hasPatternsAndLength(value, strings, pointer);
    if (typeof value !== 'number' || !bounds) return true;
    if (bounds.multipleOf !== undefined) throw unsupported(pointer, 'enum or const beside multipleOf');
    return isWithin(value, bounds);
  }

  #ofType(type: TypeName, flat: FlatSchema): string {
    const { words } = notationOf(this.style);
    switch (type) {
      case 'null':
        return literal(words.null);
      case 'boolean':
        return this.book.rule('boolean', `${literal(words.true)} | ${literal(words.false)}`);
      case 'integer':
      case 'number':
        return this.#number(type, flat);
      case 'string':
        return this.#string(flat);
      case 'array':
        return this.#array(flat);
      case 'object':
        return this.#object(flat);
    }
  }

  #number(type: 'integer' | 'number', { numbers: keywords = {}, pointer }: FlatSchema): string {
    const { multipleOf, ...bounds } = keywords;
    const expression =
      multipleOf === undefined ? plainNumbers(type, bounds) : this.#multiples(multipleOf, bounds, pointer);
    if (expression === undefined)
      throw empty(pointer, 'no number of up to 15 digits, 6 of them decimals, is within the bounds');
    return this.book.rule(type, expression);
  }

  #multiples(of: number, bounds: NumberBounds, pointer: string): string | undefined {
    if (of === 1) return integers(bounds);
    if (!Number.isSafeInteger(of) || of <= 0 || !areMultiplesFew(of, bounds)) {
      throw unsupported(
        pointer,
        'the keyword multipleOf, but for 1 and for integers in a range that has few multiples',
      );
    }
    return multiples(of, bounds);
  }

  #string({ strings = {}, pointer }: FlatSchema): string {
    const { minLength: min = 0, maxLength: max = Infinity, patterns, format } = strings;
    if (min > max) throw empty(pointer, 'minLength is above maxLength');
    if (patterns || format !== undefined)
      return constrainedStringRule(this.book, this.style, strings, pointer);
    return this.#stringOfLength(min, max, pointer);
  }

  #stringOfLength(min: number, max: number, pointer: string): string {
    if (!isLong(min, max)) return stringOfLengthRule(this.book, this.style, min, max);
    if (this.long === 'refused') throw unsupported(pointer, 'minLength or maxLength above 20');
    return anyStringRule(this.book, this.style);
  }

  #array({ arrays = {}, pointer }: FlatSchema): string {
    const { prefix = [], items, minItems, maxItems = Infinity } = arrays;
    if (prefix.length > MAX_PREFIX)
      throw unsupported(pointer, `prefixItems of more than ${MAX_PREFIX} items`);
    if ((minItems ?? 0) > MAX_COUNT) throw unsupported(pointer, `minItems above ${MAX_COUNT}`);
    // Who describes the first items one by one wants them all, which is what minItems would say.
    const min = minItems ?? Math.min(prefix.length, maxItems);
    const rest = items ?? prefix.length === 0;
    const expression = itemsExpression({
      first: prefix.slice(0, maxItems).map((schema) => this.rule(schema)),
      ...(rest === false || maxItems <= prefix.length ? {} : { rest: this.rule(rest) }),
      min,
      max: maxItems === Infinity ? Infinity : Math.min(maxItems, MAX_COUNT),
    });
    if (expression === undefined) throw empty(pointer, 'the numbers of items contradict each other');
    return this.book.rule('array', expression);
  }

  #object({ objects, pointer }: FlatSchema): string {
    const keywords = objects ?? { properties: new Map<string, JsonSchema>(), required: new Set<string>() };
    const members = this.#members(keywords, pointer, (name) => `${stringText(name, this.style)}: `);
    const expression = membersExpression(this.book, members, { open: '{', close: '}' });
    if (expression === undefined) throw empty(pointer, 'the numbers of properties contradict each other');
    return this.book.rule('object', expression);
  }

  #members(
    keywords: ObjectKeywords,
    pointer: string,
    labelOf: (name: string) => string,
  ): Parameters<typeof membersExpression>[1] {
    const all = this.#described(keywords, pointer);
    const named: NamedMember[] = [];
    for (const [name, schema] of all) {
      const required = keywords.required.has(name);
      if (!this.#isNever(schema)) named.push({ label: labelOf(name), value: this.rule(schema), required });
      else if (required) throw empty(pointer, `${JSON.stringify(name)} is required and cannot be there`);
    }
    const rest = this.#rest(keywords, Array.from(all.keys()), pointer);
    const { maxProperties: max = Infinity } = keywords;
    return {
      named,
      ...(rest ? { rest } : {}),
      min: this.#minProperties(keywords, rest !== undefined, pointer),
      max: max === Infinity ? Infinity : Math.min(max, MAX_COUNT),
    };
  }

  #isNever(schema: JsonSchema): boolean {
    return (
      schema === false ||
      (typeof schema === 'object' && 'not' in schema && this.flattener.flat(schema).values?.length === 0)
    );
  }

  /** The properties that have a name, of which those that are only required are what the others are. */
  #described(
    { properties, required, others, propertyNames }: ObjectKeywords,
    pointer: string,
  ): Map<string, JsonSchema> {
    const all = new Map(properties);
    const names = propertyNames === undefined ? undefined : this.flattener.flat(propertyNames).values;
    const listed = names?.filter((name) => typeof name === 'string') ?? [];
    if (names && Array.from(all.keys()).some((name) => !names.includes(name))) {
      throw unsupported(pointer, 'propertyNames that leave out one of the properties');
    }
    for (const name of [...required, ...listed]) if (!all.has(name)) all.set(name, others ?? true);
    return all;
  }

  /** What other members there can be, behind those that have a name. */
  #rest(
    keywords: ObjectKeywords,
    names: readonly string[],
    pointer: string,
  ): { key: string; value: string } | undefined {
    const { others, patternProperties, propertyNames, closed } = keywords;
    if (patternProperties) return this.#patternMember(keywords, patternProperties, names, pointer);
    const value = others ?? (names.length === 0 && !closed);
    if (value === false) return undefined;
    const keys = propertyNames === undefined ? undefined : this.flattener.flat(propertyNames);
    if (keys?.values) return undefined;
    if (closed && others !== undefined)
      throw unsupported(pointer, 'unevaluatedProperties beside additionalProperties');
    if (!keys?.strings) {
      return {
        key: otherStringRule(
          this.book,
          this.style,
          names.map((name) => stringText(name, this.style).slice(1, -1)),
        ),
        value: this.rule(value),
      };
    }
    if (names.length > 0) throw unsupported(pointer, 'propertyNames beside properties');
    return { key: this.#string({ pointer, strings: keys.strings }), value: this.rule(value) };
  }

  #patternMember(
    { others, propertyNames }: ObjectKeywords,
    patterns: ReadonlyMap<string, JsonSchema>,
    names: readonly string[],
    pointer: string,
  ): { key: string; value: string } | undefined {
    const [first, ...more] = patterns;
    if (!first) return undefined;
    const isAlone = more.length === 0 && names.length === 0 && propertyNames === undefined;
    if (!isAlone || (others !== undefined && others !== false)) {
      throw unsupported(pointer, 'patternProperties beside other patterns or properties');
    }
    const [pattern, schema] = first;
    if (schema === false) return undefined;
    return { key: this.#string({ pointer, strings: { patterns: [pattern] } }), value: this.rule(schema) };
  }

  #minProperties(
    { minProperties: min = 0, required }: ObjectKeywords,
    isOpen: boolean,
    pointer: string,
  ): number {
    if (min <= required.size) return 0;
    // Names that are not described may come twice, and count once.
    if (isOpen && min > required.size + 1)
      throw unsupported(pointer, 'minProperties for properties that have no names');
    return min;
  }

  /** Any value that nests up to `depth` more times. */
  #freeValue(depth: number): string {
    return this.book.once(`any_${this.style}_${depth}`, () => {
      const text = anyStringRule(this.book, this.style);
      const scalars = [
        text,
        this.#number('number', { pointer: '#' }),
        this.#ofType('boolean', { pointer: '#' }),
        this.#ofType('null', { pointer: '#' }),
      ];
      if (depth === 0) return scalars.join(' | ');
      const value = this.#freeValue(depth - 1);
      const list = itemsExpression({ first: [], rest: value, min: 0, max: Infinity }) ?? '';
      const members = membersExpression(
        this.book,
        { named: [], rest: { key: text, value }, min: 0, max: Infinity },
        { open: '{', close: '}' },
      );
      return [...scalars, list, members].join(' | ');
    });
  }
}

function plainNumbers(type: 'integer' | 'number', bounds: NumberBounds): string | undefined {
  return type === 'integer' ? integers(bounds) : numbers(bounds);
}
