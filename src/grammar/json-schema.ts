// JSON schemas as rules: every text that is derived is a value that the schema accepts.
//
// xgrammar has a converter of its own, which is not used: it derives what a validator refuses (`minimum: 1.5` gives "1x5",
// `exclusiveMinimum: 0` gives 0, a pattern can close the string that it stands in) and leaves out what it does not know (allOf,
// not, uniqueItems, if). Here a keyword is enforced exactly or refused by its name and place. What is derived may be less than
// what the schema accepts, in ways that are said where they are decided: one text for a value, no members and items beyond
// those that are described, numbers of up to 15 digits, values of no described shape up to 8 deep.

import { constrainedStringRule, hasPatternsAndLength } from './constrained-strings';
import { anyOf, literal, oneOfTexts, type RuleBook } from './ebnf';
import { Flattener } from './flat-schema';
import type { StringLengths } from './grammar';
import { areMultiplesFew, integers, isWithin, multiples, numbers, type NumberBounds } from './json-numbers';
import { itemsExpression, membersExpression } from './json-objects';
import { anyStringRule, stringOfLengthRule } from './json-strings';
import { MemberReader } from './object-members';
import { checkRulesEnd } from './productive-rules';
import { firstOverlap } from './schema-exclusion';
import { empty, SchemaDocument, unsupported, type JsonSchema } from './schema-document';
import { typesOf, valueFits, type FlatSchema, type ObjectKeywords, type TypeName } from './schema-keywords';
import { isLong, stringBounds } from './string-bounds';
import { notationOf, stringText, valueText, type ValueStyle } from './value-text';

export type { JsonSchema } from './schema-document';
export type { ValueStyle } from './value-text';

/** How far values of no described shape nest: enough for any data, and an end for a model that only opens brackets. */
const FREE_DEPTH = 8;
/** No answer has more items or members of one kind. */
const MAX_COUNT = 2000;
const MAX_PREFIX = 200;
/** More schemas within each other come of `allOf` and `$ref` that never end. */
const MAX_OPEN = 300;
const NO_MEMBERS: ObjectKeywords = { properties: new Map(), required: new Set() };

/** What becomes of long strings: counted as far as can be where the rules are all there is, or left open where something counts beside them. */
type LongStrings = 'counted' | 'open';

/**
 * Where rules are all there is, they count that far: each character more is a state whose masks take 20 ms to make for a vocabulary of
 * 128,000 tokens. A longer maximum is held to this one.
 */
const MOST_COUNTED = 100;

/**
 * The name of a rule that derives exactly one value of the schema, on one line.
 *
 * @throws TernionError `invalid-argument` if the schema is malformed, too large, or accepts nothing that can be written;
 *   `unsupported-feature` if it has a keyword that would not be enforced, or a `minLength` above 100. A greater `maxLength` is taken for 100.
 */
export function schemaRule(book: RuleBook, schema: JsonSchema, style: ValueStyle): string {
  return converted(book, schema, style, 'counted', (converter, root) => converter.rule(root)).rule;
}

/** As `schemaRule`, for JSON whose strings are held to the lengths above 20 by other means: those that the rule leaves open. */
export function openSchemaRule(
  book: RuleBook,
  schema: JsonSchema,
): { rule: string; bounds: StringLengths['bounds'] } {
  return converted(book, schema, 'json', 'open', (converter, root) => converter.rule(root));
}

/**
 * The name of a rule that derives the arguments of a Python call, `a=1, b='x'`, for an object schema; nothing for no arguments.
 *
 * @throws TernionError as `schemaRule` does; `unsupported-feature` if a name is none that Python's arguments can have.
 */
export function argumentsRule(book: RuleBook, schema: JsonSchema, style: 'python'): string {
  return converted(book, schema, style, 'counted', (converter, root) => converter.argumentsRule(root)).rule;
}

function converted(
  book: RuleBook,
  schema: JsonSchema,
  style: ValueStyle,
  long: LongStrings,
  convert: (converter: Converter, root: JsonSchema) => string,
): { rule: string; bounds: StringLengths['bounds'] } {
  const document = new SchemaDocument(schema);
  const flattener = new Flattener(document);
  const converter = new Converter(book, flattener, style, long);
  const rule = convert(converter, document.root);
  checkRulesEnd(book, (name) => unsupported('#', `a $ref needs itself without an end (rule ${name})`));
  return { rule, bounds: converter.leftOpen ? stringBounds(flattener, document.root) : [] };
}

class Converter {
  readonly #rules = new Map<object, string>();
  /** Schemas whose rules are being made, with the names by which they were used meanwhile. */
  readonly #open = new Map<object, { name?: string }>();
  readonly #objects: MemberReader;
  /** Whether a string was left open whose length has bounds. */
  leftOpen = false;

  constructor(
    private readonly book: RuleBook,
    private readonly flattener: Flattener,
    private readonly style: ValueStyle,
    private readonly long: LongStrings,
  ) {
    this.#objects = new MemberReader(book, flattener, style, (schema) => this.rule(schema));
  }

  rule(schema: JsonSchema): string {
    if (schema === true) return this.#freeValue(FREE_DEPTH);
    if (schema === false) throw unsupported('#', 'the schema false, which no value matches');
    const target = this.flattener.target(schema);
    const known = this.#rules.get(schema);
    if (known !== undefined) return known;
    const open = this.#open.get(schema);
    if (open) return (open.name ??= this.book.reserve(this.#hint(schema)));
    const entry: { name?: string } = {};
    if (this.#open.size > MAX_OPEN) {
      throw unsupported(this.flattener.document.pointerOf(schema), 'allOf or $ref that goes on and on');
    }
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
    const { properties, required, minProperties, maxProperties } = flat.objects ?? NO_MEMBERS;
    const bad = Array.from(properties.keys()).find((name) => !/^[A-Za-z_]\w*$/.test(name));
    if (bad !== undefined)
      throw unsupported(flat.pointer, `an argument named ${JSON.stringify(bad)}, which Python has not`);
    // What has no name of its own is left out, whether or not it may be there.
    const closed = { properties, required, others: false, minProperties, maxProperties };
    const members = this.#objects.members(closed, flat.pointer, (name) => `${name}=`);
    const expression = membersExpression(this.book, members, { open: '', close: '' });
    if (expression === undefined)
      throw empty(flat.pointer, 'the numbers of properties contradict each other');
    // xgrammar takes two empty texts in a row for something else (0.1.27: `"f(" a ")"` derived `f(')`).
    return this.book.rule('arguments', expression === '"" ""' ? '""' : expression);
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
    return oneOfTexts(
      this.book,
      fitting.map((value) => valueText(value, this.style)),
    );
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
    if (this.long === 'counted') {
      if (min > MOST_COUNTED) throw unsupported(pointer, `a minLength above ${MOST_COUNTED}`);
      return stringOfLengthRule(this.book, this.style, min, Math.min(max, MOST_COUNTED));
    }
    this.leftOpen = true;
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
    const members = this.#objects.members(
      objects ?? NO_MEMBERS,
      pointer,
      (name) => `${stringText(name, this.style)}: `,
    );
    const expression = membersExpression(this.book, members, { open: '{', close: '}' });
    if (expression === undefined) throw empty(pointer, 'the numbers of properties contradict each other');
    return this.book.rule('object', expression);
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
