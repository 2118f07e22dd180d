// Which members an object has by its schema: their rules, in which order, and how many.

import { constrainedStringRule } from './constrained-strings';
import type { RuleBook } from './ebnf';
import type { Flattener } from './flat-schema';
import type { Members, NamedMember } from './json-objects';
import { otherStringRule, stringOfLengthRule } from './json-strings';
import { empty, unsupported, type JsonSchema } from './schema-document';
import type { FlatSchema, ObjectKeywords } from './schema-keywords';
import { isLong } from './string-bounds';
import { stringText, type ValueStyle } from './value-text';

/** No object that a model writes has more members. */
const MAX_COUNT = 2000;

/** Reads the keywords of objects. */
export class MemberReader {
  constructor(
    private readonly book: RuleBook,
    private readonly flattener: Flattener,
    private readonly style: ValueStyle,
    /** The rule of a value. */
    private readonly ruleOf: (schema: JsonSchema) => string,
  ) {}

  /** The members that the keywords describe. `labelOf` writes what stands before the value of a name. */
  members(keywords: ObjectKeywords, pointer: string, labelOf: (name: string) => string): Members {
    const all = this.#described(keywords, pointer);
    const named: NamedMember[] = [];
    for (const [name, schema] of all) {
      const required = keywords.required.has(name);
      if (!this.#isNever(schema)) named.push({ label: labelOf(name), value: this.ruleOf(schema), required });
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
        value: this.ruleOf(value),
      };
    }
    if (names.length > 0) throw unsupported(pointer, 'propertyNames beside properties');
    return { key: this.#key(keys.strings, pointer), value: this.ruleOf(value) };
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
    return { key: this.#key({ patterns: [pattern] }, pointer), value: this.ruleOf(schema) };
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

  #key(strings: NonNullable<FlatSchema['strings']>, pointer: string): string {
    const { minLength: min = 0, maxLength: max = Infinity, patterns, format } = strings;
    if (min > max) throw empty(pointer, 'minLength is above maxLength');
    if (patterns || format !== undefined)
      return constrainedStringRule(this.book, this.style, strings, pointer);
    if (isLong(min, max)) throw unsupported(pointer, 'propertyNames with minLength or maxLength above 20');
    return stringOfLengthRule(this.book, this.style, min, max);
  }
}
